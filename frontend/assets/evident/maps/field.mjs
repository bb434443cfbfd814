/* A map as the browser works with it: values on their grid, and what can be asked of them. Pure; sorts and ranks are made once, when
   first needed. `strength(sign)` is what counts as evidence under the sign shown: both |v|, for max(v, 0), against max(-v, 0). */
import * as contour from "./contour.mjs";
import * as stats from "./statistics.mjs";

let fields = 0;

export class Field {
  /** What was asked for before, by name. @type {Map<string, any>} */
  made = new Map();

  /**
   * @param {Float32Array | Float64Array} values [rows * cols] in array order (row 0 first)
   * @param {number} rows
   * @param {number} cols
   * @param {boolean} signed whether negative values speak against the class
   */
  constructor(values, rows, cols, signed) {
    this.values = values;
    this.rows = rows;
    this.cols = cols;
    this.signed = signed;
    fields += 1;
    this.id = fields;
  }

  /**
   * @template T
   * @param {string} key
   * @param {() => T} make
   * @returns {T}
   */
  once(key, make) {
    if (!this.made.has(key)) this.made.set(key, make());
    return this.made.get(key);
  }

  /**
   * Like `once`, but keeps only the newest key: dragging a slider through 100 positions must not keep 100 masks.
   * @template T
   * @param {string} name
   * @param {unknown} key
   * @param {() => T} make
   * @returns {T}
   */
  latest(name, key, make) {
    const held = this.made.get(name);
    if (held && held.key === key) return held.value;
    const value = make();
    this.made.set(name, { key, value });
    return value;
  }

  /**
   * What counts as evidence under a sign, per cell.
   * @param {Sign} sign
   */
  strength(sign) {
    return this.once(`strength ${sign}`, () => {
      if (sign === "for") return this.values.map((v) => (v > 0 ? v : 0));
      if (sign === "against") return this.values.map((v) => (v < 0 ? -v : 0));
      return this.values.map((v) => Math.abs(v));
    });
  }

  /** @param {Sign} sign */
  sorted(sign) {
    return this.once(`sorted ${sign}`, () => stats.ascending(this.strength(sign)));
  }

  /** Largest |v|. */
  get max() {
    const sorted = this.sorted("both");
    return sorted[sorted.length - 1];
  }

  /** Nothing to see: all cells equal, or not finite. */
  get flat() {
    return this.once("flat", () => {
      const first = this.values[0];
      return !Number.isFinite(this.max) || this.max === 0 || this.values.every((v) => v === first);
    });
  }

  /**
   * Smallest strength among the strongest top % of cells. Ties at the border all count (LIME's segments stay whole), cells without
   * strength never do. 0 when top is 100: everything is shown.
   * @param {Sign} sign
   * @param {number} top percent
   */
  cut(sign, top) {
    if (top >= 100) return 0;
    const sorted = this.sorted(sign);
    const keep = Math.max(1, Math.round((sorted.length * top) / 100));
    const value = sorted[sorted.length - keep];
    return value > 0 ? value : (sorted[stats.countBelow(sorted, 0, true)] ?? Infinity);
  }

  /**
   * @param {Sign} sign
   * @param {number} top percent
   */
  mask(sign, top) {
    return this.latest("mask", `${sign} ${top}`, () => contour.maskOf(this.strength(sign), this.cut(sign, top)));
  }

  /**
   * Strength per column, summed over rows: the strip over time.
   * @param {Sign} sign
   */
  columns(sign) {
    return this.once(`columns ${sign}`, () => stats.columnSums(this.strength(sign), this.rows, this.cols));
  }

  /**
   * Share of cells with less evidence (|v|) than cell i, in percent.
   * @param {number} i
   */
  percentile(i) {
    return stats.percentile(this.sorted("both"), Math.abs(this.values[i]));
  }

  /**
   * Ranks of the signed values ("signed") or of a strength.
   * @param {Sign | "signed"} kind
   */
  ranks(kind) {
    return this.once(`ranks ${kind}`, () =>
      kind === "signed" ? stats.ranks(this.values) : stats.ranks(this.strength(kind), this.sorted(kind)),
    );
  }

  /**
   * Strength at which the colour is full, see `SCALES`.
   * @param {Scale} scale
   * @param {number} largest the largest |v| of all maps on the page
   */
  limit(scale, largest) {
    if (scale === "raw") return largest;
    if (scale === "own") return this.max;
    const robust = stats.quantile(this.sorted("both"), 0.99);
    return robust > 0 ? robust : this.max;
  }

  /**
   * Outline of the top % of cells; `smooth` maps get an interpolated line, others the cells' own edges where those are legible.
   * @param {Sign} sign
   * @param {number} top percent
   * @param {boolean} smooth
   */
  outline(sign, top, smooth) {
    const cut = this.cut(sign, top);
    if (!(cut > 0) || cut === Infinity) return new Float32Array(0);
    return this.latest("outline", `${sign} ${top} ${smooth}`, () => {
      if (smooth) return contour.isoline(this.strength(sign), this.rows, this.cols, cut);
      return contour.legible(this.mask(sign, top), this.rows, this.cols);
    });
  }

  /**
   * The same map with the values of each cell of size x size averaged, on the same grid (the last cells of a side may be smaller). Of a
   * signed map what supports and what opposes within a cell is set against each other.
   * @param {number} size in cells of the grid; 1 is the map as it is
   * @returns {Field}
   */
  averaged(size) {
    if (size <= 1) return this;
    return this.latest(
      "averaged",
      size,
      () => new Field(blockMeans(this.values, this.rows, this.cols, size), this.rows, this.cols, this.signed),
    );
  }

  /**
   * Row and column under a cursor, and the cell's index.
   * @param {Cursor} cursor
   */
  cell({ u, v }) {
    const row = Math.min(this.rows - 1, Math.max(0, Math.floor(v * this.rows)));
    const col = Math.min(this.cols - 1, Math.max(0, Math.floor(u * this.cols)));
    return { row, col, index: row * this.cols + col };
  }
}

/** Mean over squares of size x size, written to every cell of its square. */
function blockMeans(values, rows, cols, size) {
  const out = new Float32Array(values.length);
  for (let top = 0; top < rows; top += size) {
    const bottom = Math.min(rows, top + size);
    for (let left = 0; left < cols; left += size) {
      const right = Math.min(cols, left + size);
      let sum = 0;
      for (let r = top; r < bottom; r += 1) for (let c = left; c < right; c += 1) sum += values[r * cols + c];
      const mean = sum / ((bottom - top) * (right - left));
      for (let r = top; r < bottom; r += 1) out.fill(mean, r * cols + left, r * cols + right);
    }
  }
  return out;
}

/**
 * Cells of the grid that are averaged: as chosen; of its own accord 4 on the grid of a photograph, where single pixels are sand, else none.
 * @param {string | number | undefined} chosen "auto" or a number
 * @param {{rows: number, cols: number}} grid
 */
export function cellSize(chosen, { rows, cols }) {
  const size = Number(chosen);
  return size >= 1 ? size : Math.min(rows, cols) >= 160 ? 4 : 1;
}

/** What the three scales mean; shown as tooltips. Units of attribution differ between methods, so no scale makes raw values comparable. */
export const SCALES = {
  own: "Max: full colour is the largest value of each map. One extreme cell can hide the rest.",
  shared:
    "Top 1 %: each map is divided by the 99th percentile of its own absolute values, so full colour means the same in every panel: " +
    "among the strongest 1 % of that map's cells. Larger values are clipped.",
  raw: "Same: one range for all panels in the methods' own units. Only fair between maps of the same method.",
};

/**
 * Spearman between two fields under a sign; "both" compares signed values where both maps have a sign, strengths otherwise.
 * @param {Field} a
 * @param {Field} b
 * @param {Sign} sign
 * @returns {number | null}
 */
export function correlation(a, b, sign) {
  if (a.rows !== b.rows || a.cols !== b.cols) return null;
  const kind = sign === "both" && a.signed && b.signed ? "signed" : sign;
  return a.once(`rank correlation ${kind} ${b.id}`, () => stats.pearson(a.ranks(kind), b.ranks(kind)));
}

/**
 * Intersection over union of the strongest cells.
 * @param {Field} a
 * @param {Field} b
 * @param {Sign} sign
 * @param {number} top percent
 */
export const overlap = (a, b, sign, top) =>
  a.rows === b.rows && a.cols === b.cols ? stats.iou(a.mask(sign, top), b.mask(sign, top)) : null;

/**
 * How many fields mark each cell: [rows * cols]. All fields share one grid.
 * @param {Field[]} fields
 * @param {Sign} sign
 * @param {number} top percent
 */
export function votes(fields, sign, top) {
  const out = new Uint8Array(fields[0].values.length);
  for (const field of fields) {
    const mask = field.mask(sign, top);
    for (let i = 0; i < out.length; i += 1) out[i] += mask[i];
  }
  return out;
}

/**
 * a - b after bringing both to -1..1 by their 99th percentiles ("shared" scale): where the first sees more, and where the second.
 * @param {Field} a
 * @param {Field} b
 * @param {Sign} sign
 */
export function difference(a, b, sign) {
  const side = (field, signed) => {
    const limit = field.limit("shared", 0) || 1;
    const values = signed ? field.values : field.strength(sign);
    return values.map((v) => Math.max(-1, Math.min(1, v / limit)));
  };
  const signed = sign === "both" && a.signed && b.signed;
  const [x, y] = [side(a, signed), side(b, signed)];
  return new Field(
    x.map((v, i) => v - y[i]),
    a.rows,
    a.cols,
    true,
  );
}
