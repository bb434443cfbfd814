/* A small map over the grey input, without axes. */
import { el } from "../core/elements.mjs";
import * as colour from "../maps/colour.mjs";

/** Sides of small pictures, device pixels. */
const WIDTH = 232;

/** Height per width of the input on the display grid; a spectrogram has no proportions to keep. */
export const ratioOf = (subject) => {
  const { x_axis: x, y_axis: y } = subject.axes;
  return subject.sound ? 0.62 : Math.min(1.4, Math.max(0.4, y.values.length / x.values.length));
};

export const lowerOf = (subject) => subject.axes.y_axis.origin === "lower";

/** A canvas for a small map of this input. */
export const smallCanvas = (subject, tag = "canvas.ev-small-map") =>
  el(tag, { width: WIDTH, height: Math.round(WIDTH * ratioOf(subject)), "aria-hidden": "true" });

/** Largest finite |value|. */
export function most(values) {
  let top = 0;
  for (const v of values) if (v > top || -v > top) top = Math.abs(v);
  return top;
}

/** Mean of the finite values. */
export function mean(values) {
  let sum = 0;
  for (const v of values) if (Number.isFinite(v)) sum += v;
  return values.length ? sum / values.length : 0;
}

/**
 * The coloured map alone, a pixel a cell; null where nothing can be drawn.
 * @param {ArrayLike<number>} values [rows * cols]
 */
export function overlayOf(values, rows, cols, { signed = false, limit = most(/** @type {any} */ (values)), opacity = 0.85 } = {}) {
  if (!rows || !cols || !(limit > 0)) return null;
  const canvas = el("canvas", { width: cols, height: rows });
  const image = new ImageData(cols, rows);
  const strength = Float32Array.from(values, Math.abs);
  colour.paint(values, strength, { signed, colours: "cividis", limit, cut: 0, opacity }, image.data);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/**
 * Input and map on a small canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLCanvasElement | null} picture rows as a person sees them
 * @param {HTMLCanvasElement | null} overlay rows in array order
 * @param {boolean} lower whether row 0 of the map is at the bottom
 */
export function drawSmall(canvas, picture, overlay, lower) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  context.imageSmoothingEnabled = true;
  if (picture) context.drawImage(picture, 0, 0, width, height);
  if (!overlay) return;
  context.save();
  if (lower) {
    context.translate(0, height);
    context.scale(1, -1);
  }
  context.drawImage(overlay, 0, 0, width, height);
  context.restore();
}
