/* Numbers and maps in words. Pure. */
(() => {
  "use strict";
  const { evident } = window;
  const { stats } = evident;
  const MINUS = "\u2212";
  const DASH = "\u2013";

  /** 12345 -> "12,345" */
  const integer = (x) => Math.round(x).toLocaleString("en-US").replace("-", MINUS);

  /** Three significant digits at most, with a sign where the map has one: "+0.71", "\u22120.0031", "4.1e\u22127". */
  function value(x, signed = false, digits = 3) {
    if (!Number.isFinite(x)) return "not a number";
    if (x === 0) return "0";
    const size = Math.abs(x);
    const text = size >= 1e5 || size < 1e-4 ? size.toExponential(1).replace("-", MINUS).replace("+", "") : plain(size, digits);
    return (x < 0 ? MINUS : signed ? "+" : "") + text;
  }

  function plain(size, digits) {
    if (size >= 100) return integer(size);
    const wanted = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
    return size.toFixed(Math.min(wanted, size < 0.001 ? 6 : size < 0.1 ? 4 : 2));
  }

  /** Seconds a computation took or will take: "< 0.1 s", "0.3 s", "14 s", "2 min 5 s". */
  function duration(seconds) {
    if (seconds < 0.095) return "< 0.1 s";
    if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
    if (seconds < 119.5) return `${Math.round(seconds)} s`;
    return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  }

  const bytes = (n) => (n >= 1048576 ? `${Number((n / 1048576).toFixed(1))} MB` : `${Math.max(1, Math.round(n / 1024))} kB`);

  /** A coordinate with its unit: "0.42 s", "1,240 Hz", "x 120 px". */
  function position(axis, x) {
    if (axis.unit === "s") return `${x.toFixed(2)} s`;
    if (axis.unit === "Hz") return `${integer(x)} Hz`;
    return `${axis.name} ${integer(x)} px`;
  }

  /** A band's edge is known to a mel band, not to a hertz: 2,730 -> 2,700. */
  const twoDigits = (x) => Number(x.toPrecision(2));

  function range(axis, low, high) {
    if (axis.unit === "s") return `${low.toFixed(2)}${DASH}${high.toFixed(2)} s`;
    if (axis.unit === "Hz") return `${integer(twoDigits(low))}${DASH}${integer(twoDigits(high))} Hz`;
    return `${axis.name} ${integer(low)}${DASH}${integer(high)} px`;
  }

  /** Where the strongest top % of cells lie, e.g. "0.31\u20130.55 s, 300\u20131,900 Hz"; "" when there are none. */
  function where(field, axes, top = 10) {
    const box = stats.evidenceBox(field.strength("both"), field.rows, field.cols, field.cut("both", top));
    if (!box) return "";
    return place(box, field, axes);
  }

  /** A box of cells [r0, r1, c0, c1] (inclusive) in the units of the axes. */
  function place([r0, r1, c0, c1], { rows, cols }, axes) {
    const { coordinate } = evident.axes;
    const x = range(axes.x_axis, coordinate(axes.x_axis, c0 / cols), coordinate(axes.x_axis, (c1 + 1) / cols));
    const y = range(axes.y_axis, coordinate(axes.y_axis, r0 / rows), coordinate(axes.y_axis, (r1 + 1) / rows));
    return `${x}, ${y}`;
  }

  const percent = (share) => `${Math.round(100 * share)} %`;

  /** The text a screen reader speaks for a map. */
  function altText({ title, target, field, axes, partial = false }) {
    const start = `${title} map${target ? ` for ${target}` : ""}${partial ? ", not finished" : ""}.`;
    if (!field || field.flat) return `${start} ${field ? "No evidence found: all cells are equal." : "Not computed yet."}`;
    return field.once(`alt ${start} ${axes.x_axis.values[0]}`, () => `${start} ${described(field, axes, target)}`);
  }

  function described(field, axes, target) {
    const shares = stats.signShares(field.values);
    const sign = field.signed
      ? ` ${percent(shares.positive)} of the evidence supports${target ? ` ${target}` : " the class"}, ${percent(shares.negative)} speaks against.`
      : "";
    return `The strongest 10 % of cells lie mostly in ${where(field, axes)}. Largest value ${value(largest(field), field.signed)}.${sign}`;
  }

  /** The value of largest size, with its sign. */
  function largest(field) {
    return field.values.reduce((best, v) => (Math.abs(v) > Math.abs(best) ? v : best), 0);
  }

  /** "640 / 1,000 samples" */
  const count = ({ done, total, unit }) => (total > 0 ? `${integer(done)} / ${integer(total)}${unit ? ` ${unit}` : ""}` : "");

  evident.words = { integer, value, duration, bytes, position, range, where, place, percent, altText, largest, count };
})();
