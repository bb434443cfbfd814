/* The result on the first screen: the photograph and a few of its maps, small, with axes and the known evidence; they grow here as they do
   in their panels. No panels: nothing of them is compared, listened to or counted.

   data-sample key · data-title · data-display path · data-axes JSON {y_axis, x_axis} · data-maps JSON [{id, title, signed, pieces}] */
import { apiUrl, callApi } from "../core/api.mjs";
import { nextFrame } from "../core/bus.mjs";
import { el, parseJson } from "../core/elements.mjs";
import { followJob } from "../core/jobs.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { place } from "../evidence/marks.mjs";
import { shareInside, unpackMask } from "../evidence/regions.mjs";
import { Figure } from "../figure/figure.mjs";
import { greyPicture } from "../figure/picture.mjs";
import * as colour from "../maps/colour.mjs";
import { Field } from "../maps/field.mjs";
import { readNpy } from "../maps/npy.mjs";
import * as words from "../maps/words.mjs";

const SHOWN = /** @type {const} */ ({ opacity: 0.8, colours: "cividis", cut: 0 });

/** One small map: follows its explanation, draws what there is. */
class SmallMap {
  /** @type {Field | null} */
  field = null;
  /** Share of its positive relevance inside the known evidence. @type {number | null} */
  share = null;
  partial = 0;
  done = false;

  constructor(entry, result) {
    this.entry = entry;
    this.result = result;
    this.path = `/explanations/${encodeURIComponent(entry.id)}`;
    this.figure = new Figure();
    this.said = el("span.ev-muted", {}, "computing");
    this.node = el("figure.ev-result-map", {}, this.figure.node, el("figcaption", {}, el("strong", {}, entry.title), this.said));
    this.follower = followJob(
      this.path,
      (job) => this.take(job),
      (problem, passing) => passing || this.tell(problem.message),
    );
  }

  tell(sentence) {
    this.said.textContent = sentence;
  }

  async take(job) {
    if (job.state === "failed" || job.state === "cancelled") this.tell(job.error?.detail || "This map was not finished.");
    else if (job.state === "running") this.tell(words.left(job.progress) || "computing");
    const news = job.state === "done" || (job.state === "running" && job.progress.partial > this.partial);
    if (!news) return;
    this.partial = job.progress.partial;
    try {
      const { shape, data } = readNpy(await callApi(`${this.path}/values.npy`, { as: "bytes" }));
      if (this.done) return;
      this.done = job.state === "done";
      this.field = new Field(data, shape[0], shape[1], this.entry.signed);
      const { native } = job.record || { native: shape };
      this.smooth = !this.entry.pieces && native[0] * native[1] < shape[0] * shape[1];
      this.result.later();
    } catch (error) {
      if (job.state === "done") this.tell(error.message);
    }
  }

  draw({ axes, picture, region }) {
    const { field, figure } = this;
    Object.assign(figure, { axes, picture, rows: axes.y_axis.values.length, cols: axes.x_axis.values.length });
    if (region) figure.marks = [place(region, axes)];
    if (field && !field.flat) this.paint(field);
    figure.draw();
    this.weigh(axes, region);
  }

  paint(field) {
    const overlay = el("canvas", { width: field.cols, height: field.rows });
    const image = new ImageData(field.cols, field.rows);
    const style = { ...SHOWN, signed: field.signed, limit: field.limit("shared", field.max) };
    colour.paint(field.values, field.strength("both"), style, image.data);
    overlay.getContext("2d").putImageData(image, 0, 0);
    Object.assign(this.figure, { overlay, smooth: this.smooth, rows: field.rows, cols: field.cols });
  }

  weigh(axes, region) {
    const { field } = this;
    const what = this.entry.signed ? "red: for it, blue: against" : "yellow: used for it";
    if (this.done) this.tell(what);
    const inside = region && place(region, axes).inside;
    this.share = this.done && field && inside?.length === field.values.length ? shareInside(field.values, inside).share : null;
    const held = this.share === null ? "" : ` ${words.percent(this.share)} of what speaks for it lies in the frame.`;
    this.figure.canvas.setAttribute("aria-label", `${this.entry.title}, ${what}.${held}`);
  }

  destroy() {
    this.follower.stop();
    this.figure.destroy();
  }
}

class Result {
  constructor(root) {
    this.root = root;
    this.photo = new Figure();
    this.words = el("p.ev-result-words", { hidden: true });
    /** @type {SmallMap[]} */
    this.maps = [];
  }

  update() {
    const { title, display, axes, maps, sample } = this.root.dataset;
    this.end();
    this.axes = parseJson(axes);
    this.photo.canvas.setAttribute("aria-label", `${title}, the part that the network sees`);
    const caption = el("figcaption", {}, el("strong", {}, "Photograph"), el("span.ev-muted", {}, "what the network sees"));
    const photo = el("figure.ev-result-map", {}, this.photo.node, caption);
    this.maps = parseJson(maps, []).map((entry) => new SmallMap(entry, this));
    this.root.replaceChildren(el("div.ev-result-maps", {}, photo, ...this.maps.map(({ node }) => node)), this.words);
    this.bring(display, sample);
    this.later();
  }

  async bring(display, sample) {
    const image = el("img", { src: apiUrl(display), alt: "" });
    const [picture, , evidence] = await Promise.all([
      greyPicture(display).catch(() => null),
      image.decode().catch(() => null),
      callApi(`/samples/${encodeURIComponent(sample)}/evidence`).catch(() => null),
    ]);
    const region = evidence?.regions.find(({ key }) => key === "evidence");
    this.picture = picture;
    this.colours = image.naturalWidth ? image : null;
    this.region = region && { ...region, mask: region.mask && unpackMask(region.mask), made: new WeakMap() };
    this.later();
  }

  later() {
    nextFrame(this, () => this.draw());
  }

  draw() {
    if (!this.axes || !this.root.isConnected) return;
    const { axes, colours: picture, region } = this;
    const grid = { rows: axes.y_axis.values.length, cols: axes.x_axis.values.length };
    Object.assign(this.photo, { axes, picture, ...grid, marks: region ? [place(region, axes)] : [] });
    this.photo.draw();
    for (const map of this.maps) map.draw(this);
    this.sum();
  }

  /** What the finished maps hold of the thing itself, beside what an even map would. */
  sum() {
    const shares = this.maps.flatMap(({ share }) => (share === null ? [] : [share])).sort((a, b) => a - b);
    const { region } = this;
    this.words.hidden = !shares.length || !region;
    if (!shares.length || !region) return;
    const { inside } = place(region, this.axes);
    const area = inside.reduce((sum, x) => sum + x, 0) / inside.length;
    const [least, most] = [shares[0], shares[shares.length - 1]].map(words.percent);
    const held = least === most ? most : `${least} to ${most}`;
    const holders = shares.length === 1 ? "the first map" : `these ${shares.length} maps`;
    this.words.replaceChildren(
      el("strong", {}, `${held} of what speaks for the answer in ${holders} lies on the thing itself. `),
      `That is the frame, drawn by eye; it covers ${words.percent(area)} of the picture. Click a place to see it on every map.`,
    );
  }

  end() {
    for (const map of this.maps) map.destroy();
    this.maps = [];
  }

  destroy() {
    this.end();
    this.photo.destroy();
  }
}

declareWidget("result", ["sample", "title", "display", "axes", "maps"], (root) => new Result(root));
