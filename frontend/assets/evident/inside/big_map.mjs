/* Where the chosen layer reads the class: large, with axes. The lens map is signed and adds up to the layer's own logit; Grad-CAM is what
   the whole network took from there, and follows the filters that are switched off. */
import { on } from "../core/bus.mjs";
import { el, icon, parseJson } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import * as evidence from "../evidence/marks.mjs";
import { Bar } from "../figure/bar.mjs";
import { Figure } from "../figure/figure.mjs";
import * as describe from "../maps/describe.mjs";
import { Field } from "../maps/field.mjs";
import * as words from "../maps/words.mjs";
import { downloadPicture } from "../panel/download.mjs";
import { segments } from "../core/segments.mjs";
import * as reading from "./reading.mjs";
import { overlayOf } from "../figure/small_map.mjs";

const MODES = [
  ["lens", "Lens", "What the fitted map reads at this layer: signed, adds up to the layer's own logit"],
  ["cam", "Grad-CAM", "What the rest of the network takes from this layer for the class"],
];

export class BigMap {
  /** lens or cam */
  mode = "lens";
  /** Fields by the array they are of. @type {WeakMap<object, {[mode: string]: Field}>} */
  fields = new WeakMap();

  /**
   * @param {import("./session.mjs").Session} session
   * @param {(x: number, y: number) => void} onSpot
   */
  constructor(session, onSpot) {
    this.session = session;
    this.onSpot = onSpot;
    this.figure = new Figure({ onPoint: () => this.read() });
    this.figure.onOpen = () => this.spot();
    this.figure.set({ axes: session.subject.axes });
    this.figure.canvas.setAttribute("aria-label", "The input; its map is being computed");
    this.title = el("h2.ev-inside-title", {}, "Where the layer reads the class");
    this.modes = segments("Kind of map", MODES, this.mode, (mode) => this.turn(mode));
    this.save = el(
      "button.ev-icon-button",
      { type: "button", title: "Save as picture", "aria-label": "Save the map as a picture", onclick: () => this.download() },
      icon("download"),
    );
    this.bar = new Bar();
    this.ask = el("button.ev-button.ev-button--small", { type: "button", onclick: () => this.spot() }, "Which filters made this spot?");
    this.value = el("span.ev-muted.ev-small");
    this.spots = el("p.ev-inside-spots", { role: "status" });
    this.known = el("p.ev-inside-known", { hidden: true });
    this.exact = el("p.ev-inside-exact");
    this.message = el("div.ev-map-message", { hidden: true });
    this.node = el(
      "section.ev-card.ev-inside-map",
      { "aria-label": "Map of the layer" },
      el("header.ev-inside-head", {}, this.title, el("div.ev-row", {}, this.modes.node, this.save)),
      el("div.ev-map-body", {}, this.figure.node, this.message),
      this.bar.node,
      el("div.ev-inside-asking", {}, this.ask, this.value),
      this.spots,
      this.known,
      this.exact,
    );
    this.offs = [on("cursor", () => this.read()), on("evidence", () => this.draw())];
  }

  /** @param {string} mode */
  turn(mode) {
    this.mode = mode;
    this.draw();
  }

  /** Grad-CAM is what follows the switches; the choice of before comes back with the filters. */
  switches() {
    const off = this.session.switched.size > 0;
    if (off && this.before === undefined) {
      this.before = this.mode;
      this.mode = "cam";
    } else if (!off && this.before !== undefined) {
      this.mode = this.before;
      this.before = undefined;
    }
    this.modes.set(this.mode);
    this.draw();
  }

  /** What is drawn: until the lens is there, Grad-CAM stands in for it. */
  get kind() {
    const lens = this.session.map(1);
    return this.mode === "lens" && this.session.lens.busy && lens && Number.isNaN(lens.values[0]) ? "cam" : this.mode;
  }

  /** The field on show, and the limit of its colours. @returns {{field: Field, limit: number, without: boolean} | null} */
  get shown() {
    const { session, kind: mode } = this;
    const { layer, cutting } = session;
    if (mode === "cam" && cutting?.state === "done") {
      const pairOf = this.after(cutting);
      if (pairOf) return pairOf;
    }
    const field = this.fieldOf(mode);
    if (!field || !layer) return null;
    return { field, limit: field.limit(mode === "lens" ? "shared" : "own", 0), without: false };
  }

  /** Made once per array. @param {string} mode */
  fieldOf(mode) {
    const { session } = this;
    const map = session.map(mode === "lens" ? 1 : 0);
    if (!map) return null;
    const held = this.fields.get(map.array) ?? {};
    this.fields.set(map.array, held);
    held[mode] ??= new Field(map.values, map.rows, map.cols, mode === "lens");
    return held[mode];
  }

  /** Grad-CAM without the filters that are off, in the colours of the map before. */
  after(work) {
    const held = /** @type {any} */ (work).maps;
    if (!held) {
      work.array("maps").then(
        ({ shape, data }) => {
          const [, rows, cols] = shape;
          const at = (n) => new Field(data.slice(n * rows * cols, (n + 1) * rows * cols), rows, cols, false);
          work.maps = [at(0), at(1)];
          this.draw();
        },
        () => {},
      );
      return null;
    }
    const [before, after] = held;
    return { field: after, limit: Math.max(before.max, 0) || after.max, without: true };
  }

  draw() {
    const { session, figure, kind: mode } = this;
    const { layer, subject, label } = session;
    if (!layer) return;
    const shown = reading.hasMap(layer) ? this.shown : null;
    const field = shown && !shown.field.flat ? shown.field : null;
    const off = session.switched.size;
    const without = shown?.without ? `, without ${off} ${off === 1 ? "filter" : "filters"}` : "";
    this.title.textContent = mode === "lens" ? `Where ${layer.name} reads ${label}` : `What ${layer.name} gives for ${label}${without}`;
    this.title.title = this.title.textContent;
    this.modes.set(this.mode);
    const { x_axis: x, y_axis: y } = subject.axes;
    figure.set({
      picture: session.picture,
      overlay: field && overlayOf(field.values, field.rows, field.cols, { signed: field.signed, limit: shown?.limit ?? 0, opacity: 0.8 }),
      rows: y.values.length,
      cols: x.values.length,
      smooth: true,
      marks: evidence.marks(subject, subject.axes),
    });
    this.style = field && shown ? this.styleOf(field, shown.limit) : null;
    this.bar.node.classList.toggle("ev-bar--idle", !this.style);
    if (this.style) this.bar.set(this.style);
    this.describe(layer, field);
    this.read();
  }

  styleOf(field, limit) {
    return {
      signed: field.signed,
      colours: "cividis",
      limit,
      cut: 0,
      sign: "both",
      clipped: field.max > limit * 1.000001,
      target: this.session.label,
      opacity: 0.8,
    };
  }

  describe(layer, field) {
    const { session, kind: mode } = this;
    const { subject, label } = session;
    const title = mode === "lens" ? `Lens at ${layer.name}` : `Grad-CAM at ${layer.name}`;
    const alt = describe.altText({ title, target: label, field, axes: subject.axes });
    this.figure.canvas.setAttribute("aria-label", alt + evidence.outlined(subject, subject.axes));
    const why = this.why(layer, field);
    this.message.hidden = !why;
    if (why) this.message.replaceChildren(el("p", {}, why));
    this.ask.hidden = !field;
    this.save.disabled = !field;
    const logit = layer.classes?.find(({ index }) => index === subject.target)?.logit;
    const [strong, quiet] =
      mode === "lens"
        ? [
            this.session.switched.size
              ? "The lens was fitted with all filters on and does not follow the switches; Grad-CAM does."
              : Number.isFinite(logit) && field
                ? `Exact: the mean of the map plus a constant is the layer's own logit, ${words.value(logit, true)}.`
                : "",
            `Decoded by a linear map${this.fitted()}: what is present here, not a cause.`,
          ]
        : [
            mode === this.mode ? "" : "The lens is being fitted: until it is there, this is Grad-CAM.",
            "Each filter weighted by its mean gradient; only what supports the class is kept.",
          ];
    this.exact.replaceChildren(...(strong ? [el("span", {}, `${strong} `)] : []), el("span.ev-muted", {}, quiet));
    this.tellKnown();
  }

  /** What the lens was fitted on, as far as it is said. */
  fitted() {
    const { calibration } = this.session.result ?? {};
    if (!calibration) return "";
    const { title, count, held_out: held } = calibration;
    return ` fitted on ${words.integer(count)} other inputs (${title}${held ? `; ${words.integer(held)} held out` : ""})`;
  }

  /** Why there is no map, or "". */
  why(layer, field) {
    const { session } = this;
    if (reading.isHead(layer)) return "The last layer has no map: places are averaged away before it. Its scores are the model's own.";
    if (!layer.readable) return `${layer.name} is not read: ${layer.reason || "no reason was given"}.`;
    if (field) return "";
    if (session.pictureProblem) return session.pictureProblem.message;
    if (!session.map(0)) return session.lens.busy ? "Being computed …" : "The map could not be fetched. Reload the page.";
    return this.shown ? "No evidence found: every cell of this map has the same value." : "";
  }

  /** Known evidence in the units of the axes. */
  tellKnown() {
    const { evidence: held } = viewState;
    const { subject } = this.session;
    const mine = held && held.input === subject.input && held.model === subject.model ? held : null;
    this.known.hidden = !mine?.regions.length;
    if (!mine?.regions.length) return;
    const lines = mine.regions.map((region) => {
      const { x_axis: x, y_axis: y } = subject.axes;
      const places = region.boxes.map(([x0, x1, y0, y1]) => `${describe.range(x, x0, x1)}, ${describe.range(y, y0, y1)}`);
      const name = region.key === "evidence" ? "Known evidence" : region.title;
      return el("span", {}, evidence.swatch(region), ` ${name}${places.length ? `: ${places.join("; ")}` : ", outlined"}. `);
    });
    this.known.replaceChildren(...lines);
  }

  /** Value under the crosshair. */
  read() {
    const { cursor } = viewState;
    const { axes } = this.session.subject;
    const shown = this.shown;
    this.ask.disabled = !cursor;
    this.ask.title = cursor ? "" : "Point at a place on the map first";
    if (!cursor || !shown) {
      this.value.textContent = "Click a spot to see which filters made it.";
      return;
    }
    const { index } = shown.field.cell(cursor);
    const at = (axis, share) =>
      describe.position(axis, axis.values[Math.min(axis.values.length - 1, Math.floor(share * axis.values.length))]);
    const value = words.value(shown.field.values[index], shown.field.signed);
    this.value.textContent = `${at(axes.x_axis, cursor.u)}, ${at(axes.y_axis, cursor.v)}: ${value}`;
  }

  spot() {
    const { cursor } = viewState;
    if (cursor && reading.hasMap(this.session.layer)) this.onSpot(cursor.u, cursor.v);
  }

  /** What was found out about a spot. */
  spoke(sentence) {
    this.spots.textContent = sentence;
  }

  download() {
    const { session, figure, style, title } = this;
    const { subject, layer, result } = session;
    downloadPicture({
      figure,
      style,
      target: session.label,
      title: title.textContent,
      face: { heading: title },
      id: session.lens.job?.id,
      root: { dataset: { key: `${this.kind}-${layer.name}` } },
      record: { model: subject.model, weights_sha256: result.weights_sha256 ?? "", layer: layer.name, seed: 0 },
    });
  }

  destroy() {
    for (const off of this.offs) off();
    this.figure.destroy();
  }
}

/** The evidence of a sample, fetched by the widget that knows how; not shown itself. */
export const knownEvidence = (known) =>
  el("div", { hidden: true, "data-evident": "evidence", "data-known": known && parseJson(known) ? known : "" });
