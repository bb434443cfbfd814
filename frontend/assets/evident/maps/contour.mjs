/* Outlines of "the top q %". Pure. Coordinates are cell edges: x in 0..cols, y in 0..rows, along the array's columns and rows.
   Both return flat directed segments [x1, y1, x2, y2, ...] with the inside on the right, so that area() needs no joining. */

/**
 * Mask of cells with strength >= cut (and > 0).
 * @param {ArrayLike<number>} strength
 * @param {number} cut
 */
export function maskOf(strength, cut) {
  const mask = new Uint8Array(strength.length);
  for (let i = 0; i < mask.length; i += 1) mask[i] = strength[i] > 0 && strength[i] >= cut ? 1 : 0;
  return mask;
}

/**
 * Exact outline along cell edges: for maps whose cells are the evidence itself.
 * @param {ArrayLike<number>} mask
 * @param {number} rows
 * @param {number} cols
 */
export function cellEdges(mask, rows, cols) {
  /** @type {number[]} */
  const out = [];
  const at = (r, c) => (r >= 0 && c >= 0 && r < rows && c < cols ? mask[r * cols + c] : 0);
  for (let r = 0; r <= rows; r += 1)
    run(
      cols,
      (c) => at(r, c) - at(r - 1, c),
      (a, b) => out.push(a, r, b, r),
    );
  for (let c = 0; c <= cols; c += 1)
    run(
      rows,
      (r) => at(r, c - 1) - at(r, c),
      (a, b) => out.push(c, a, c, b),
    );
  return Float32Array.from(out);
}

/** Joins neighbouring edges of one direction: +1 runs forwards, -1 backwards. */
function run(length, direction, emit) {
  let start = 0;
  let now = 0;
  for (let i = 0; i <= length; i += 1) {
    const next = i < length ? direction(i) : 0;
    if (next === now) continue;
    if (now > 0) emit(start, i);
    else if (now < 0) emit(i, start);
    start = i;
    now = next;
  }
}

// Marching squares: corners NW, NE, SE, SW are bits 8 4 2 1; sides N 0, E 1, S 2, W 3; each pair runs with the inside on its right.
const CASES = [
  [],
  [[3, 2]],
  [[2, 1]],
  [[3, 1]],
  [[1, 0]],
  [
    [3, 2],
    [1, 0],
  ],
  [[2, 0]],
  [[3, 0]],
  [[0, 3]],
  [[0, 2]],
  [
    [0, 3],
    [2, 1],
  ],
  [[0, 1]],
  [[1, 3]],
  [[1, 2]],
  [[2, 3]],
  [],
];

/**
 * Smooth outline through interpolated values at cell centres: for maps enlarged from a coarse layer.
 * @param {ArrayLike<number>} strength
 * @param {number} rows
 * @param {number} cols
 * @param {number} cut
 */
export function isoline(strength, rows, cols, cut) {
  /** @type {number[]} */
  const out = [];
  const at = (r, c) => (r >= 0 && c >= 0 && r < rows && c < cols ? strength[r * cols + c] : 0);
  const between = (a, b) => (a === b ? 0.5 : Math.min(1, Math.max(0, (cut - a) / (b - a))));
  for (let r = -1; r < rows; r += 1) {
    for (let c = -1; c < cols; c += 1) {
      const nw = at(r, c);
      const ne = at(r, c + 1);
      const se = at(r + 1, c + 1);
      const sw = at(r + 1, c);
      const index = (nw >= cut ? 8 : 0) + (ne >= cut ? 4 : 0) + (se >= cut ? 2 : 0) + (sw >= cut ? 1 : 0);
      if (index === 0 || index === 15) continue;
      const x = c + 0.5;
      const y = r + 0.5;
      const sides = [
        [x + between(nw, ne), y],
        [x + 1, y + between(ne, se)],
        [x + between(sw, se), y + 1],
        [x, y + between(nw, sw)],
      ];
      for (const [from, to] of CASES[index]) out.push(...clamp(sides[from], rows, cols), ...clamp(sides[to], rows, cols));
    }
  }
  return Float32Array.from(out);
}

/** @param {number[]} point */
const clamp = ([x, y], rows, cols) => [Math.min(cols, Math.max(0, x)), Math.min(rows, Math.max(0, y))];

/**
 * Enclosed area in cells (shoelace; holes count negative).
 * @param {ArrayLike<number>} segments
 */
export function area(segments) {
  let twice = 0;
  for (let i = 0; i < segments.length; i += 4) twice += segments[i] * segments[i + 3] - segments[i + 2] * segments[i + 1];
  return twice / 2;
}

/**
 * The mask without its islands of fewer than `smallest` cells (4-neighbours). Specks keep their colour but get no outline.
 * @param {Uint8Array} mask
 * @param {number} cols
 * @param {number} smallest
 */
export function islands(mask, cols, smallest) {
  const out = new Uint8Array(mask.length);
  const seen = new Uint8Array(mask.length);
  const stack = new Int32Array(mask.length);
  for (let first = 0; first < mask.length; first += 1) {
    if (!mask[first] || seen[first]) continue;
    let top = 0;
    let size = 0;
    stack[size++] = first;
    seen[first] = 1;
    while (top < size) {
      const i = stack[top++];
      const c = i % cols;
      for (const next of [c > 0 ? i - 1 : -1, c < cols - 1 ? i + 1 : -1, i - cols, i + cols]) {
        if (next < 0 || next >= mask.length || !mask[next] || seen[next]) continue;
        seen[next] = 1;
        stack[size++] = next;
      }
    }
    if (size >= smallest) for (let k = 0; k < size; k += 1) out[stack[k]] = 1;
  }
  return out;
}

/**
 * Total length in cell sides.
 * @param {ArrayLike<number>} segments
 */
export function perimeter(segments) {
  let sum = 0;
  for (let i = 0; i < segments.length; i += 4) sum += Math.hypot(segments[i + 2] - segments[i], segments[i + 3] - segments[i + 1]);
  return sum;
}

/**
 * Outline for the eye: the mask's edges without specks, and none at all where the mask is dust, which a long line would only cover.
 * @param {Uint8Array} mask
 * @param {number} rows
 * @param {number} cols
 */
export function legible(mask, rows, cols, smallest = 6) {
  const patches = islands(mask, cols, smallest);
  const segments = cellEdges(patches, rows, cols);
  const cells = patches.reduce((sum, x) => sum + x, 0);
  const length = perimeter(segments);
  return length > 0.45 * cells && length > 4 * (rows + cols) ? new Float32Array(0) : segments;
}
