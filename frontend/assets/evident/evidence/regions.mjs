/* Evidence that is known because a program made the input: which cells hold it, and how much of a map lies there. Pure.
   A region is {key, title, boxes, mask}: boxes [x0, x1, y0, y1] in the units of the axes, mask {rows, cols, inside} in pixels of the photo. */

/** COCO's uncompressed run lengths (down the columns, the first run outside) -> {rows, cols, inside: Uint8 [rows * cols]}. */
export function unpackMask({ size: [rows, cols], counts }) {
  const inside = new Uint8Array(rows * cols);
  let at = 0;
  counts.forEach((count, k) => {
    for (const stop = at + count; at < stop; at += 1) inside[(at % rows) * cols + Math.floor(at / rows)] = k % 2;
  });
  return { rows, cols, inside };
}

/** Two neighbouring pixels and the weight of the second, for a coordinate in which pixel k covers k..k+1. */
function between(x, n) {
  const at = Math.min(n - 1, Math.max(0, x - 0.5));
  const first = Math.min(Math.floor(at), Math.max(0, n - 2));
  return [first, Math.min(n - 1, first + 1), at - first];
}

/** Whether at least half of the mask, interpolated between pixel centres, lies at (x, y). */
function masked({ rows, cols, inside }, x, y) {
  const [left, right, u] = between(x, cols);
  const [top, bottom, v] = between(y, rows);
  const row = (r) => (1 - u) * inside[r * cols + left] + u * inside[r * cols + right];
  return (1 - v) * row(top) + v * row(bottom) >= 0.5;
}

/** Uint8 [rows * cols] of the display grid: cells whose centre lies in the region, edges included. */
export function cellsInside({ boxes, mask }, { x_axis: { values: xs }, y_axis: { values: ys } }) {
  const out = new Uint8Array(xs.length * ys.length);
  ys.forEach((y, r) => {
    const rows = boxes.filter(([, , low, high]) => y >= low && y <= high);
    xs.forEach((x, c) => {
      if (rows.some(([low, high]) => x >= low && x <= high) || (mask && masked(mask, x, y))) out[r * xs.length + c] = 1;
    });
  });
  return out;
}

/**
 * share: positive relevance inside over all positive relevance, null where nothing is positive; uniform: the same for a map that is
 * equal everywhere, the share of cells; times: share / uniform.
 */
export function shareInside(values, inside) {
  let [all, held, count] = [0, 0, 0];
  for (let i = 0; i < values.length; i += 1) {
    const positive = values[i] > 0 ? values[i] : 0;
    all += positive;
    if (!inside[i]) continue;
    held += positive;
    count += 1;
  }
  const uniform = count / values.length;
  return { share: all > 0 ? held / all : null, uniform, times: all > 0 && count ? held / all / uniform : null };
}
