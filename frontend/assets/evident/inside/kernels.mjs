/* Kernels, patches and made-up inputs of a filter as pixels. Pure but for the canvas they are put on. */
import { el } from "../core/elements.mjs";
import { table } from "../maps/colour.mjs";

/** Values of a kernel [c, h, w] averaged over its inputs: [h * w]. */
export function meanKernel(values, channels, size) {
  const out = new Float32Array(size);
  for (let c = 0; c < channels; c += 1) for (let i = 0; i < size; i += 1) out[i] += values[c * size + i] / channels;
  return out;
}

/** RGBA on one symmetric scale: -limit blue, 0 grey, +limit red. */
export function signedPixels(values, limit) {
  const lut = table("coolwarm");
  const out = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i += 1) {
    const step = Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, limit > 0 ? values[i] / limit : 0)));
    out.set([lut[3 * step], lut[3 * step + 1], lut[3 * step + 2], 255], 4 * i);
  }
  return out;
}

/**
 * RGBA of an array of grey or coloured pixels, 0..255 or 0..1.
 * @param {ArrayLike<number>} values [h * w * channels]
 */
export function pixels(values, channels, unit = false) {
  const count = values.length / channels;
  const out = new Uint8ClampedArray(4 * count);
  const scale = unit ? 255 : 1;
  for (let i = 0; i < count; i += 1) {
    for (let c = 0; c < 3; c += 1) out[4 * i + c] = scale * values[i * channels + (channels === 3 ? c : 0)];
    out[4 * i + 3] = 255;
  }
  return out;
}

/** Rows from the bottom up. */
export function flipped(rgba, rows, cols) {
  const out = new Uint8ClampedArray(rgba.length);
  for (let r = 0; r < rows; r += 1) out.set(rgba.subarray(4 * cols * r, 4 * cols * (r + 1)), 4 * cols * (rows - 1 - r));
  return out;
}

/**
 * A canvas of rows x cols pixels; the style sheet decides its size.
 * @param {Uint8ClampedArray<ArrayBuffer>} rgba
 */
export function pixelCanvas(rgba, rows, cols, tag, label) {
  const canvas = el(tag, { width: cols, height: rows, role: "img", "aria-label": label });
  canvas.getContext("2d").putImageData(new ImageData(rgba, cols, rows), 0, 0);
  return canvas;
}
