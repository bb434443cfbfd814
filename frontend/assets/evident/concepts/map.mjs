/* A concept's map over the input.

   concept-map: data-maps path of [K, h, w] .npy · data-index · data-display path · data-origin · data-alt */
import { callApi } from "../core/api.mjs";
import { el } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { greyPicture } from "../figure/picture.mjs";
import * as colour from "../maps/colour.mjs";
import { readNpy } from "../maps/npy.mjs";

const loaded = new Map();

/** The maps of one input and layer, fetched once for all concepts. */
function mapsOf(path) {
  if (!loaded.has(path)) {
    const promise = callApi(path, { as: "bytes" }).then(readNpy);
    promise.catch(() => loaded.delete(path));
    if (loaded.size > 64) loaded.delete(loaded.keys().next().value);
    loaded.set(path, promise);
  }
  return loaded.get(path);
}

class ConceptMap {
  constructor(root) {
    this.root = root;
    this.canvas = el("canvas.ev-concept-canvas", { role: "img", width: 224, height: 224 });
    this.message = el("p.ev-note", { hidden: true });
    root.append(this.canvas, this.message);
  }

  async update() {
    const { maps, index, display, origin, alt } = this.root.dataset;
    this.canvas.setAttribute("aria-label", alt || "Concept map");
    if (!maps || !display) return;
    try {
      const [picture, { shape, data }] = await Promise.all([greyPicture(display), mapsOf(maps)]);
      const [, rows, cols] = shape;
      this.draw(picture, data.subarray(Number(index) * rows * cols, (Number(index) + 1) * rows * cols), rows, cols, origin === "lower");
    } catch (error) {
      this.message.textContent = error.message;
      this.message.hidden = false;
    }
  }

  /** Never scaled per input: full colour is "as strong as the middle example", so maps can be compared. */
  draw(picture, values, rows, cols, lower) {
    const overlay = el("canvas", { width: cols, height: rows });
    const context = overlay.getContext("2d");
    const pixels = context.createImageData(cols, rows);
    colour.paint(values, values, { signed: false, colours: "cividis", limit: 1, cut: 0, opacity: 0.85 }, pixels.data);
    context.putImageData(pixels, 0, 0);
    const target = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    target.imageSmoothingEnabled = true;
    target.drawImage(picture, 0, 0, width, height);
    target.save();
    if (lower) {
      target.translate(0, height);
      target.scale(1, -1);
    }
    target.drawImage(overlay, 0, 0, width, height);
    target.restore();
    this.canvas.dataset.drawn = "true";
  }
}

declareWidget("concept-map", ["maps", "index", "display", "origin", "alt"], (root) => new ConceptMap(root));
