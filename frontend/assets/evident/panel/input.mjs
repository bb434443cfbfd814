/* The input itself: `input-map`, grey with the maps' axes and crosshair, and `picture`, the photo as it was given, with a frame around
   the part that the network sees.

   input-map: data-display path · data-input id · data-axes JSON {y_axis, x_axis} · data-title · data-side "beside".
   picture: data-input id · data-alt · data-width, data-height in pixels, of a photo */
import { apiUrl } from "../core/api.mjs";
import { emit, on } from "../core/bus.mjs";
import { el, parseJson } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import * as evidence from "../evidence/marks.mjs";
import { Figure } from "../figure/figure.mjs";
import { greyPicture } from "../figure/picture.mjs";
import { frame, pixelAxes } from "../maps/axes.mjs";
import { enlarge } from "./large.mjs";
import { sayReadout } from "./readout.mjs";

class InputMap {
  constructor(root) {
    this.root = root;
    this.figure = new Figure({ onPoint: () => sayReadout(null), onOpen: () => enlarge(this) });
    this.title = el("h3.ev-map-title");
    this.message = el("div.ev-map-message", { hidden: true });
    const body = el("div.ev-map-body", {}, this.figure.node, this.message);
    root.append(el("div.ev-map.ev-map--input", { role: "group", "aria-label": "Input" }, el("header.ev-map-head", {}, this.title), body));
    this.offs = [on("consensus", () => this.mark()), on("evidence", () => this.outline()), on("region", () => this.outline())];
  }

  update(changed) {
    const { dataset } = this.root;
    this.title.textContent = dataset.title || "Input";
    const axes = parseJson(dataset.axes);
    if (axes && (changed === null || changed.has("axes") || changed.has("input"))) {
      this.figure.set({ axes, rows: axes.y_axis.values.length, cols: axes.x_axis.values.length });
      if (!this.beside) this.lead(axes, dataset.input || "");
    }
    if (changed === null || changed.has("display")) this.load(dataset.display);
    const what = axes && axes.x_axis.unit === "s" ? "spectrogram, seconds across and hertz up" : "picture";
    this.alt = `The input as the model sees it, grey ${what}.`;
    this.outline();
  }

  /** On the second side: the page is about the first. */
  get beside() {
    return this.root.dataset.side === "beside";
  }

  lead(axes, input) {
    viewState.axes = axes;
    viewState.seen = input;
    emit("axes");
  }

  async load(path) {
    this.message.hidden = true;
    this.figure.set({ picture: null, pictureRows: this.root.dataset.displayRows || "picture" });
    if (!path) return;
    try {
      const picture = await greyPicture(path);
      if (this.root.dataset.display === path) this.show(picture);
    } catch (error) {
      this.message.replaceChildren(el("p", {}, error.message));
      this.message.hidden = false;
    }
  }

  show(picture) {
    if (!this.figure.axes) {
      this.figure.set({ axes: pixelAxes(picture), rows: picture.height, cols: picture.width });
    }
    this.figure.set({ picture });
  }

  /** The agreement of all maps, drawn over the input when it is switched on (key A). */
  mark() {
    const consensus = this.beside ? null : viewState.consensus;
    this.figure.set({
      overlay: consensus ? el("canvas", { width: 1, height: 1 }) : null,
      lines: consensus ? [{ segments: consensus.segments, dashed: true }] : [],
    });
  }

  /** The known evidence, where it is known and asked for. */
  outline() {
    const { axes } = this.figure;
    const subject = { input: this.root.dataset.input };
    this.figure.set({ marks: evidence.marks(subject, axes) });
    this.figure.canvas.setAttribute("aria-label", this.alt + evidence.outlined(subject, axes));
  }

  destroy() {
    for (const off of this.offs) off();
    this.figure.destroy();
  }
}

declareWidget("input-map", ["display", "display-rows", "axes", "title", "input"], (root) => new InputMap(root));

class Picture {
  constructor(root) {
    this.root = root;
    this.offs = [on("axes", () => this.mark())];
  }

  update() {
    const { input, alt } = this.root.dataset;
    this.root.replaceChildren();
    if (!input) return;
    const fail = () => this.root.replaceChildren(el("p.ev-note", {}, "The picture could not be loaded. Reload the page."));
    const src = apiUrl(`/inputs/${encodeURIComponent(input)}/preview.png?size=512`);
    this.seen = el("span.ev-picture-seen", { hidden: true, "aria-hidden": "true" });
    this.said = el("p.ev-note.ev-picture-said", { hidden: true });
    const image = el("img.ev-picture", { src, alt: alt || "The input picture", onerror: fail });
    this.root.append(el("div.ev-picture-box", {}, image, this.seen), this.said);
    this.mark();
  }

  /** Dims what the network does not see of the photo. */
  mark() {
    const { input, width, height } = this.root.dataset;
    if (!input || !this.seen) return;
    const { axes, seen } = viewState;
    const part = axes && seen === input ? frame(axes, { width: Number(width), height: Number(height) }) : null;
    this.seen.hidden = !part;
    this.said.hidden = !part;
    if (!part) return;
    const percent = (share) => `${100 * share}%`;
    Object.assign(this.seen.style, {
      left: percent(part.left),
      top: percent(part.top),
      right: percent(1 - part.right),
      bottom: percent(1 - part.bottom),
    });
    const share = (part.right - part.left) * (part.bottom - part.top);
    this.said.textContent = `The network sees the frame: ${Math.round(100 * share)} % of the photo.`;
  }

  destroy() {
    for (const off of this.offs) off();
  }
}

declareWidget("picture", ["input", "alt", "width", "height"], (root) => new Picture(root));
