/* Numbers about maps. Pure. `sorted` is always an ascending typed array. */

/**
 * Values in ascending order, typed arrays sort natively (no comparator).
 * @template {Float32Array | Float64Array} T
 * @param {T} values
 * @returns {T}
 */
export const ascending = (values) => /** @type {T} */ (values.slice().sort());

/** q-quantile (0..1) with linear interpolation, as numpy.quantile. */
export function quantile(sorted, q) {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

/** How many values are < x (strict) or <= x. */
export function countBelow(sorted, x, inclusive = false) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < x || (inclusive && sorted[middle] === x)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Share of values that are smaller than x, in percent. A value tied with the smallest has percentile 0. */
export const percentile = (sorted, x) => (100 * countBelow(sorted, x)) / sorted.length;

/** Ranks 1..n, ties share their mean rank. */
export function ranks(values, sorted = ascending(values)) {
  const out = new Float64Array(values.length);
  for (let i = 0; i < out.length; i += 1) out[i] = (countBelow(sorted, values[i]) + countBelow(sorted, values[i], true) + 1) / 2;
  return out;
}

/** Pearson correlation; null when one side does not vary. */
export function pearson(a, b) {
  const n = a.length;
  let meanA = 0;
  let meanB = 0;
  for (let i = 0; i < n; i += 1) {
    meanA += a[i];
    meanB += b[i];
  }
  meanA /= n; // the sum of ranks is exact, so a constant side leaves exactly zero below
  meanB /= n;
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < n; i += 1) {
    const x = a[i] - meanA;
    const y = b[i] - meanB;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : null;
}

/** Spearman's rank correlation with mean ranks for ties; null when one side does not vary. */
export const spearman = (a, b) => pearson(ranks(a), ranks(b));

/** Intersection over union of two masks; null when both are empty. */
export function iou(a, b) {
  let both = 0;
  let any = 0;
  for (let i = 0; i < a.length; i += 1) {
    both += a[i] & b[i];
    any += a[i] | b[i];
  }
  return any ? both / any : null;
}

/** Sum over rows -> [cols]: the evidence per moment under a spectrogram. */
export function columnSums(values, rows, cols) {
  const out = new Float64Array(cols);
  for (let r = 0, i = 0; r < rows; r += 1) for (let c = 0; c < cols; c += 1, i += 1) out[c] += values[i];
  return out;
}

/** Shares of sum |v| that are positive and negative: {positive, negative}. */
export function signShares(values) {
  let positive = 0;
  let negative = 0;
  for (const value of values) {
    if (value > 0) positive += value;
    else negative -= value;
  }
  const all = positive + negative || 1;
  return { positive: positive / all, negative: negative / all };
}

/** Index where the running sum of weights first reaches share * total. */
function reach(weights, share) {
  let total = 0;
  for (const weight of weights) total += weight;
  let sum = 0;
  for (let i = 0; i < weights.length; i += 1) {
    sum += weights[i];
    if (sum >= share * total) return i;
  }
  return weights.length - 1;
}

/**
 * Where the strongest cells lie: of the cells whose strength is >= cut, the box [r0, r1, c0, c1] (inclusive) that leaves 5 % of their
 * strength outside at each side. Null when no cell counts.
 */
export function evidenceBox(strength, rows, cols, cut) {
  const byRow = new Float64Array(rows);
  const byCol = new Float64Array(cols);
  let any = false;
  for (let i = 0; i < strength.length; i += 1) {
    if (!(strength[i] > 0) || strength[i] < cut) continue;
    any = true;
    byRow[Math.floor(i / cols)] += strength[i];
    byCol[i % cols] += strength[i];
  }
  return any ? /** @type {Box} */ ([reach(byRow, 0.05), reach(byRow, 0.95), reach(byCol, 0.05), reach(byCol, 0.95)]) : null;
}

/** Sums of `values` over a grid of down x across blocks, row-major; blocks differ by at most one cell in size. */
export function blockSums(values, rows, cols, down, across) {
  const out = new Float64Array(down * across);
  for (let r = 0, i = 0; r < rows; r += 1) {
    const band = Math.floor((r * down) / rows) * across;
    for (let c = 0; c < cols; c += 1, i += 1) out[band + Math.floor((c * across) / cols)] += values[i];
  }
  return out;
}
