/* The map panel: follows one explanation from queue to result, draws partial maps while they grow, and answers to the look controls.

   data-explanation id · data-title · data-key · data-signed · data-display path of the input's picture · data-axes JSON · data-target-label
   data-stale "1" · data-error sentence or problem JSON (the request was refused). Tells panel-store {id, state, method, title, seconds}. */
import { callApi, Problem } from "../core/api.mjs";
import { emit, nextFrame, on } from "../core/bus.mjs";
import { el, parseJson } from "../core/elements.mjs";
import { followJob } from "../core/jobs.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import * as evidence from "../evidence/marks.mjs";
import { Figure } from "../figure/figure.mjs";
import { greyPicture } from "../figure/picture.mjs";
import { pixelAxis } from "../maps/axes.mjs";
import * as colour from "../maps/colour.mjs";
import { Field } from "../maps/field.mjs";
import { readNpy } from "../maps/npy.mjs";
import { PanelFace } from "./face.mjs";
import { largestValue, panels } from "./panels.mjs";
import { sayReadout } from "./readout.mjs";

const ATTRIBUTES = [
  "explanation", "title", "key", "signed", "display", "display-rows", "axes", "target-label", "stale", "error", "input",
];

class MapPanel {
  constructor(root) {
    this.root = root;
    this.figure = new Figure({ onPoint: () => sayReadout(this), stripped: true });
    this.face = new PanelFace(this);
    root.append(this.face.node);
    this.reset();
    panels.add(this);
    this.offs = [
      on("look", () => this.later()),
      on("original", () => this.later()),
      on("consensus", () => this.later()),
      on("axes", () => this.later()),
      on("evidence", () => this.later()),
      on("largest", () => viewState.look.scale === "raw" && this.later()),
    ];
  }

  reset() {
    if (this.follower) this.follower.stop();
    Object.assign(this, { id: null, job: null, state: "empty", problem: null, field: null, stage: null, stageField: null });
    Object.assign(this, { follower: null, partial: 0, fetching: false, lost: false, token: {} });
  }

  // ---- what the page says --------------------------------------------------------------------------------------------------
  update(changed) {
    const { dataset } = this.root;
    const has = (name) => changed === null || changed.has(name);
    if (has("explanation") || has("error")) this.open(dataset.explanation || null);
    if (has("display")) this.loadPicture(dataset.display);
    this.later();
    this.face.refresh();
  }

  get title() {
    return this.root.dataset.title || (this.record && this.record.method_title) || "Map";
  }

  get record() {
    return this.job ? this.job.record : null;
  }

  /** Name of the class explained; before there is a record, from the page or from a finished map of the same class. */
  get target() {
    if (this.record) return this.record.target_label;
    const same = this.job && [...panels].find(({ record }) => record && record.target === this.job.request.target);
    return this.root.dataset.targetLabel || (same ? same.record.target_label : "");
  }

  get stale() {
    return this.root.dataset.stale === "1";
  }

  get axes() {
    const given = this.record || parseJson(this.root.dataset.axes) || viewState.axes;
    return given ? { x_axis: given.x_axis, y_axis: given.y_axis } : null;
  }

  /** What is explained: {input, model}; before the job is known, nothing. */
  get subject() {
    return this.job ? this.job.request : null;
  }

  /** The field on screen: a chosen stage, or the map itself. */
  get view() {
    return this.stageField || this.field;
  }

  get signed() {
    if (this.record) return this.record.signed;
    return ["1", "true", "True"].includes(this.root.dataset.signed);
  }

  /** Maps made on a coarser grid are smooth by nature; the others are shown cell by cell. */
  get smooth() {
    const { record } = this;
    if (this.stageField) return false;
    const blocky = /lime|occlusion/.test(this.root.dataset.key || "");
    return Boolean(record) && !blocky && record.native[0] * record.native[1] < record.shape[0] * record.shape[1];
  }

  // ---- the job -------------------------------------------------------------------------------------------------------------
  open(id) {
    this.reset();
    const refused = this.root.dataset.error;
    if (refused) {
      this.problem = new Problem(parseJson(refused) || { detail: refused });
      this.become("refused");
    } else if (id) this.track(id);
    else this.become("empty");
  }

  track(id) {
    if (this.follower) this.follower.stop();
    this.id = id;
    this.lost = false;
    this.become("queued");
    const { token } = this;
    this.follower = followJob(
      `/explanations/${encodeURIComponent(id)}`,
      (job) => token === this.token && this.take(job),
      (problem, passing) => token === this.token && this.miss(problem, passing),
    );
  }

  take(job) {
    this.job = job;
    this.lost = false;
    this.problem = job.error ? new Problem(job.error) : null;
    if (job.state === "done") this.loadValues();
    else if (job.progress && job.progress.partial > this.partial) this.loadValues();
    if (job.state !== "done") this.become(job.state);
  }

  miss(problem, passing) {
    this.lost = passing;
    if (!passing) {
      this.problem = problem;
      this.become("lost");
    }
    this.face.refresh();
  }

  become(state) {
    const before = this.state;
    this.state = state;
    this.face.refresh();
    this.later();
    if (before === state) return;
    if (this.id && state !== "queued") this.announce();
    if (["done", "failed", "cancelled"].includes(state) || before === "done") emit("maps");
  }

  announce() {
    const { id, state, title } = this;
    const data = { id, state, method: this.root.dataset.key || "", title, seconds: this.record ? this.record.seconds : null };
    tellDash("panel-store", { data });
  }

  /** Fetches the newest values, one request at a time; a partial map that arrives late never replaces a final one. */
  async loadValues() {
    if (this.fetching) return;
    this.fetching = true;
    const { token, job } = this;
    const final = job.state === "done";
    try {
      const { shape, data } = readNpy(await callApi(`/explanations/${encodeURIComponent(this.id)}/values.npy`, { as: "bytes" }));
      if (token !== this.token) return;
      this.field = new Field(data, shape[0], shape[1], this.signed);
      this.partial = job.progress ? job.progress.partial : 0;
      if (final) this.become("done");
      emit("largest");
    } catch (error) {
      if (token !== this.token || !final) return;
      this.problem = error instanceof Problem ? error : new Problem({ detail: "The map could not be read. Try again." });
      this.become("failed");
    } finally {
      if (token === this.token) this.fetching = false;
    }
    this.later();
    const newest = this.job;
    if (!final && (newest.state === "done" || (newest.state === "running" && newest.progress.partial > this.partial))) this.loadValues();
  }

  async stop() {
    try {
      const job = await callApi(`/explanations/${encodeURIComponent(this.id)}`, { method: "DELETE" });
      if (job && job.state) this.take(job);
    } catch (error) {
      this.face.warn(`It could not be stopped. ${error.message}`);
    }
  }

  /** Asks for the same map again: after a failure, a stop, or when the server has forgotten it. */
  async retry() {
    const request = this.job && this.job.request;
    const { id } = this;
    this.reset();
    this.become("queued");
    try {
      const job = request ? await callApi("/explanations", { method: "POST", json: request }) : { id };
      this.track(job.id);
    } catch (error) {
      this.problem = error;
      this.id = id;
      this.job = request ? { request } : null;
      this.become("failed");
    }
  }

  // ---- what is shown -------------------------------------------------------------------------------------------------------
  async loadPicture(path) {
    this.figure.set({ picture: null, pictureRows: this.root.dataset.displayRows || "picture" });
    if (!path) return;
    try {
      const picture = await greyPicture(path);
      if (this.root.dataset.display === path) this.figure.set({ picture });
    } catch (error) {
      this.face.warn(error.message);
    }
    this.later();
  }

  /** Shows a named stage, or the map itself (null). */
  async choose(name) {
    this.stage = name;
    this.stageField = null;
    const info = name && this.record.stages.find((stage) => stage.name === name);
    if (info) {
      const { token } = this;
      try {
        const path = `/explanations/${encodeURIComponent(this.id)}/stages/${encodeURIComponent(name)}.npy`;
        const { shape, data } = readNpy(await callApi(path, { as: "bytes" }));
        if (token !== this.token || this.stage !== name) return;
        this.stageField = new Field(data, shape[0], shape[1], info.signed);
      } catch (error) {
        this.stage = null;
        this.face.warn(error.message);
      }
    }
    this.face.refresh();
    this.later();
  }

  later() {
    nextFrame(this, () => this.redraw());
  }

  /** How the field on screen is coloured under the present look. */
  get style() {
    const { look } = viewState;
    const { view } = this;
    const limit = view.limit(look.scale, largestValue());
    return {
      signed: view.signed, colours: look.colours, limit, cut: view.cut(look.sign, look.top), sign: look.sign,
      clipped: view.max > limit * 1.000001, target: this.target, scale: look.scale, opacity: look.opacity / 100,
    };
  }

  redraw() {
    if (!panels.has(this)) return;
    const { view, figure, axes } = this;
    figure.axes = axes || figure.axes;
    if (view && !view.flat) this.paint();
    else Object.assign(figure, { overlay: null, lines: [], strip: null });
    if (!figure.axes && figure.picture) {
      const { width, height } = figure.picture;
      figure.axes = { x_axis: pixelAxis("x", width), y_axis: pixelAxis("y", height) };
    }
    Object.assign(figure, this.gridSize(), { bare: viewState.original, faded: this.stale, marks: evidence.marks(this.subject, axes) });
    figure.draw();
    this.face.redrawn();
  }

  gridSize() {
    if (this.view) return { rows: this.view.rows, cols: this.view.cols };
    const { axes } = this.figure;
    return axes ? { rows: axes.y_axis.values.length, cols: axes.x_axis.values.length } : {};
  }

  paint() {
    const { view, figure, style } = this;
    const { look, consensus } = viewState;
    const canvas = this.overlay && this.overlay.width === view.cols && this.overlay.height === view.rows ? this.overlay : null;
    this.overlay = canvas || el("canvas", { width: view.cols, height: view.rows });
    const strength = view.strength(look.sign);
    const image = new ImageData(view.cols, view.rows);
    colour.paint(view.values, strength, style, image.data);
    this.overlay.getContext("2d").putImageData(image, 0, 0);
    const lines = [{ segments: view.outline(look.sign, look.top, this.smooth), dashed: false }];
    if (consensus && consensus.rows === view.rows && consensus.cols === view.cols) lines.push({ segments: consensus.segments, dashed: true });
    Object.assign(figure, { overlay: this.overlay, smooth: this.smooth, lines });
    figure.strip = view.columns(look.sign);
  }

  destroy() {
    this.token = {};
    if (this.follower) this.follower.stop();
    panels.delete(this);
    for (const off of this.offs) off();
    this.face.destroy();
    this.figure.destroy();
    emit("maps");
  }
}

declareWidget("map", ATTRIBUTES, (root) => new MapPanel(root));
