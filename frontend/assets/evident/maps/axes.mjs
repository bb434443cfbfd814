/* Axes of the display grid: where a pixel, a second or a hertz lies. Pure.
   An axis is {name, unit: px|s|Hz, origin: upper|lower, values}: ascending coordinates of the cell centres. Positions are fractions
   0..1 along the array (0 is the outer edge of the first cell); drawing turns them for origin "lower". */
import * as words from "./words.mjs";

/**
 * @param {string} name
 * @param {number} n
 * @returns {Axis}
 */
const pixelAxis = (name, n) => ({ name, unit: "px", origin: "upper", values: Array.from({ length: n }, (_, i) => i + 0.5) });

/**
 * Plain pixel axes for a picture whose axes are not known yet.
 * @param {{width: number, height: number}} picture
 * @returns {Axes}
 */
export const pixelAxes = ({ width, height }) => ({ x_axis: pixelAxis("x", width), y_axis: pixelAxis("y", height) });

/**
 * The part of a photo that the display grid covers, as fractions of its sides; null where that is all of it, or no photo.
 * @param {Axes} axes
 * @param {{width: number, height: number}} photo
 */
export function frame({ x_axis, y_axis }, { width, height }) {
  if (x_axis.unit !== "px" || !(width > 0 && height > 0)) return null;
  const sides = { left: coordinate(x_axis, 0), right: coordinate(x_axis, 1), top: coordinate(y_axis, 0), bottom: coordinate(y_axis, 1) };
  const whole = sides.left < 0.5 && sides.top < 0.5 && sides.right > width - 0.5 && sides.bottom > height - 0.5;
  if (whole) return null;
  const within = (x, length) => Math.min(1, Math.max(0, x / length));
  return {
    left: within(sides.left, width),
    right: within(sides.right, width),
    top: within(sides.top, height),
    bottom: within(sides.bottom, height),
  };
}

/** Coordinate -> fraction, piecewise linear between centres (mel bands are not evenly spaced in Hz), straight on beyond the ends. */
export function fraction({ values }, x) {
  const n = values.length;
  if (n < 2) return 0.5;
  let low = 0;
  let high = n - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] <= x) low = middle;
    else high = middle;
  }
  const step = values[high] - values[low];
  return (low + (step ? (x - values[low]) / step : 0) + 0.5) / n;
}

/** Fraction -> coordinate, the inverse of `fraction`. */
export function coordinate({ values }, f) {
  const n = values.length;
  if (n < 2) return values[0];
  const at = f * n - 0.5;
  const low = Math.min(n - 2, Math.max(0, Math.floor(at)));
  return values[low] + (at - low) * (values[low + 1] - values[low]);
}

/** Multiples of 1, 2 or 5 x 10^k inside [low, high], about `count` of them. */
export function niceTicks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough * 0.999) ?? 10);
  const out = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + step * 1e-6; k += 1) out.push(Number((k * step).toPrecision(12)));
  return out;
}

const SHOWN_FIRST = [1000, 4000, 500, 2000, 100, 8000, 16000, 200, 50];

/** Ticks [{value, at, label}] of an axis drawn over `length` css pixels; the unit stands on the last one (once for both pixel axes). */
export function ticks(axis, length) {
  const low = coordinate(axis, 0);
  const high = coordinate(axis, 1);
  const values = axis.unit === "Hz" ? hertz(axis, low, high, length) : niceTicks(low, high, length / 46);
  const visible = values
    .map((value) => ({ value, at: fraction(axis, value) }))
    .filter(({ at }) => at > -0.02 && at < 1.02)
    .map(({ value, at }) => ({ value, at: Math.min(1, Math.max(0, at)) }));
  const decimals = axis.unit === "s" ? places(values) : 0;
  return visible.map(({ value, at }, i) => ({ value, at, label: label(axis, value, decimals, i === visible.length - 1) }));
}

/** Round frequencies that fit without crowding, the important ones first. */
function hertz(axis, low, high, length) {
  const spaced = [];
  for (const value of SHOWN_FIRST) {
    if (value < low * 0.98 || value > high * 1.02) continue;
    const at = fraction(axis, value) * length;
    if (spaced.every((other) => Math.abs(fraction(axis, other) * length - at) >= 15)) spaced.push(value);
  }
  return spaced.sort((a, b) => a - b);
}

const places = (values) => {
  const step = values.length > 1 ? values[1] - values[0] : 1;
  return Math.max(values.some((v) => v % 1 !== 0) ? 1 : 0, Math.min(3, Math.ceil(-Math.log10(step) - 1e-9)));
};

function label({ name, unit }, value, decimals, last) {
  if (unit === "Hz") {
    const text = value >= 1000 ? `${value / 1000}k` : String(value);
    return last ? (value >= 1000 ? `${value / 1000} kHz` : `${value} Hz`) : text;
  }
  const text = unit === "s" ? (value === 0 ? "0" : value.toFixed(decimals)) : words.integer(value);
  return last && name !== "y" ? `${text} ${unit}` : text;
}
