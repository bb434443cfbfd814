/* A plot of lines over the epochs: the chosen epoch is a line through it, a click or an arrow key chooses another, and what is under the
   pointer is told in words. */
import { el } from "../../core/elements.mjs";
import { svg } from "../../core/svg.mjs";
import { spread, ticks } from "./reading.mjs";

const LEFT = 44;
const RIGHT = 78;
const TOP = 8;
const BOTTOM = 22;
const DASHES = ["", "6 3", "2 2", "8 3 2 3"];

/** The pattern of what is not decided yet; `id` names it in this drawing. */
export const hatch = (id) =>
  svg(
    "pattern",
    { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { width: 6, height: 6, class: "ev-training-hatch-ground" }),
    svg("line", { y2: 6, class: "ev-training-hatch-line" }),
  );

let made = 0;

/** One plot in a card. choose(row) is called with the number of a row. */
export class Plot {
  /** @param {(row: number) => void} choose */
  constructor(choose) {
    this.choose = choose;
    /** @type {any} */
    this.what = null;
    this.at = 0;
    this.width = 0;
    /** @type {(row: number) => number} */
    this.x = () => LEFT;
    this.pattern = `ev-hatch-${++made}`;
    this.drawing = svg("svg", { class: "ev-training-plot", tabindex: 0, role: "img" });
    this.tip = el("div.ev-training-tip", { hidden: true, role: "status" });
    this.node = el("div.ev-training-holder", {}, this.drawing, this.tip);
    this.drawing.addEventListener("pointermove", (event) => this.hover(event));
    this.drawing.addEventListener("pointerleave", () => this.unhover());
    this.drawing.addEventListener("click", (event) => this.choose(this.rowAt(event)));
    this.drawing.addEventListener("keydown", (event) => this.key(event));
    this.drawing.addEventListener("focus", () => this.drawing.matches(":focus-visible") && this.tell(this.at));
    this.drawing.addEventListener("blur", () => this.unhover());
  }

  /**
   * @param {{epochs: number[], lines: {name: string, values: (number | null)[]}[], low: number, high: number, at: number, undecided: boolean[],
   *   tick: (value: number) => string, value: (value: number) => string, places?: number[], whole?: boolean, label: string}} what
   */
  show(what) {
    this.what = what;
    this.at = what.at;
    this.draw();
  }

  draw() {
    const width = this.node.clientWidth;
    const height = this.node.clientHeight;
    if (!this.what || width < 80 || height < 60) return;
    const { epochs, lines, low, high, undecided, tick, places, whole, label } = this.what;
    this.width = width;
    const inner = { width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
    this.x = (row) => LEFT + (epochs.length < 2 ? inner.width / 2 : (row / (epochs.length - 1)) * inner.width);
    const y = (value) => TOP + (1 - (value - low) / (high - low || 1)) * inner.height;
    const parts = [svg("defs", {}, hatch(this.pattern))];
    for (const [from, to] of runs(undecided)) {
      const half = inner.width / Math.max(2, 2 * (epochs.length - 1));
      const start = Math.max(LEFT, this.x(from) - half);
      const end = Math.min(LEFT + inner.width, this.x(to) + half);
      parts.push(svg("rect", { x: start, y: TOP, width: Math.max(2, end - start), height: inner.height, fill: `url(#${this.pattern})` }));
    }
    for (const value of places ?? ticks(low, high, 5, whole)) {
      parts.push(svg("line", { x1: LEFT, x2: LEFT + inner.width, y1: y(value), y2: y(value), class: "ev-training-grid" }));
      parts.push(svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end", class: "ev-training-tick" }, tick(value)));
    }
    const last = epochs.length - 1;
    const regular = ticks(epochs[0] ?? 0, epochs[last] ?? 1, Math.max(2, Math.floor(inner.width / 60)), true).map((value) =>
      epochs.indexOf(value),
    );
    for (const row of new Set([...regular.filter((place) => this.x(last) - this.x(place) > 24), last])) {
      if (row >= 0 && Math.abs(this.x(row) - this.x(this.at)) > 18)
        parts.push(svg("text", { x: this.x(row), y: height - 6, "text-anchor": "middle", class: "ev-training-tick" }, String(epochs[row])));
    }
    parts.push(
      svg("line", { x1: this.x(this.at), x2: this.x(this.at), y1: TOP - 4, y2: TOP + inner.height + 4, class: "ev-training-now" }),
    );
    parts.push(
      svg(
        "text",
        { x: this.x(this.at), y: height - 6, "text-anchor": "middle", class: "ev-training-tick ev-training-tick--now" },
        String(epochs[this.at] ?? ""),
      ),
    );
    const ends = lines.map(({ values }) => y([...values].reverse().find((value) => value !== null) ?? low));
    const labels = spread(ends, 14, TOP + inner.height);
    lines.forEach(({ name, values }, i) => {
      const style = { class: `ev-training-line ev-training-line--${i % 8}`, "stroke-dasharray": DASHES[Math.floor(i / 4) % 4] || null };
      for (const part of pieces(values)) {
        const points = part.map((row) => `${this.x(row).toFixed(1)},${y(Number(values[row])).toFixed(1)}`).join(" ");
        parts.push(
          part.length > 1
            ? svg("polyline", { points, ...style })
            : svg("circle", {
                cx: points.split(",")[0],
                cy: points.split(",")[1],
                r: 2.5,
                class: `ev-training-dot ev-training-line--${i % 8}`,
              }),
        );
      }
      const now = values[this.at];
      if (now !== null && now !== undefined)
        parts.push(svg("circle", { cx: this.x(this.at), cy: y(now), r: 4, class: `ev-training-dot ev-training-line--${i % 8}` }));
      const right = LEFT + inner.width + 8;
      parts.push(svg("line", { x1: right, x2: right + 12, y1: labels[i], y2: labels[i], ...style }));
      parts.push(svg("text", { x: right + 17, y: labels[i] + 4, class: "ev-training-tick ev-training-name" }, short(name)));
    });
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.drawing.setAttribute("aria-label", label);
    this.drawing.replaceChildren(...parts);
  }

  /** @param {MouseEvent} event */
  rowAt(event) {
    const count = this.what?.epochs.length ?? 1;
    const box = this.drawing.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - RIGHT);
    return Math.max(0, Math.min(count - 1, Math.round(share * (count - 1))));
  }

  /** @param {PointerEvent} event */
  hover(event) {
    this.tell(this.rowAt(event));
  }

  unhover() {
    this.tip.hidden = true;
  }

  /** @param {number} row */
  tell(row) {
    if (!this.what) return;
    const { epochs, lines, value } = this.what;
    const said = lines.map(({ name, values }) => [name, values[row]]).filter(([, number]) => number !== null && number !== undefined);
    this.tip.replaceChildren(
      el("strong", {}, `Epoch ${epochs[row]}`),
      ...(said.length ? said.map(([name, number]) => el("div", {}, `${name} ${value(Number(number))}`)) : [el("div", {}, "not measured")]),
    );
    this.tip.hidden = false;
    const x = this.x(row);
    const left = x > this.width / 2;
    this.tip.style.left = left ? "" : `${x + 10}px`;
    this.tip.style.right = left ? `${this.width - x + 10}px` : "";
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const row = stepped(event.key, this.at, this.what ? this.what.epochs.length : 0);
    if (row === null) return;
    event.preventDefault();
    this.choose(row);
    this.tell(row);
  }
}

/** The row that a key leads to from `at`; null for other keys. */
export function stepped(key, at, count) {
  const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1, PageUp: at - 5, PageDown: at + 5 };
  return key in steps && count ? Math.max(0, Math.min(count - 1, steps[key])) : null;
}

/** [first, last] of every run of true. */
export function runs(flags) {
  const found = [];
  flags.forEach((flag, i) => {
    if (flag && flags[i - 1]) found[found.length - 1][1] = i;
    else if (flag) found.push([i, i]);
  });
  return found;
}

/** Rows of every unbroken piece of a line. */
export const pieces = (values) =>
  runs(values.map((value) => value !== null && value !== undefined)).map(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
  );

/** A layer's name as it fits beside a line: its last two parts. */
export const short = (name) => {
  const tail = name.split(".").slice(-2).join(".");
  return tail.length > 9 ? `…${tail.slice(-8)}` : tail;
};
