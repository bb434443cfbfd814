/* The input on the display grid, turned grey, shared by every panel that shows it. */
import { apiUrl, Problem } from "../core/api.mjs";
import { el } from "../core/elements.mjs";
import * as colour from "../maps/colour.mjs";

const loading = new Map();
const KEEP = 12;

/** Address -> Promise of a grey canvas, rows in picture order (as a person sees it). Rejects with a Problem. */
export function greyPicture(path) {
  if (!loading.has(path)) {
    if (loading.size >= KEEP) loading.delete(loading.keys().next().value);
    const promise = load(path);
    promise.catch(() => loading.delete(path));
    loading.set(path, promise);
  }
  return loading.get(path);
}

async function load(path) {
  const image = new Image();
  image.src = apiUrl(path);
  try {
    await image.decode();
  } catch {
    throw new Problem({ detail: "The picture of the input could not be loaded. Reload the page." });
  }
  const canvas = el("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  colour.grey(pixels.data);
  context.putImageData(pixels, 0, 0);
  return canvas;
}
