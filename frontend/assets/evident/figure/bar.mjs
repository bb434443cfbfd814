/* The colour bar: which colour means what, in numbers and in words, with zero marked and the hidden part greyed out. */
import { el } from "../core/elements.mjs";
import * as colour from "../maps/colour.mjs";
import { SCALES } from "../maps/field.mjs";
import * as words from "../maps/words.mjs";

/** Pixels of the bar, [steps * 4]: colours as in the map, cells below the cut or of the hidden sign transparent. */
export function barPixels(steps, { signed, colours, limit, cut, sign, own }) {
  const values = Float32Array.from({ length: steps }, (_, i) => {
    const t = (i + 0.5) / steps;
    return limit * (signed ? 2 * t - 1 : t);
  });
  const strength = values.map((v) => Math.max(0, sign === "for" ? v : sign === "against" ? -v : Math.abs(v)));
  const out = colour.paint(
    values,
    strength,
    { signed, colours, limit: limit || 1, cut, opacity: 1, own },
    new Uint8ClampedArray(4 * steps),
  );
  for (let i = 3; i < out.length; i += 4) out[i] = out[i] ? 255 : 0;
  return out;
}

/** Numbers and words of the two ends. clipped: larger values exist and are drawn like the end: "\u2265 0.025".
    words: own words for the two ends; whole: the numbers are counts. */
export function barLabels({ signed, limit, clipped, target, words: own, whole }) {
  const end = (x) => (whole ? words.integer(x) : (clipped && x > 0 ? "\u2265 " : "") + words.value(x, signed, 2));
  const name = target || "this class";
  return {
    low: signed ? end(-limit) : "0",
    high: end(limit),
    against: own ? own[0] : signed ? "speaks against" : "",
    for: own ? own[1] : signed ? `supports ${name}` : `used for ${name}`,
  };
}

export class Bar {
  constructor() {
    this.canvas = el("canvas.ev-bar-canvas", { width: 256, height: 1, "aria-hidden": "true" });
    this.low = el("span.ev-bar-number");
    this.high = el("span.ev-bar-number");
    this.against = el("span.ev-bar-word");
    this.for = el("span.ev-bar-word");
    this.cells = el("span.ev-bar-word.ev-bar-cells");
    this.zero = el("i.ev-bar-zero");
    const track = el("div.ev-bar-track", {}, this.canvas, this.zero);
    this.node = el(
      "div.ev-bar",
      {},
      el("div.ev-bar-row", {}, this.low, track, this.high),
      el("div.ev-bar-row.ev-bar-words", {}, this.against, this.cells, this.for),
    );
  }

  /** spec: {signed, colours, limit, cut, sign, clipped, target, scale, words?} */
  set(spec) {
    this.spec = spec;
    const context = this.canvas.getContext("2d");
    context.putImageData(new ImageData(barPixels(this.canvas.width, spec), this.canvas.width, 1), 0, 0);
    this.cells.textContent = spec.cell > 1 ? `${spec.cell} px cells` : "";
    this.cells.title = spec.cell > 1 ? `Each cell of ${spec.cell} by ${spec.cell} pixels shows the mean of its values (Look, Cells).` : "";
    const text = barLabels(spec);
    for (const [name, value] of Object.entries(text)) this[name].textContent = value;
    this.zero.classList.toggle("ev-bar-zero--middle", spec.signed);
    this.for.title = this.for.textContent;
    this.node.title = spec.scale ? SCALES[spec.scale] : "";
  }
}
