/* The coughs of a recording as buttons under their place in it: a press plays one alone. */
import { el } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { fraction } from "../maps/axes.mjs";
import * as reading from "./reading.mjs";

/** Widths of a cough's button with its gap, and of the words before them. */
const [LABEL, WORDS] = [68, 186];

export class Coughs {
  /** @type {{start: number, end: number}[]} */
  list = [];
  /** The one that plays or is repeated, by its place. @type {number | null} */
  chosen = null;
  /** Where each stands in its line, css; "" side by side. @type {string[]} */
  lefts = [];

  /** @param {(at: number) => void} onPress */
  constructor(onPress) {
    this.onPress = onPress;
    this.node = el("div.ev-cases-coughs", { role: "group", "aria-label": "Coughs" });
  }

  get buttons() {
    return /** @type {HTMLElement[]} */ ([...this.node.querySelectorAll("button")]);
  }

  /** The chosen one. @returns {[number, number] | null} */
  get part() {
    const cough = this.chosen === null ? null : this.list[this.chosen];
    return cough ? [cough.start, cough.end] : null;
  }

  /** @param {any} prediction with the score of each, or null while it is hidden */
  draw(prediction) {
    const line = prediction && reading.scoreLine(prediction);
    const buttons = this.list.map((cough, at) => {
      const score = line ? scoreOf(prediction, cough, line.shown) : null;
      const where = `${cough.start.toFixed(2)} to ${cough.end.toFixed(2)} s`;
      const said = score === null ? "" : `, model score ${score.toFixed(2)}`;
      return el(
        "button.ev-cases-cough",
        {
          type: "button",
          title: `Cough ${at + 1}, ${where}: press to hear it alone${said}`,
          "aria-pressed": String(at === this.chosen),
          style: this.lefts[at] ? `left: ${this.lefts[at]}` : null,
          onclick: () => this.onPress(at),
        },
        el("strong", {}, String(at + 1)),
        el("span", {}, score === null ? `${cough.start.toFixed(1)} s` : score.toFixed(2)),
        el("span.ev-visually-hidden", {}, `: hear cough ${at + 1}, ${where}`),
      );
    });
    const scored = line && prediction.coughs.length > 0;
    const told = scored
      ? `Each cough, score for ${line.right}`
      : this.list.length
        ? "Press a cough to hear it alone"
        : "No cough was found.";
    renew(this.node, el("span.ev-muted.ev-cases-coughs-word", {}, told), ...buttons);
    this.mark();
  }

  /**
   * Under the place in the recording where there is room for all, else side by side.
   * @param {{x: number, w: number} | undefined} plot
   * @param {Axis | undefined} axis
   */
  lineUp(plot, axis) {
    if (!plot || !axis || !this.list.length) return;
    const centres = this.list.map(({ start, end }) => fraction(axis, (start + end) / 2) * plot.w);
    const lefts = reading.spread(centres, LABEL, plot.w);
    this.node.classList.toggle("ev-cases-coughs--placed", Boolean(lefts));
    this.node.classList.toggle("ev-cases-coughs--line", Boolean(lefts && lefts[0] > WORDS));
    this.lefts = this.list.map((_, i) => (lefts ? `${plot.x + lefts[i]}px` : ""));
    for (const [i, button] of this.buttons.entries()) button.style.left = this.lefts[i] ?? "";
  }

  mark() {
    for (const [at, button] of this.buttons.entries()) button.setAttribute("aria-pressed", String(at === this.chosen));
  }
}

/** The score of a cough heard alone: that of the prediction's cough which it overlaps. */
function scoreOf({ coughs = [] }, { start, end }, index) {
  const same = coughs.find((cough) => cough.start < end && cough.end > start);
  return same?.scores[index] ?? null;
}
