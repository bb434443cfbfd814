/* What the numbers of a study say on the page: families, scales of columns, order of rows, ranks, profiles. Pure. */

/** The control that a method should beat: brightness falling off from the middle of the picture, whatever is in it. */
export const BLOB = "centre_blob";

const MINUS = "\u2212";
export const ARROWS = { higher: "\u2191", lower: "\u2193" };
export const BETTER = { higher: "higher is better", lower: "lower is better" };

/** "faithfulness" -> "Faithfulness" */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Families where there is little room: as a column, and as what a method would be. */
const SHORT = {
  faithfulness: ["Faith.", "Faithful"],
  robustness: ["Robust.", "Robust"],
  complexity: ["Compl.", "Concise"],
  localisation: ["Local.", "Localised"],
  randomisation: ["Random.", "Specific"],
  axiomatic: ["Axiom.", "Complete"],
};

export const shortFamily = (family) => SHORT[family]?.[0] ?? capital(family);
export const familyTrait = (family) => SHORT[family]?.[1] ?? capital(family);

/** @type {(method: string, metric: string) => string} */
export const keyOf = (method, metric) => `${method}:${metric}`;

/** Metrics by family, each family at the place of its first metric: [{key, title, metrics}]. */
export function familiesOf(metrics) {
  const out = new Map();
  for (const metric of metrics) {
    if (!out.has(metric.family)) out.set(metric.family, { key: metric.family, title: capital(metric.family), metrics: [] });
    out.get(metric.family).metrics.push(metric);
  }
  return [...out.values()];
}

/** Metrics with those of a family side by side. */
export const columnsOf = (metrics) => familiesOf(metrics).flatMap((family) => family.metrics);

/** Cells of the table by `method:metric`. @returns {Map<string, any>} */
export const cellsOf = (table) => new Map(table.map((cell) => [keyOf(cell.method, cell.metric), cell]));

/** 1, 2 or 5 x 10^k, the smallest that is not below x. */
function niceStep(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * ([1, 2, 5].find((step) => step * power >= x * 0.999) ?? 10);
}

const rounded = (x) => Number(x.toPrecision(10));
const known = (x) => typeof x === "number" && Number.isFinite(x);

/**
 * The one scale of a column: round ends around every mean and interval in it, within what the metric can be; from 0 where that costs
 * little room. null where the column has no number.
 * @param {{low?: number | null, high?: number | null}} metric
 * @param {any[]} cells
 * @returns {{low: number, high: number} | null}
 */
export function scaleOf(metric, cells) {
  const values = cells.flatMap(({ mean, low, high }) => [mean, low, high]).filter(known);
  if (!values.length) return null;
  const bottom = known(metric.low) ? Number(metric.low) : Number.NEGATIVE_INFINITY;
  const top = known(metric.high) ? Number(metric.high) : Number.POSITIVE_INFINITY;
  const least = Math.min(...values);
  const most = Math.max(...values);
  // A scale shorter than a tenth of what can be would make differences out of nothing.
  const room = 0.1 * (Number.isFinite(top - bottom) ? top - bottom : Math.max(Math.abs(least), Math.abs(most), 1e-6));
  const step = niceStep(Math.max(most - least, room) / 4);
  let low = rounded(Math.floor(least / step + 1e-9) * step);
  let high = rounded(Math.ceil(most / step - 1e-9) * step);
  if (low > 0 && low <= 0.5 * high) low = 0;
  if (high < 0 && high >= 0.5 * low) high = 0;
  while (high - low < room * 0.999) {
    if (high < top) high = rounded(high + step);
    else low = rounded(low - step);
  }
  return { low: Math.max(low, Math.min(bottom, least)), high: Math.min(high, Math.max(top, most)) };
}

/** The scale of every column. @returns {Map<string, {low: number, high: number} | null>} */
export function scalesOf(result) {
  return new Map(
    result.metrics.map((metric) => [
      metric.key,
      scaleOf(
        metric,
        result.table.filter((cell) => cell.metric === metric.key),
      ),
    ]),
  );
}

/** Where a value stands on a scale, 0..1. */
export const placeOf = (value, { low, high }) => Math.max(0, Math.min(1, (value - low) / (high - low)));

/** Decimals that tell values on this scale apart: two, more where the scale is short. */
function decimalsOf({ low, high }) {
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (size >= 1000) return 0;
  if (size >= 10) return 1;
  return Math.min(6, Math.max(2, Math.ceil(1 - 1e-9 - Math.log10(high - low))));
}

/** A number of a column: "0.94", "\u22121.2", "1.2e6". */
export function figure(value, scale) {
  if (!known(value)) return "n/a";
  const size = Math.abs(value);
  if (size >= 1e5) return value.toExponential(1).replace("+", "").replace("-", MINUS);
  const text = size.toFixed(scale ? decimalsOf(scale) : 2);
  return (value < 0 && Number(text) !== 0 ? MINUS : "") + text;
}

/** A difference, with its sign. */
export const difference = (value, scale) => (value > 0 ? "+" : "") + figure(value, scale);

/** The end of a scale, as short as it can be said. */
export function endOf(value) {
  const size = Math.abs(value);
  const text = size >= 1e5 ? size.toExponential(0).replace("+", "") : String(Number(size.toPrecision(3)));
  return (value < 0 ? MINUS : "") + text;
}

/** "n 81", or "n 29 / 81" while more is expected. */
export const countOf = (cells) => {
  const n = Math.max(0, ...cells.map((cell) => cell.n ?? 0));
  const expected = Math.max(n, ...cells.map((cell) => cell.expected ?? 0));
  return { n, expected, text: n < expected ? `n ${n} / ${expected}` : `n ${n}`, partial: n < expected };
};

/**
 * Rows in the order of a column, the best first, those without a number last; the controls stay below the methods.
 * @param {any[]} rows
 * @param {Map<string, any>} cells
 * @param {{key: string, better: string} | null | undefined} metric null: the study's own order
 * @param {boolean} [worstFirst]
 */
export function sortedRows(rows, cells, metric, worstFirst = false) {
  if (!metric) return [...rows.filter((row) => !row.control), ...rows.filter((row) => row.control)];
  const sign = (metric.better === "higher" ? -1 : 1) * (worstFirst ? -1 : 1);
  const value = (row) => {
    const mean = cells.get(keyOf(row.method, metric.key))?.mean;
    return known(mean) ? sign * mean : Number.POSITIVE_INFINITY;
  };
  const order = (a, b) => Number(a.control) - Number(b.control) || (value(a) === value(b) ? 0 : value(a) - value(b));
  return [...rows].sort((a, b) => (a.control && b.control ? 0 : order(a, b)));
}

/**
 * The families of a study as columns of ranks, one line a method: [{method, title, points: [{column, rank, complete}]}], in the order of
 * the first rank each has.
 */
export function rankLines(families, rows) {
  const shown = families.filter(({ ranks }) => ranks.length > 0);
  const lines = rows
    .filter((row) => !row.control)
    .map(({ method, title }) => {
      const points = shown.flatMap(({ ranks }, column) =>
        ranks.filter((entry) => entry.method === method && known(entry.rank)).map(({ rank, complete }) => ({ column, rank, complete })),
      );
      return { method, title, points };
    })
    .filter(({ points }) => points.length > 0);
  lines.sort((a, b) => a.points[0].column - b.points[0].column || a.points[0].rank - b.points[0].rank);
  return { columns: shown.map(({ family }) => family), lines };
}

/**
 * A row on the radar: per family the mean place on the scales of its columns, turned so that 1 is better; null without a number.
 * @param {string} method
 * @param {any[]} metrics
 * @param {Map<string, any>} cells
 * @param {Map<string, {low: number, high: number} | null>} scales
 */
export function profileOf(method, metrics, cells, scales) {
  return familiesOf(metrics).map(({ key, metrics: own }) => {
    const places = own.flatMap((metric) => {
      const [mean, scale] = [cells.get(keyOf(method, metric.key))?.mean, scales.get(metric.key)];
      if (!known(mean) || !scale) return [];
      const place = placeOf(mean, scale);
      return [metric.better === "higher" ? place : 1 - place];
    });
    return { family: key, value: places.length ? places.reduce((sum, x) => sum + x, 0) / places.length : null };
  });
}

/** Cells of inputs that have a number, the best first. */
export function bestFirst(cells, better) {
  const sign = better === "higher" ? -1 : 1;
  return cells.filter(({ value }) => known(value)).sort((a, b) => sign * (a.value - b.value));
}

/**
 * The best and the worst of a list, without any twice.
 * @param {any[]} ordered
 * @param {number} each
 */
export function extremes(ordered, each) {
  const best = ordered.slice(0, Math.min(each, Math.ceil(ordered.length / 2)));
  const worst = ordered.slice(best.length).slice(-each);
  return { best, worst };
}

/**
 * The cell that a part of the sentence leads to: of a metric alone its best method, of a method alone what is open of it.
 * @param {{method?: string | null, metric?: string | null}} part
 * @param {any} result
 * @param {string | null} open cell that is open
 */
export function targetOf({ method, metric }, result, open) {
  if (method && metric) return keyOf(method, metric);
  if (metric) {
    const own = result.table.filter((cell) => cell.metric === metric);
    const cell = own.find(({ best }) => best) ?? own[0];
    return cell ? keyOf(cell.method, metric) : null;
  }
  return method ? keyOf(method, open?.split(":")[1] ?? result.metrics[0].key) : null;
}

/** Curves over the same shares as their mean; null without any. Curves of another length and points without a value are left out. */
export function meanCurve(curves) {
  const usable = curves.filter((curve) => curve?.x?.length > 1 && curve.x.length === curve.y.length);
  const first = usable[0];
  if (!first) return null;
  const same = usable.filter((curve) => curve.x.length === first.x.length);
  const at = (i) => {
    const values = same.map((curve) => curve.y[i]).filter(known);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  };
  const points = first.x.map((x, i) => ({ x, y: at(i) })).filter(({ y }) => y !== null);
  return { x: points.map(({ x }) => x), y: points.map(({ y }) => y), n: same.length };
}

/**
 * Dots of a distribution over a scale, those of one bin on top of each other: [{place 0..1, level, index}].
 * @param {{input: number, value: number}[]} cells
 * @param {{low: number, high: number}} scale
 * @param {number} bins
 */
export function dotsOf(cells, scale, bins) {
  const stacks = new Map();
  return cells.map(({ input, value }) => {
    const bin = Math.min(bins - 1, Math.floor(placeOf(value, scale) * bins));
    const level = stacks.get(bin) ?? 0;
    stacks.set(bin, level + 1);
    return { place: (bin + 0.5) / bins, level, input, value };
  });
}

/** "0.91\u20130.96"; "" without an interval. */
export const interval = (low, high, scale) => (known(low) && known(high) ? `${figure(low, scale)}\u2013${figure(high, scale)}` : "");

/** Whether a method passed; older studies do not say whether it was judged. @param {{passed?: boolean, judged?: boolean}} verdict */
export function verdictWord({ passed, judged = true }) {
  if (passed) return { word: "passed", glyph: "check" };
  return judged ? { word: "not passed", glyph: "close" } : { word: "not judged", glyph: "help" };
}

/** A cell against the centre blob, in words; "" where nothing is known. versus: paired difference, turned so that more is better. */
export function againstBlob(versus, scale) {
  if (!versus || !known(versus.diff)) return "";
  const { diff, low, high } = versus;
  if (!known(low) || !known(high)) return `too few inputs to tell it from the centre blob (${difference(diff, scale)})`;
  const around = ` (${figure(low, scale)} to ${figure(high, scale)})`;
  if (low <= 0 && high >= 0) return `not told apart from the centre blob${around}`;
  return `${diff > 0 ? "better" : "worse"} than the centre blob by ${figure(Math.abs(diff), scale)}${around}`;
}

/** What a cell says, for those who listen. */
export function spokenCell(row, metric, cell, scale) {
  if (!cell || !known(cell.mean)) return `${row.title}, ${metric.title}: no number. ${cell?.note ?? ""}`.trim();
  const parts = [`${row.title}, ${metric.title}: ${figure(cell.mean, scale)}`];
  if (known(cell.low)) parts.push(`interval ${figure(cell.low, scale)} to ${figure(cell.high, scale)}`);
  parts.push(`${cell.n} inputs`);
  if (cell.best) parts.push("best of the column");
  if (cell.flips) parts.push("its rank changes with another baseline");
  return parts.join(", ");
}
