/* The map panel: follows one explanation from queue to result, draws partial maps while they grow, and answers to the look controls.

   data-explanation id · data-title · data-key · data-signed · data-pieces "1": not interpolated · data-display path of the input's picture · data-axes JSON · data-target-label
   data-checked "1": its checks are asked for · data-side "beside": of the second side · data-stale "1" · data-error sentence or problem JSON (the request was refused). Tells panel-store {id, state, method, title, seconds}. */
import { callApi, Problem } from "../core/api.mjs";
import { emit, nextFrame, on } from "../core/bus.mjs";
import { parseJson } from "../core/elements.mjs";
import { followJob } from "../core/jobs.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import * as evidence from "../evidence/marks.mjs";
import { Figure } from "../figure/figure.mjs";
import { greyPicture } from "../figure/picture.mjs";
import { cellSize, Field } from "../maps/field.mjs";
import { readNpy } from "../maps/npy.mjs";
import { PanelFace } from "./face.mjs";
import { unstableCanvas } from "../trust/hatch.mjs";
import { checksOf } from "../trust/checks.mjs";
import { enlarge } from "./large.mjs";
import { panels } from "./panels.mjs";
import { sayReadout } from "./readout.mjs";
import { redraw, styleOf } from "./redraw.mjs";

const ATTRIBUTES = [
  "explanation",
  "title",
  "key",
  "family",
  "signed",
  "pieces",
  "display",
  "display-rows",
  "axes",
  "target-label",
  "stale",
  "error",
  "input",
];

export class MapPanel {
  /** The explanation's id. @type {string | null} */
  id = null;
  /** As the server last told it. @type {Job | null} */
  job = null;
  /** empty, refused, queued, running, done, failed, cancelled, or lost (no longer on the server). */
  state = "empty";
  /** @type {Problem | null} */
  problem = null;
  /** The newest values, partial while it runs. @type {Field | null} */
  field = null;
  /** The chosen stage and its values. @type {string | null} */
  stage = null;
  /** @type {Field | null} */
  stageField = null;
  /** What stands in the place of the map: the map of an altered input, in words; "" for none. */
  altered = "";
  /** @type {ReturnType<typeof followJob> | null} */
  follower = null;
  /** Whether cells that are not stable are hatched. */
  hiding = false;
  /** Those cells, once they were asked for. @type {HTMLCanvasElement | null} */
  unstable = null;
  /** Number of the partial map on screen. */
  partial = 0;
  fetching = false;
  /** The server does not answer at the moment. */
  lost = false;
  /** Answers to what an earlier token asked come too late. */
  token = {};

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.figure = new Figure({ onPoint: () => sayReadout(this), onOpen: () => enlarge(this), stripped: true });
    this.face = new PanelFace(this);
    root.append(this.face.node);
    panels.add(this);
    this.offs = [
      on("look", () => this.later()),
      on("original", () => this.later()),
      on("consensus", () => this.later()),
      on("withheld", () => this.later()),
      on("axes", () => this.later()),
      on("evidence", () => this.later()),
      on("region", () => this.figure.set({ marks: evidence.marks(this.subject, this.axes) })),
      on("checks", () => this.face.refresh()),
      on("largest", () => (viewState.look.scale === "raw" || viewState.paired) && this.later()),
    ];
  }

  reset() {
    this.follower?.stop();
    Object.assign(this, { id: null, job: null, state: "empty", problem: null, field: null, stage: null, stageField: null });
    this.altered = "";
    Object.assign(this, { follower: null, partial: 0, fetching: false, lost: false, hiding: false, unstable: null, token: {} });
  }

  // ---- what the page says --------------------------------------------------------------------------------------------------
  /** @param {Set<string> | null} changed */
  update(changed) {
    const { dataset } = this.root;
    const has = (name) => changed === null || changed.has(name);
    if (has("explanation") || has("error")) this.open(dataset.explanation || null);
    if (has("display")) this.loadPicture(dataset.display);
    this.later();
    this.face.refresh();
  }

  get title() {
    const { concept } = this.record?.extras || {};
    const title = concept ? `Concept: ${concept}` : this.root.dataset.title || this.record?.method_title || "Map";
    return this.beside ? `B \u00b7 ${title}` : title;
  }

  /** On the second side. */
  get beside() {
    return this.root.dataset.side === "beside";
  }

  get record() {
    return this.job ? this.job.record : null;
  }

  /** Name of the class explained, or of what else a method explains; before there is a record, from the page or from a finished map of the same class. */
  get target() {
    if (viewState.withheld) return "";
    if (this.record) return this.record.extras?.explains ?? this.record.target_label;
    const { job } = this;
    const same = job && [...panels].find(({ record }) => record?.target === job.request.target && record.model === job.request.model);
    return this.root.dataset.targetLabel || same?.record?.target_label || "";
  }

  get stale() {
    return this.root.dataset.stale === "1";
  }

  /** @returns {Axes | null} */
  get axes() {
    const axes = this.record || parseJson(this.root.dataset.axes) || viewState.axes;
    return axes ? { x_axis: axes.x_axis, y_axis: axes.y_axis } : null;
  }

  /** What is explained: {input, model}; before the job is known, nothing. */
  get subject() {
    return this.job ? this.job.request : null;
  }

  /** Whether it says where the evidence for the class is; a concept map says where a concept is, whatever the class. */
  get votes() {
    return this.root.dataset.family !== "concept";
  }

  /** The field on screen: a chosen stage, or the map itself; finer than the chosen cell size it is averaged. */
  get view() {
    const field = this.stageField || this.field;
    return field?.averaged(this.cell) ?? null;
  }

  /** Side of the cells that the map is averaged over; 1 where it is coarser than they are, or shown as it is. */
  get cell() {
    const field = this.stageField || this.field;
    if (!field || this.coarse) return 1;
    return cellSize(viewState.look.cell, field);
  }

  /** Made of pieces or on a layer's grid: averaging would only blur its edges. */
  get coarse() {
    return this.root.dataset.pieces === "1" || this.smooth;
  }

  /** What maps are compared by: all of them at one cell size. @returns {Field | null} */
  get compared() {
    return this.field?.averaged(cellSize(viewState.look.cell, this.field)) ?? null;
  }

  get signed() {
    if (this.record) return this.record.signed;
    return ["1", "true", "True"].includes(this.root.dataset.signed ?? "");
  }

  /** Maps made on a coarser grid are smooth by nature; the others are shown cell by cell. */
  get smooth() {
    const { record } = this;
    if ((this.stageField && !this.altered) || !record) return false;
    return this.root.dataset.pieces !== "1" && record.native[0] * record.native[1] < record.shape[0] * record.shape[1];
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
      this.path,
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

  /** Where the explanation lies below the API prefix. */
  get path() {
    return `/explanations/${encodeURIComponent(this.id ?? "")}`;
  }

  /** Fetches the newest values, one request at a time; a partial map that arrives late never replaces a final one. */
  async loadValues() {
    const { token, job } = this;
    if (this.fetching || !job) return;
    this.fetching = true;
    const final = job.state === "done";
    try {
      const { shape, data } = readNpy(await callApi(`${this.path}/values.npy`, { as: "bytes" }));
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
    if (final || !newest) return;
    if (newest.state === "done" || (newest.state === "running" && newest.progress.partial > this.partial)) this.loadValues();
  }

  async stop() {
    try {
      const job = await callApi(this.path, { method: "DELETE" });
      if (job?.state) this.take(job);
    } catch (error) {
      this.face.warn(`It could not be stopped. ${error.message}`);
    }
  }

  /** Asks for the same map again: after a failure, a stop, or when the server has forgotten it. */
  async retry() {
    const { id, job } = this;
    this.reset();
    this.become("queued");
    try {
      this.track(job ? (await callApi("/explanations", { method: "POST", json: job.request })).id : id);
    } catch (error) {
      this.problem = error;
      this.id = id;
      this.job = job && { ...job, record: null, progress: { ...job.progress, done: 0, total: 0 } };
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

  /**
   * Shows a named stage, or the map itself (null).
   * @param {string | null} name
   */
  async choose(name) {
    this.altered = "";
    this.stage = name;
    this.stageField = null;
    const info = this.record?.stages.find((stage) => stage.name === name);
    if (name && info) {
      const { token } = this;
      try {
        const path = `${this.path}/stages/${encodeURIComponent(name)}.npy`;
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
    emit("largest");
  }

  /**
   * Shows another map in place of this one, as a stage is shown; `choose(null)` goes back.
   * @param {Field} field of an altered input
   * @param {string} words
   */
  showAltered(field, words) {
    this.stage = "altered";
    this.altered = words;
    this.stageField = field;
    this.face.refresh();
    this.later();
    emit("largest");
  }

  /**
   * Hatches the cells that are not stable, or shows them again.
   * @param {boolean} hiding
   */
  async hideUnstable(hiding) {
    this.hiding = hiding;
    const { token } = this;
    const { id } = checksOf(this);
    if (hiding && !this.unstable && id) {
      try {
        const { shape, data } = readNpy(await callApi(`/checks/${id}/stable.npy`, { as: "bytes" }));
        if (token !== this.token) return;
        this.unstable = unstableCanvas(data, shape[0], shape[1]);
      } catch (error) {
        this.hiding = false;
        this.face.warn(error.message);
      }
    }
    this.face.refresh();
    this.later();
  }

  later() {
    nextFrame(this, () => panels.has(this) && redraw(this));
  }

  /** How the field on screen is coloured under the present look; null before there is one. */
  get style() {
    return this.view && styleOf(this, this.view);
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
