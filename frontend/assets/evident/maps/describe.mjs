/* Places and maps in words. Pure. */
import { coordinate } from "./axes.mjs";
import * as stats from "./statistics.mjs";
import * as words from "./words.mjs";

const DASH = "\u2013";

/** A coordinate with its unit: "0.42 s", "1,240 Hz", "x 120 px". */
export function position(axis, x) {
  if (axis.unit === "s") return `${x.toFixed(2)} s`;
  if (axis.unit === "Hz") return `${words.integer(x)} Hz`;
  return `${axis.name} ${words.integer(x)} px`;
}

/** A band's edge is known to a mel band, not to a hertz: 2,730 -> 2,700. */
const twoDigits = (x) => Number(x.toPrecision(2));

export function range(axis, low, high) {
  if (axis.unit === "s") return `${low.toFixed(2)}${DASH}${high.toFixed(2)} s`;
  if (axis.unit === "Hz") return `${words.integer(twoDigits(low))}${DASH}${words.integer(twoDigits(high))} Hz`;
  return `${axis.name} ${words.integer(low)}${DASH}${words.integer(high)} px`;
}

/** Where the strongest top % of cells lie, e.g. "0.31\u20130.55 s, 300\u20131,900 Hz"; "" when there are none. */
export function where(field, axes, top = 10) {
  const box = stats.evidenceBox(field.strength("both"), field.rows, field.cols, field.cut("both", top));
  if (!box) return "";
  return place(box, field, axes);
}

/** A box of cells [r0, r1, c0, c1] (inclusive) in the units of the axes. */
export function place([r0, r1, c0, c1], { rows, cols }, axes) {
  const x = range(axes.x_axis, coordinate(axes.x_axis, c0 / cols), coordinate(axes.x_axis, (c1 + 1) / cols));
  const y = range(axes.y_axis, coordinate(axes.y_axis, r0 / rows), coordinate(axes.y_axis, (r1 + 1) / rows));
  return `${x}, ${y}`;
}

/** The text a screen reader speaks for a map. */
export function altText({ title, target, field, axes, partial = false }) {
  const start = `${title} map${target ? ` for ${target}` : ""}${partial ? ", not finished" : ""}.`;
  if (!field || field.flat) return `${start} ${field ? "No evidence found: all cells are equal." : "Not computed yet."}`;
  return field.once(`alt ${start} ${axes.x_axis.values[0]}`, () => `${start} ${described(field, axes, target)}`);
}

function described(field, axes, target) {
  const shares = stats.signShares(field.values);
  const sign = field.signed
    ? ` ${words.percent(shares.positive)} of the evidence supports${target ? ` ${target}` : " the class"}, ${words.percent(shares.negative)} speaks against.`
    : "";
  return `The strongest 10 % of cells lie mostly in ${where(field, axes)}. Largest value ${words.value(largest(field), field.signed)}.${sign}`;
}

/** Why no part of a map can be played or asked about alone; "" where one can. @param {import("./field.mjs").Field} field @param {string} target */
export function unmarked(field, target) {
  if (field.once("supports", () => field.values.some((v) => v > 0))) return "";
  return field.signed
    ? `Nothing in this map supports ${target || "the class"}: no part of it is marked.`
    : "No part of this map is marked.";
}

/** The value of largest size, with its sign. */
export function largest(field) {
  return field.values.reduce((best, v) => (Math.abs(v) > Math.abs(best) ? v : best), 0);
}
