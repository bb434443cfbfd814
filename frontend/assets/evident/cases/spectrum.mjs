/* The whole recording as a spectrogram, computed here from its WAV: what is heard is what is seen, before any model is asked. Pure. */

/** Most columns; a longer recording has wider ones. */
const COLUMNS = 900;
const ROWS = 112;
const HOP = 0.005;
const FRAME = 0.032;
const LOWEST = 50;
/** Decibels below the loudest that are still drawn. */
const RANGE = 65;

/**
 * The samples of a 16-bit mono WAV, -1..1.
 * @param {ArrayBuffer} buffer
 * @returns {{rate: number, samples: Float32Array}}
 */
export function readWav(buffer) {
  const view = new DataView(buffer);
  const name = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
  if (buffer.byteLength < 44 || name(0) !== "RIFF" || name(8) !== "WAVE") throw new Error("This is not a WAV file.");
  let [rate, width] = [0, 0];
  for (let at = 12; at + 8 <= buffer.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    if (name(at) === "fmt ") [rate, width] = [view.getUint32(at + 12, true), view.getUint16(at + 22, true)];
    else if (name(at) === "data") {
      if (width !== 16) throw new Error("This WAV file does not hold 16-bit samples.");
      const count = Math.min(size, buffer.byteLength - at - 8) >> 1;
      const samples = Float32Array.from({ length: count }, (_, i) => view.getInt16(at + 8 + 2 * i, true) / 32768);
      return { rate, samples };
    }
    at += 8 + size + (size % 2);
  }
  throw new Error("This WAV file holds no sound.");
}

/** Fast Fourier transform in place; the length is a power of two. @param {Float64Array} re @param {Float64Array} im */
export function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i += 1) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1;
    for (let k = 0; k < half; k += 1) {
      const [c, s] = [Math.cos((-2 * Math.PI * k) / size), Math.sin((-2 * Math.PI * k) / size)];
      for (let at = k; at < n; at += size) {
        const [a, b] = [re[at + half] * c - im[at + half] * s, re[at + half] * s + im[at + half] * c];
        [re[at + half], im[at + half]] = [re[at] - a, im[at] - b];
        re[at] += a;
        im[at] += b;
      }
    }
  }
}

const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const hertz = (x) => 700 * (10 ** (x / 2595) - 1);

/** Edges of the rows, evenly spaced in mel. */
const edges = (rate) => {
  const [low, high] = [mel(Math.min(LOWEST, rate / 8)), mel(rate / 2)];
  return Array.from({ length: ROWS + 1 }, (_, k) => hertz(low + ((high - low) * k) / ROWS));
};

/** Mean power between two frequencies: whole bins, or what lies between two where a row is narrower than a bin. */
function powerIn(power, from, to) {
  const [first, last] = [Math.ceil(from), Math.floor(to)];
  if (last < first) {
    const at = (from + to) / 2;
    const low = Math.floor(at);
    return power[low] + (at - low) * ((power[low + 1] ?? power[low]) - power[low]);
  }
  let sum = 0;
  for (let k = first; k <= last; k += 1) sum += power[k];
  return sum / (last - first + 1);
}

/**
 * Brightness 0..255 [rows * cols], row 0 the lowest frequency, and the axes.
 * @param {{rate: number, samples: Float32Array}} sound
 * @returns {{grey: Uint8ClampedArray, rows: number, cols: number, axes: Axes}}
 */
export function spectrogram({ rate, samples }) {
  const seconds = samples.length / rate;
  const size = 2 ** Math.round(Math.log2(FRAME * rate));
  const cols = Math.max(2, Math.min(COLUMNS, Math.round(seconds / HOP)));
  const hop = samples.length / cols;
  const bands = edges(rate).map((edge) => (edge * size) / rate);
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const decibels = new Float32Array(ROWS * cols);
  const [re, im, power] = [new Float64Array(size), new Float64Array(size), new Float64Array(size / 2 + 1)];
  let loudest = -Infinity;
  for (let c = 0; c < cols; c += 1) {
    const begin = Math.round((c + 0.5) * hop - size / 2);
    for (let i = 0; i < size; i += 1) re[i] = window[i] * (samples[begin + i] ?? 0);
    im.fill(0);
    fft(re, im);
    for (let k = 0; k < power.length; k += 1) power[k] = re[k] * re[k] + im[k] * im[k];
    for (let r = 0; r < ROWS; r += 1) {
      const level = 10 * Math.log10(powerIn(power, bands[r], Math.min(bands[r + 1], size / 2)) + 1e-10);
      decibels[r * cols + c] = level;
      if (level > loudest) loudest = level;
    }
  }
  const grey = new Uint8ClampedArray(decibels.length);
  for (let i = 0; i < grey.length; i += 1) grey[i] = 255 * (1 + (decibels[i] - loudest) / RANGE);
  const heights = edges(rate);
  const times = Array.from({ length: cols }, (_, c) => ((c + 0.5) * seconds) / cols);
  const frequencies = Array.from({ length: ROWS }, (_, r) => (heights[r] + heights[r + 1]) / 2);
  return {
    grey,
    rows: ROWS,
    cols,
    axes: {
      x_axis: { name: "time", unit: "s", origin: "lower", values: times },
      y_axis: { name: "frequency", unit: "Hz", origin: "lower", values: frequencies },
    },
  };
}
