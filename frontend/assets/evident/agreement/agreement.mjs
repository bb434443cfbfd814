/* Where the maps agree, and where two of them do not: computed here from the maps on the page, under the sign and "show top" in force. */
import { emit, nextFrame, on } from "../core/bus.mjs";
import { el, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { Bar } from "../figure/bar.mjs";
import { Figure } from "../figure/figure.mjs";
import * as colour from "../maps/colour.mjs";
import * as contour from "../maps/contour.mjs";
import * as describe from "../maps/describe.mjs";
import { cellSize, correlation, difference, overlap, votes } from "../maps/field.mjs";
import * as words from "../maps/words.mjs";
import { finishedPanels } from "../panel/panels.mjs";
import { sayReadout } from "../panel/readout.mjs";

/** @typedef {import("../panel/panels.mjs").FinishedPanel} FinishedPanel */

/** Maps that can be compared: finished, not flat, on the grid most of them share. A concept map has no vote: it says where
   a concept is, whatever the class. */
export function comparable() {
  const panels = finishedPanels().filter((panel) => !panel.field.flat && panel.votes);
  const count = new Map();
  const grid = ({ field }) => `${field.rows} ${field.cols}`;
  for (const panel of panels) count.set(grid(panel), (count.get(grid(panel)) || 0) + 1);
  const [most] = [...count].sort((a, b) => b[1] - a[1])[0] || [];
  return panels.filter((panel) => grid(panel) === most);
}

// "Show top 100 %" marks every cell: agreement then looks at the strongest fifth, and says so.
const topOf = (look) => (look.top >= 100 ? 20 : look.top);

/** Outline of the cells that at least k of the panels mark: {rows, cols, segments, share}. */
export function consensusOf(panels, k, look) {
  const [{ field }] = panels;
  const counts = votes(
    panels.map((panel) => panel.compared),
    look.sign,
    topOf(look),
  );
  const mask = counts.map((n) => (n >= k ? 1 : 0));
  const share = mask.reduce((sum, x) => sum + x, 0) / mask.length;
  const segments = contour.legible(mask, field.rows, field.cols);
  return { rows: field.rows, cols: field.cols, counts, share, segments };
}

const short = (x) => (x === null ? "\u2013" : `${x < 0 ? "\u2212" : ""}${Math.abs(x) >= 0.995 ? "1" : Math.abs(x).toFixed(2).slice(1)}`);

class Agreement {
  /** @type {FinishedPanel[]} */
  panels = [];
  /** At least this many maps; null: two thirds. @type {number | null} */
  k = null;
  /** Two maps whose difference is shown. @type {[FinishedPanel, FinishedPanel] | null} */
  pair = null;
  /** The number in the cells: "rank" or "overlap". */
  measure = "rank";
  /** Outlined on all maps. */
  on = false;
  /** @type {ReturnType<typeof consensusOf> | null} */
  consensus = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;

  constructor(root) {
    this.figure = new Figure({ onPoint: () => sayReadout(null) });
    this.bar = new Bar();
    this.build(root);
    // the maps follow a dragged slider frame by frame; agreement follows when it rests for a moment
    const later = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.show(), 60);
    };
    this.offs = ["maps", "look", "axes", "withheld"].map((name) => on(name, later));
    this.offs.push(on("agreement", () => this.toggle()));
  }

  build(root) {
    this.number = el("strong");
    this.slider = el("input.ev-slider", {
      type: "range",
      min: "1",
      step: "1",
      "aria-label": "At least this many maps",
      oninput: () => this.pick(Number(this.slider.value)),
    });
    this.share = el("p.ev-muted");
    this.title = el("span");
    this.back = el("button.ev-link", { type: "button", onclick: () => this.choose(null) }, "back to agreement");
    this.outline = el(
      "button.ev-button.ev-button--small",
      { type: "button", "aria-pressed": "false", title: "Key A", onclick: () => this.toggle() },
      "Outline on all maps",
    );
    this.measures = el(
      "div.ev-segments",
      { role: "group", "aria-label": "Number in the cells" },
      this.segment(
        "rank",
        "Same order",
        "Spearman's rank correlation of the two maps: 1 where they order all cells alike, 0 where unrelated",
      ),
      this.segment(
        "overlap",
        "Same places",
        "Overlap (intersection over union) of the cells that the two maps mark: 1 where they are the same",
      ),
    );
    this.table = el("table.ev-matrix");
    this.names = el("ol.ev-matrix-names");
    this.note = el("p.ev-muted");
    this.hint = el("p.ev-muted", {}, "Needs two finished maps.");
    this.content = el(
      "div.ev-agreement-content",
      {},
      el("label.ev-agreement-k", {}, el("span.ev-muted", {}, "at least"), this.number, this.slider),
      this.figure.node,
      el("div.ev-agreement-title", {}, this.title, this.back),
      this.bar.node,
      this.share,
      this.outline,
      this.measures,
      this.table,
      this.names,
      this.note,
    );
    root.append(el("div.ev-agreement", {}, this.hint, this.content));
  }

  segment(key, text, title) {
    const press = () => {
      this.measure = key;
      this.show();
    };
    return el("button", { type: "button", "aria-pressed": "false", "data-key": key, title, onclick: press }, text);
  }

  update() {
    this.show();
  }

  pick(k) {
    this.k = k;
    this.pair = null;
    nextFrame(this, () => this.show());
  }

  choose(pair) {
    this.pair = pair;
    this.show();
  }

  toggle() {
    this.on = !this.on;
    this.show();
    if (this.panels.length >= 2) say(this.on ? "Agreement outlined on all maps." : "Agreement outline off.");
  }

  show() {
    this.panels = comparable();
    const enough = this.panels.length >= 2;
    this.hint.hidden = enough;
    this.content.hidden = !enough;
    if (this.pair && !this.pair.every((panel) => this.panels.includes(panel))) this.pair = null;
    this.consensus = null;
    if (enough) {
      this.sliderOf();
      this.consensus = consensusOf(this.panels, this.chosen, viewState.look);
      this.figureOf();
      this.matrixOf();
    }
    this.publish();
  }

  get chosen() {
    const n = this.panels.length;
    return Math.min(n, this.k || Math.max(2, Math.ceil((2 * n) / 3)));
  }

  sliderOf() {
    this.slider.max = String(this.panels.length);
    this.slider.value = String(this.chosen);
    this.number.textContent = `${this.chosen} of ${this.panels.length}`;
    this.slider.setAttribute("aria-valuetext", `at least ${this.number.textContent} maps`);
  }

  /** Tells the panels to draw (or drop) the outline, only when it changed. */
  publish() {
    const next = this.on && !viewState.withheld && this.consensus ? this.consensus : null;
    if (next === null && !viewState.consensus) return;
    viewState.consensus = next;
    this.outline.setAttribute("aria-pressed", String(Boolean(next)));
    emit("consensus");
  }

  // ---- the map -------------------------------------------------------------------------------------------------------------
  figureOf() {
    const [first] = this.panels;
    const { rows, cols } = first.compared;
    const overlay = el("canvas", { width: cols, height: rows });
    const image = new ImageData(cols, rows);
    if (this.pair) this.paintPair(image.data, this.pair);
    else if (this.consensus) this.paintVotes(image.data, this.consensus);
    overlay.getContext("2d").putImageData(image, 0, 0);
    const lines = this.pair || !this.consensus ? [] : [{ segments: this.consensus.segments, dashed: false }];
    const { picture, pictureRows } = first.figure;
    this.figure.set({ rows, cols, axes: first.axes, picture, pictureRows, overlay, lines, smooth: false });
    this.back.hidden = !this.pair;
  }

  paintVotes(out, { counts, share }) {
    const n = this.panels.length;
    const shares = Float32Array.from(counts, (count) => (count >= this.chosen ? count / n : 0));
    const { look } = viewState;
    colour.paintShare(shares, look.colours, look.opacity / 100, out);
    this.title.textContent = "Marked by how many maps";
    const spec = {
      signed: false,
      colours: look.colours,
      limit: n,
      cut: this.chosen - 0.5,
      sign: "both",
      clipped: false,
      whole: true,
      words: ["", "all maps"],
    };
    this.bar.set(spec);
    const top = topOf(look);
    this.share.textContent = `At least ${this.chosen} of ${n} mark ${words.percent(share)} of the picture; each map marks its strongest ${top} %${this.cells}.`;
    this.figure.canvas.setAttribute("aria-label", `Agreement map. ${this.share.textContent}`);
  }

  /** " in cells of 4 px" where the maps are compared so. */
  get cells() {
    const size = cellSize(viewState.look.cell, this.panels[0].field);
    return size > 1 ? ` in cells of ${size} px` : "";
  }

  paintPair(out, [a, b]) {
    const { look } = viewState;
    const field = difference(a.compared, b.compared, look.sign);
    const style = {
      signed: true,
      colours: look.colours,
      limit: Math.max(field.max, 1e-9),
      cut: 0,
      opacity: look.opacity / 100,
      sign: "both",
      clipped: false,
    };
    colour.paint(field.values, field.strength("both"), { ...style, own: "puor" }, out);
    this.title.textContent = `${a.title} minus ${b.title}`;
    this.bar.set({ ...style, own: "puor", words: [`more in ${b.title}`, `more in ${a.title}`] });
    this.share.textContent = "Each map is first scaled to its own strongest 1 % of cells, so that their units do not matter.";
    this.figure.canvas.setAttribute(
      "aria-label",
      `Dissent map: ${this.title.textContent}. Strongest difference mostly in ${describe.where(field, a.axes)}.`,
    );
  }

  // ---- the matrix ----------------------------------------------------------------------------------------------------------
  matrixOf() {
    const { panels } = this;
    for (const button of this.measures.children) button.setAttribute("aria-pressed", String(button.dataset.key === this.measure));
    const head = el(
      "tr",
      {},
      el("td"),
      ...panels.slice(0, -1).map((panel, i) => el("th", { scope: "col", title: panel.title }, String(i + 1))),
    );
    const rows = panels
      .slice(1)
      .map((panel, r) =>
        el(
          "tr",
          {},
          el("th", { scope: "row", title: panel.title }, String(r + 2)),
          ...panels.slice(0, -1).map((other, c) => (c <= r ? this.cell(other, panel) : el("td"))),
        ),
      );
    renew(this.table, el("thead", {}, head), el("tbody", {}, ...rows));
    this.names.replaceChildren(...panels.map(({ title }) => el("li", {}, title)));
    this.note.textContent = `${this.measure === "rank" ? "How alike two maps order the cells" : `How much of their strongest ${topOf(viewState.look)} % two maps share`}${this.cells}: 1 is the same, 0 nothing in common. Press a number to see where two disagree.`;
  }

  cell(a, b) {
    const { look } = viewState;
    const x =
      this.measure === "rank" ? correlation(a.compared, b.compared, look.sign) : overlap(a.compared, b.compared, look.sign, topOf(look));
    const chosen = this.pair?.[0] === a && this.pair?.[1] === b;
    const button = el(
      "button.ev-matrix-cell",
      {
        type: "button",
        "aria-pressed": String(chosen),
        title: `${a.title} and ${b.title}: ${x === null ? "not defined" : x.toFixed(3)}`,
        "aria-label": `${a.title} and ${b.title}: ${x === null ? "not defined" : x.toFixed(2)}. Show where they disagree.`,
        onclick: () => this.choose(chosen ? null : [a, b]),
      },
      short(x),
    );
    const lut = colour.table("cividis");
    const step = 3 * Math.round(255 * Math.min(1, Math.max(0, x ?? 0)));
    button.style.backgroundColor = `rgb(${lut[step]}, ${lut[step + 1]}, ${lut[step + 2]})`;
    // Between white and black, one always stands out by 4.5 to 1; cividis crosses over just below its middle.
    button.style.color = step > 3 * 119 ? "#000000" : "#ffffff";
    return el("td", {}, button);
  }

  destroy() {
    clearTimeout(this.timer);
    for (const off of this.offs) off();
    this.figure.destroy();
    viewState.consensus = null;
    emit("consensus");
  }
}

declareWidget("agreement", [], (root) => new Agreement(root));
