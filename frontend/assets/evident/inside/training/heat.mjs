/* The table epoch x layer as colours and numbers. */
import { el } from "../../core/elements.mjs";
import { svg } from "../../core/svg.mjs";
import { table } from "../../maps/colour.mjs";
import { hatch, runs, short, stepped } from "./plot.mjs";
import { cellWords, columns, MEASURES, scaleOf, numberOf, written } from "./reading.mjs";

const LEFT = 64;
const BOTTOM = 24;
const ROW = 34;
const GAP = 2;
/** Columns narrower than this have hardly a gap. */
const CLOSE = 12;
const NARROWEST = 4;
const NUMBERS = 23;

/** One table in a card. choose(row) is called with the number of an epoch's row. */
export class Heat {
  /** @param {(row: number) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.layer = 0;
    /** @type {any} */
    this.history = null;
    this.measure = "agreement";
    this.at = 0;
    /** Rows of the epochs that have a column. @type {number[]} */
    this.shown = [];
    this.column = 1;
    this.row = ROW;
    this.drawing = svg("svg", { class: "ev-training-heat", tabindex: 0, role: "img" });
    this.tip = el("div.ev-training-tip", { hidden: true, role: "status" });
    this.node = el("div.ev-training-holder.ev-training-holder--heat", {}, this.drawing, this.tip);
    this.drawing.addEventListener("pointermove", (event) => this.hover(event));
    this.drawing.addEventListener("pointerleave", () => {
      this.tip.hidden = true;
    });
    this.drawing.addEventListener("click", (event) => this.choose(this.placeOf(event).row));
    this.drawing.addEventListener("keydown", (event) => this.key(event));
    this.drawing.addEventListener("focus", () => this.drawing.matches(":focus-visible") && this.tell(this.at, this.layer));
    this.drawing.addEventListener("blur", () => {
      this.tip.hidden = true;
    });
  }

  show(history, measure, at) {
    [this.history, this.measure, this.at] = [history, measure, at];
    this.draw();
  }

  draw() {
    const { history, measure } = this;
    const width = this.node.clientWidth;
    if (!history || width < 80) return;
    const names = history.layers.map(({ name }) => name);
    this.row = Math.max(14, Math.min(ROW, 280 / Math.max(1, names.length)));
    this.shown = columns(history.epochs.length, Math.max(1, Math.floor((width - LEFT) / NARROWEST)));
    this.column = (width - LEFT) / Math.max(1, this.shown.length);
    const height = names.length * this.row + BOTTOM;
    const [low, high] = scaleOf(history, measure);
    const colours = table(MEASURES[measure].signed ? "coolwarm" : "cividis");
    const parts = [svg("defs", {}, hatch("ev-hatch-heat"))];
    names.forEach((name, layer) => {
      parts.push(
        svg(
          "text",
          { x: LEFT - 8, y: (layer + 0.5) * this.row + 4, "text-anchor": "end", class: "ev-training-tick ev-training-name" },
          short(name),
        ),
      );
      this.shown.forEach((row, column) => {
        parts.push(...this.cell(history.epochs[row], name, layer, column, { low, high, colours }));
      });
    });
    parts.push(...this.undecided(names.length), ...this.axis(height));
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.drawing.style.height = `${height}px`;
    this.drawing.setAttribute("aria-label", this.words());
    this.drawing.replaceChildren(...parts);
  }

  /** @returns {SVGElement[]} */
  cell(row, name, layer, column, { low, high, colours }) {
    if (MEASURES[this.measure].lens && row.one_answer) return [];
    const value = numberOf(row, name, this.measure);
    const [x, y] = [LEFT + column * this.column, layer * this.row];
    const gap = this.column < CLOSE ? 0.6 : GAP;
    const size = {
      x: x + gap / 2,
      y: y + GAP / 2,
      width: Math.max(1, this.column - gap),
      height: this.row - GAP,
      rx: Math.min(3, this.column / 5),
    };
    if (value === null) return [svg("rect", { ...size, class: "ev-training-missing" })];
    const step = Math.round(255 * Math.max(0, Math.min(1, (value - low) / (high - low || 1))));
    const [r, g, b] = colours.subarray(3 * step, 3 * step + 3);
    const bright = 0.299 * r + 0.587 * g + 0.114 * b > 130;
    const doubtful = MEASURES[this.measure].lens && row.layers.find((part) => part.name === name)?.trusted === false;
    const parts = [svg("rect", { ...size, fill: `rgb(${r} ${g} ${b})`, "fill-opacity": doubtful ? 0.22 : null })];
    if (row.decision_depth?.p95 === layer && !row.one_answer && MEASURES[this.measure].lens)
      parts.push(
        svg("rect", { ...size, class: "ev-training-decided" }),
        svg("rect", { ...size, class: "ev-training-decided ev-training-decided--inside" }),
      );
    if (this.column >= NUMBERS && this.row >= 18)
      parts.push(
        svg(
          "text",
          {
            x: x + this.column / 2,
            y: y + this.row / 2 + 4,
            "text-anchor": "middle",
            class: `ev-training-number${doubtful ? " ev-training-number--doubtful" : ""}`,
            fill: doubtful ? null : bright ? "#16191d" : "#ffffff",
          },
          written(value, this.measure),
        ),
      );
    return parts;
  }

  /** Columns in which nothing is decided yet, and what that means where there is room for the words. */
  undecided(count) {
    if (!MEASURES[this.measure].lens) return [];
    const flags = this.shown.map((row) => this.history.epochs[row].one_answer);
    return runs(flags).flatMap(([from, to]) => {
      const width = (to - from + 1) * this.column;
      const box = { x: LEFT + from * this.column, y: 1, width, height: count * this.row - 2 };
      const middle = [LEFT + from * this.column + width / 2, (count * this.row) / 2];
      const parts = [svg("rect", { ...box, fill: "url(#ev-hatch-heat)", rx: 4 })];
      if (width > 118 && count * this.row > 50)
        parts.push(
          svg("rect", { x: middle[0] - 55, y: middle[1] - 20, width: 110, height: 40, rx: 4, class: "ev-training-words" }),
          svg("text", { x: middle[0], y: middle[1] - 3, "text-anchor": "middle", class: "ev-training-tick" }, "one answer for"),
          svg("text", { x: middle[0], y: middle[1] + 13, "text-anchor": "middle", class: "ev-training-tick" }, "≥ 95 % of inputs"),
        );
      return parts;
    });
  }

  axis(height) {
    const every = Math.max(1, Math.ceil(34 / this.column / 5) * 5);
    const chosen = this.columnOf(this.at);
    const parts = [svg("text", { x: LEFT - 8, y: height - 6, "text-anchor": "end", class: "ev-training-tick" }, "epoch")];
    this.shown.forEach((row, column) => {
      const here = column === chosen;
      const regular = this.column >= 34 || this.history.epochs[row].epoch % every === 0;
      if (!here && (!regular || Math.abs(column - chosen) * this.column < 26)) return;
      const style = `ev-training-tick${here ? " ev-training-tick--now" : ""}`;
      const number = String(here ? this.history.epochs[this.at].epoch : this.history.epochs[row].epoch);
      parts.push(svg("text", { x: LEFT + (column + 0.5) * this.column, y: height - 6, "text-anchor": "middle", class: style }, number));
    });
    if (this.history.epochs.length)
      parts.push(
        svg("rect", {
          x: LEFT + chosen * this.column - 1,
          y: 0.5,
          width: this.column + 2,
          height: height - BOTTOM,
          rx: 4,
          class: "ev-training-chosen",
        }),
      );
    return parts;
  }

  columnOf(row) {
    return this.shown.reduce((best, other, column) => (Math.abs(other - row) < Math.abs(this.shown[best] - row) ? column : best), 0);
  }

  words() {
    const { history, measure, at } = this;
    const row = history.epochs[at];
    if (!row) return "Nothing is recorded yet.";
    const values = history.layers.map(({ name }) => `${name} ${written(numberOf(row, name, measure), measure)}`).join(", ");
    return `${MEASURES[measure].name} of ${history.layers.length} layers over ${history.epochs.length} epochs; at epoch ${row.epoch}: ${values}`;
  }

  /** @param {MouseEvent} event */
  placeOf(event) {
    const box = this.drawing.getBoundingClientRect();
    const column = Math.max(0, Math.min(this.shown.length - 1, Math.floor((event.clientX - box.left - LEFT) / this.column)));
    const layer = Math.max(0, Math.min(this.history.layers.length - 1, Math.floor((event.clientY - box.top) / this.row)));
    return { row: this.shown[column], layer };
  }

  /** @param {PointerEvent} event */
  hover(event) {
    const { row, layer } = this.placeOf(event);
    this.tell(row, layer);
  }

  tell(row, layer) {
    if (!this.history?.epochs.length) return;
    const [head, ...rest] = cellWords(this.history, row, this.history.layers[layer].name).split(" · ");
    this.tip.replaceChildren(el("strong", {}, head), ...rest.map((part) => el("div", {}, part)));
    this.tip.hidden = false;
    const x = LEFT + this.columnOf(row) * this.column;
    const left = x > this.node.clientWidth / 2;
    this.tip.style.left = left ? "" : `${x + this.column + 6}px`;
    this.tip.style.right = left ? `${this.node.clientWidth - x + 6}px` : "";
    this.tip.style.top = `${Math.max(0, (layer - 1) * this.row)}px`;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const row = stepped(event.key, this.at, this.history?.epochs.length ?? 0);
    if (row === null && down === undefined) return;
    event.preventDefault();
    if (down) this.layer = Math.max(0, Math.min(this.history.layers.length - 1, this.layer + down));
    if (row !== null) this.choose(row);
    this.tell(this.at, this.layer);
  }
}
