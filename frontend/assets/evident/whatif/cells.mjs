/* A region as cells of the display grid: rectangles, strokes of a brush, and boxes in the units of the axes. Pure.
   Rows and columns count along the array; a rectangle is {r0, r1, c0, c1}, both ends included. */
import { coordinate } from "../maps/axes.mjs";
import * as describe from "../maps/describe.mjs";

/** @typedef {{r0: number, r1: number, c0: number, c1: number}} Rect */

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

/** The cell at a place, 0..1 along columns and rows. */
export const cellAt = ({ u, v }, rows, cols) => ({
  row: clamp(Math.floor(v * rows), 0, rows - 1),
  col: clamp(Math.floor(u * cols), 0, cols - 1),
});

/** The rectangle between two cells. @returns {Rect} */
export const rectBetween = (a, b) => ({
  r0: Math.min(a.row, b.row),
  r1: Math.max(a.row, b.row),
  c0: Math.min(a.col, b.col),
  c1: Math.max(a.col, b.col),
});

/** A rectangle of a quarter of each side around a cell, inside the grid. @returns {Rect} */
export function rectAround({ row, col }, rows, cols) {
  const [h, w] = [Math.max(1, Math.round(rows / 4)), Math.max(1, Math.round(cols / 4))];
  const r0 = clamp(row - Math.floor(h / 2), 0, rows - h);
  const c0 = clamp(col - Math.floor(w / 2), 0, cols - w);
  return { r0, r1: r0 + h - 1, c0, c1: c0 + w - 1 };
}

/** Moved, as far as the grid goes. @returns {Rect} */
export function moved({ r0, r1, c0, c1 }, down, right, rows, cols) {
  const i = clamp(down, -r0, rows - 1 - r1);
  const j = clamp(right, -c0, cols - 1 - c1);
  return { r0: r0 + i, r1: r1 + i, c0: c0 + j, c1: c1 + j };
}

/** With its last row and column moved: one cell at least, and not over the edge. @returns {Rect} */
export const sized = ({ r0, r1, c0, c1 }, down, right, rows, cols) => ({
  r0,
  r1: clamp(r1 + down, r0, rows - 1),
  c0,
  c1: clamp(c1 + right, c0, cols - 1),
});

/** Adds a rectangle to the cells. */
export function fillRect(inside, cols, { r0, r1, c0, c1 }) {
  for (let r = r0; r <= r1; r += 1) inside.fill(1, r * cols + c0, r * cols + c1 + 1);
  return inside;
}

/** Adds a stroke of a round brush between two places (u, v in 0..1). size: its width, as a share of the grid's longer side. */
export function stroke(inside, rows, cols, from, to, size) {
  const radius = Math.max(0.75, (size * Math.max(rows, cols)) / 2);
  const [x0, y0, x1, y1] = [from.u * cols, from.v * rows, to.u * cols, to.v * rows];
  const length2 = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  for (let r = Math.max(0, Math.floor(Math.min(y0, y1) - radius)); r < Math.min(rows, Math.max(y0, y1) + radius + 1); r += 1) {
    for (let c = Math.max(0, Math.floor(Math.min(x0, x1) - radius)); c < Math.min(cols, Math.max(x0, x1) + radius + 1); c += 1) {
      const [x, y] = [c + 0.5, r + 0.5];
      const t = length2 ? clamp(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length2, 0, 1) : 0;
      const off = (x - x0 - t * (x1 - x0)) ** 2 + (y - y0 - t * (y1 - y0)) ** 2;
      if (off <= radius ** 2) inside[r * cols + c] = 1;
    }
  }
  return inside;
}

/** Runs of a row: [[first, last], ...]. */
function runsOf(inside, cols, row) {
  const out = [];
  for (let c = 0; c < cols; c += 1) {
    if (!inside[row * cols + c]) continue;
    const first = c;
    while (c + 1 < cols && inside[row * cols + c + 1]) c += 1;
    out.push([first, c]);
  }
  return out;
}

/** Rectangles that together hold just these cells: runs of equal columns in neighbouring rows are one. @returns {Rect[]} */
export function rectsOf(inside, rows, cols) {
  /** @type {Rect[]} */
  const done = [];
  /** @type {Map<string, Rect>} */
  let open = new Map();
  for (let row = 0; row < rows; row += 1) {
    const next = new Map();
    for (const [c0, c1] of runsOf(inside, cols, row)) {
      const key = `${c0} ${c1}`;
      next.set(key, { ...(open.get(key) ?? { r0: row, c0, c1 }), r1: row });
      open.delete(key);
    }
    done.push(...open.values());
    open = next;
  }
  return [...done, ...open.values()];
}

/** A rectangle's outer edges in the units of the axes: [x0, x1, y0, y1]. */
export const boxOf = ({ r0, r1, c0, c1 }, { x_axis: x, y_axis: y }) => [
  coordinate(x, c0 / x.values.length),
  coordinate(x, (c1 + 1) / x.values.length),
  coordinate(y, r0 / y.values.length),
  coordinate(y, (r1 + 1) / y.values.length),
];

/** What the API is told of these cells. @returns {[number, number, number, number][]} */
export const boxesOf = (inside, axes) =>
  rectsOf(inside, axes.y_axis.values.length, axes.x_axis.values.length).map(
    (rect) => /** @type {[number, number, number, number]} */ (boxOf(rect, axes)),
  );

/** The smallest rectangle around the cells; null around none. @returns {Rect | null} */
export function boundsOf(inside, rows, cols) {
  const rects = rectsOf(inside, rows, cols);
  if (!rects.length) return null;
  const all = (name, pick) => pick(...rects.map((rect) => rect[name]));
  return { r0: all("r0", Math.min), r1: all("r1", Math.max), c0: all("c0", Math.min), c1: all("c1", Math.max) };
}

const WHOLE = { Hz: "all Hz", s: "the whole window", px: "full height" };

/** Where the cells lie: "0.12–0.37 s, all Hz". */
export function placeOf(inside, axes) {
  const [rows, cols] = [axes.y_axis.values.length, axes.x_axis.values.length];
  const bounds = boundsOf(inside, rows, cols);
  if (!bounds) return "";
  const { r0, r1, c0, c1 } = bounds;
  const [x, y] = describe.place([r0, r1, c0, c1], { rows, cols }, axes).split(", ");
  const across = c0 === 0 && c1 === cols - 1 ? (axes.x_axis.unit === "px" ? "full width" : WHOLE.s) : x;
  return `${across}, ${r0 === 0 && r1 === rows - 1 ? WHOLE[axes.y_axis.unit] : y}`;
}
