/* The first layer's kernels at an epoch, all on one symmetric scale: that of the first and the last epoch, so that epochs can be compared. */
import { callApi } from "../../core/api.mjs";
import { el } from "../../core/elements.mjs";
import { table } from "../../maps/colour.mjs";
import { readNpy } from "../../maps/npy.mjs";
import { figure } from "./reading.mjs";

const MOST = 64;
const PIXEL = 8;

/** Largest magnitude. */
export const peak = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/**
 * RGBA of one kernel `[c, h, w]`, rows in array order, from the bottom up where `upwards`. Three channels: red, green and blue about a middle
 * grey; another number: their mean in coolwarm. Pure.
 * @param {ArrayLike<number>} values
 * @param {[number, number, number]} shape
 */
export function painted(values, [channels, height, width], limit, upwards) {
  const out = new Uint8ClampedArray(4 * height * width);
  const colours = table("coolwarm");
  const area = height * width;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const from = (upwards ? height - 1 - row : row) * width + column;
      const to = 4 * (row * width + column);
      const weights = Array.from({ length: channels }, (_, c) => (limit ? values[c * area + from] / limit : 0));
      if (channels === 3) for (let c = 0; c < 3; c += 1) out[to + c] = 127.5 + 127.5 * weights[c];
      else {
        const mean = weights.reduce((sum, weight) => sum + weight, 0) / channels;
        const step = Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, mean)));
        for (let c = 0; c < 3; c += 1) out[to + c] = colours[3 * step + c];
      }
      out[to + 3] = 255;
    }
  }
  return out;
}

export class Kernels {
  constructor() {
    this.grid = el("div.ev-training-kernels", { role: "img" });
    this.low = el("span");
    this.high = el("span");
    this.bar = el("span.ev-training-scale", { "aria-hidden": "true" });
    this.caption = el("p.ev-muted.ev-small.ev-training-caption");
    this.scale = el("div.ev-training-ends", {}, this.low, this.bar, this.high);
    this.node = el("div", {}, this.grid, this.scale, this.caption);
    /** @type {string | null} */
    this.asked = null;
    /** @type {Map<string, Promise<{shape: number[], data: any}>>} */
    this.loaded = new Map();
  }

  /** @returns {Promise<{shape: number[], data: any}>} */
  load(key, epoch, mark) {
    const path = `/recordings/${encodeURIComponent(key)}/kernels/${epoch}.npy`;
    const name = `${path} ${mark}`;
    const known = this.loaded.get(name);
    if (known) return known;
    const promise = callApi(path, { as: "bytes" }).then(readNpy);
    promise.catch(() => this.loaded.delete(name));
    if (this.loaded.size > 400) this.loaded.delete([...this.loaded.keys()][0]);
    this.loaded.set(name, promise);
    return promise;
  }

  /** Draws those of a row, unless another is asked for meanwhile. */
  async show(history, at) {
    const row = history.epochs[at];
    if (!row || !history.kernels_shape) {
      this.asked = null;
      this.scale.hidden = true;
      this.grid.replaceChildren();
      this.caption.textContent = row ? "No kernels were kept of this network." : "";
      return;
    }
    const ends = [history.epochs[0], history.epochs[history.epochs.length - 1]];
    const asked = `${history.key} ${row.epoch} ${ends[1].epoch}`;
    if (this.asked === asked) return;
    this.asked = asked;
    try {
      const [kernels, ...both] = await Promise.all([row, ...ends].map((wanted) => this.load(history.key, wanted.epoch, wanted.recorded)));
      if (this.asked === asked) this.draw(history, kernels, Math.max(...both.map(({ data }) => peak(data))));
    } catch (problem) {
      if (this.asked !== asked) return;
      this.asked = null;
      this.caption.textContent = problem.message;
    }
    const next = history.epochs[at + 1];
    if (next) this.load(history.key, next.epoch, next.recorded).catch(() => null);
  }

  draw(history, { shape, data }, limit) {
    const [count, channels, height, width] = shape;
    const size = channels * height * width;
    const shown = Math.min(MOST, count);
    this.grid.style.setProperty("--ev-columns", String(Math.max(2, Math.ceil(Math.sqrt(shown)))));
    const pictures = Array.from({ length: shown }, (_, i) => {
      const canvas = this.grid.children[i] instanceof HTMLCanvasElement ? this.grid.children[i] : el("canvas");
      [canvas.width, canvas.height] = [width * PIXEL, height * PIXEL];
      canvas.title = `Filter ${i}`;
      const small = el("canvas", { width, height });
      const pixels = painted(data.subarray(i * size, (i + 1) * size), [channels, height, width], limit, history.sound);
      small.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(small, 0, 0, canvas.width, canvas.height);
      return canvas;
    });
    this.grid.replaceChildren(...pictures);
    this.grid.setAttribute(
      "aria-label",
      `${count} kernels of ${height} × ${width}, weights from ${figure(-limit, 2)} to ${figure(limit, 2)}`,
    );
    this.scale.hidden = false;
    this.bar.classList.toggle("ev-training-scale--grey", channels === 3);
    [this.low.textContent, this.high.textContent] = [figure(-limit, 2), `+${figure(limit, 2)}`];
    const way = history.sound
      ? "time to the right, frequency up"
      : channels === 3
        ? "red, green and blue weights; middle grey is 0"
        : "mean over the channels";
    this.caption.textContent = shown < count ? `${way}; the first ${shown} of ${count}` : way;
  }
}
