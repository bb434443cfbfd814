/* The fusion bench: the parameters of the fused map turned by hand, with what each turn does to the map, its curves and its figures. */
import { callApi, Problem } from "../core/api.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { subjectOfWork } from "../dash/work.mjs";
import { greyPicture } from "../figure/picture.mjs";
import { trouble } from "../job/lines.mjs";
import { drawSmall, overlayOf } from "../figure/small_map.mjs";
import { Work } from "../job/work.mjs";
import * as fusing from "./fusing.mjs";
import { curveCharts, numbersTable } from "./fusion_plots.mjs";

/** Milliseconds without a further change before a map is asked for. */
const PAUSE = 250;
const SIDE = 232;
const STOPPED = "This was stopped from elsewhere, for instance by a map on Compare that somebody waits for.";

/** A map and its checks, with certain parameters. */
class Setting {
  /** @type {Work | null} */
  checking = null;

  /** @param {object} request @param {() => void} onChange */
  constructor(request, onChange) {
    this.onChange = onChange;
    this.explaining = new Work("/explanations", request, () => this.advance());
  }

  advance() {
    if (this.record && !this.checking) this.checking = new Work("/checks", { explanation: this.explaining.job.id }, () => this.onChange());
    this.onChange();
  }

  /** Of the finished map. */
  get record() {
    return this.explaining.state === "done" ? this.explaining.job.record : null;
  }

  get checks() {
    return this.checking?.state === "done" ? this.checking.result : null;
  }

  get problem() {
    const stopped = [this.explaining, this.checking].some((work) => work?.state === "cancelled");
    return this.explaining.problem ?? this.checking?.problem ?? (stopped ? new Problem({ detail: STOPPED }) : null);
  }

  get busy() {
    return this.explaining.busy || Boolean(this.checking?.busy);
  }

  again() {
    (this.checking ?? this.explaining).again();
  }

  leave() {
    this.explaining.leave();
    this.checking?.leave();
  }
}

export class Fusion {
  /** @type {any} the method, with the schema of its parameters */
  method = null;
  /** @type {any[]} */
  methods = [];
  /** Inputs to choose from: {id, title}. @type {any[]} */
  inputs = [];
  /** @type {any[]} */
  controls = [];
  /** What differs from the default. @type {{[name: string]: any}} */
  values = {};
  /** @type {Map<string, Setting>} by method and parameters */
  settings = new Map();
  /** @type {Work | null} the input as the network sees it */
  picture = null;
  /** The model that the bench stands for. */
  model = "";
  /** Map that is drawn. */
  drawn = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;

  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.button = el(
      "button.ev-link",
      { type: "button", "aria-expanded": "false", "aria-controls": "measure-fusion", onclick: () => this.toggle() },
      "Fusion bench",
    );
    this.button.hidden = !fusing.fusionOf(session.catalogue.methods);
    this.node = el("section.ev-card.ev-fusion", { id: "measure-fusion", "aria-label": "Fusion bench", hidden: true });
  }

  /** The bench follows the model of the strip. Called when the choice changes. */
  follow() {
    const { bench, model } = this.session.choice;
    if (bench === null || model === this.model) return;
    this.open();
  }

  toggle() {
    if (this.node.hidden) {
      this.session.turn({ bench: "default" });
      this.open();
      this.node.scrollIntoView({ block: "nearest" });
    } else this.close();
  }

  close() {
    this.leave();
    this.model = "";
    this.node.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.session.turn({ bench: null, subject: null });
    this.button.focus();
  }

  async open() {
    const { session } = this;
    const { model } = session.choice;
    if (this.model) session.turn({ subject: null });
    this.leave();
    this.model = model;
    this.node.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.node.replaceChildren(this.head(), el("p.ev-muted", {}, "Looking for inputs \u2026"));
    let fit;
    try {
      const paths = ["/catalogue", "/samples", `/models/${encodeURIComponent(model)}/compatibility`];
      const [catalogue, samples, fits] = await Promise.all(paths.map((path) => callApi(path)));
      if (this.model !== model || this.node.hidden) return;
      this.methods = catalogue.methods;
      this.method = fusing.fusionOf(catalogue.methods);
      fit = fits[this.method?.key];
      this.inputs = inputsOf(samples, session.choice);
    } catch (problem) {
      if (this.model === model) this.refuse(trouble(problem, () => this.open()));
      return;
    }
    if (!fit?.ok) {
      this.refuse(el("p.ev-muted", {}, fit?.reason || "No fused map fits this model."));
      return;
    }
    if (!this.inputs.length) {
      this.refuse(el("p.ev-muted", {}, "No input of this model is at hand. Open one on Compare, then come back."));
      return;
    }
    this.controls = fusing.controlsOf(this.method.schema, fit.defaults ?? {});
    this.values = fusing.fromText(session.choice.bench, this.controls);
    this.build();
    this.choose(this.inputs.find(({ id }) => id === session.choice.subject)?.id ?? this.inputs[0].id);
  }

  refuse(...content) {
    this.node.replaceChildren(this.head(), ...content);
  }

  head(...parts) {
    const shut = el(
      "button.ev-icon-button",
      { type: "button", "aria-label": "Close the fusion bench", onclick: () => this.close() },
      icon("close"),
    );
    return el(
      "header.ev-measure-head-line",
      {},
      el("h2.ev-inside-title", {}, "Fusion bench"),
      ...parts,
      el("span.ev-fusion-shut", {}, shut),
    );
  }

  build() {
    this.state = el("span.ev-fusion-state.ev-muted.ev-small", { role: "status" });
    this.source = el(
      "select.ev-inside-select",
      { "aria-label": "Input of the bench", onchange: () => this.choose(this.source.value) },
      ...this.inputs.map(({ id, title }) => el("option", { value: id }, title)),
    );
    this.fields = el("div.ev-fusion-fields");
    this.maps = el("div.ev-fusion-maps");
    this.charts = el("div.ev-fusion-charts");
    this.numbers = el("div.ev-fusion-numbers");
    this.drawControls();
    const reset = el("button.ev-link", { type: "button", onclick: () => this.reset() }, "Back to the default");
    this.node.replaceChildren(
      this.head(this.source, this.state),
      el("div.ev-fusion-body", {}, el("div.ev-fusion-controls", {}, this.fields, reset), this.maps, this.charts),
      this.numbers,
    );
  }

  drawControls() {
    this.fields?.replaceChildren(
      ...this.controls.map((control) => field(control, this.valueOf(control), (value) => this.turn(control, value))),
    );
  }

  valueOf = ({ name, value }) => this.values[name] ?? value;

  turn({ name }, value) {
    this.values = fusing.changed(this.controls, { ...this.values, [name]: value });
    this.session.turn({ bench: fusing.toText(this.values) });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  reset() {
    this.values = {};
    this.drawControls();
    this.session.turn({ bench: fusing.toText({}) });
    this.ask();
  }

  /** @param {string} input */
  choose(input) {
    this.leave();
    this.input = input;
    if (this.source) this.source.value = input;
    this.session.turn({ subject: input });
    if (this.maps) renew(this.maps);
    this.drawn = "";
    this.picture = new Work("/predictions", { input, model: this.model }, () => this.draw());
    this.ask();
  }

  settingOf(method, params) {
    return this.settings.get(JSON.stringify([method, params]));
  }

  /** The setting on show, then what it is held against; what is under way for an earlier one is stopped. */
  ask() {
    clearTimeout(this.timer);
    const own = JSON.stringify([this.method.key, this.values]);
    for (const [key, setting] of this.settings)
      if (key !== own && setting.busy && key.startsWith(`["${this.method.key}"`) && !key.endsWith("{}]")) {
        setting.leave();
        this.settings.delete(key);
      }
    this.begin(this.method.key, this.values);
    this.draw();
  }

  begin(method, params) {
    const key = JSON.stringify([method, params]);
    if (this.settings.has(key)) return;
    const request = { input: this.input, model: this.model, method, params };
    this.settings.set(key, new Setting(request, () => this.draw()));
  }

  get current() {
    return this.settingOf(this.method.key, this.values);
  }

  /** Default and parents follow when the map itself is there. */
  compared(record) {
    this.begin(this.method.key, {});
    const parents = fusing.parentsOf(record.stages, this.methods);
    for (const { key } of parents) this.begin(key, {});
    const kinds = ["parent", "second"];
    const rows = parents.map(({ key, title }, i) => ({ title, kind: kinds[i] ?? kinds[0], setting: this.settingOf(key, {}) }));
    return [{ title: "Default", kind: "default", setting: this.settingOf(this.method.key, {}) }, ...rows];
  }

  draw() {
    const { current } = this;
    if (!current || !this.state || this.node.hidden) return;
    const { record, problem } = current;
    const said = problem ? "" : !record ? "making the map \u2026" : current.busy ? "measuring it \u2026" : record.notes[0] || "";
    if (this.state.textContent !== said) this.state.textContent = said;
    if (problem) {
      if (this.maps)
        renew(
          this.maps,
          trouble(problem, () => current.again()),
        );
      this.drawn = "";
      return;
    }
    if (!record) return;
    const rows = [{ title: "This setting", kind: "own", setting: current }, ...this.compared(record)].map(({ title, kind, setting }) => ({
      title,
      kind,
      checks: setting?.checks ?? null,
      note: setting?.problem?.message ?? setting?.checks?.notes?.map ?? (setting?.busy ? "\u2026" : ""),
    }));
    this.charts?.replaceChildren(...curveCharts(rows));
    this.numbers?.replaceChildren(
      numbersTable(
        [...rows, ...fusing.controlRows(rows[0].checks)],
        fusing.columnsOf(
          rows.map(({ checks }) => checks),
          this.session.catalogue.metrics,
        ),
      ),
    );
    this.drawMaps(current);
  }

  /** @param {Setting} current */
  async drawMaps({ record, explaining }) {
    const path = this.picture?.state === "done" ? this.picture.job.display : null;
    const seen = `${explaining.job.id} ${path}`;
    if (seen === this.drawn) return;
    this.drawn = seen;
    const names = record.stages.slice(0, -1);
    try {
      const picture = path ? await greyPicture(path) : null;
      const arrays = await Promise.all(["values", ...names.map(({ name }) => `stages/${name}`)].map((name) => explaining.array(name)));
      if (this.drawn !== seen) return;
      const parts = [{ ...record, title: record.method_title }, ...names];
      const lower = record.y_axis.origin === "lower";
      if (this.maps) renew(this.maps, ...arrays.map((array, i) => picturedMap(array, parts[i], picture, lower)));
      say("The fused map has changed.");
    } catch (problem) {
      if (this.drawn !== seen) return;
      if (this.maps)
        renew(
          this.maps,
          trouble(problem, () => this.retry()),
        );
    }
  }

  retry() {
    this.drawn = "";
    this.draw();
  }

  leave() {
    clearTimeout(this.timer);
    for (const setting of this.settings.values()) setting.leave();
    this.settings.clear();
    this.picture?.leave();
    this.picture = null;
  }
}

/** The input of the address, the open one where it is of this model, and the bundled samples of the model. */
function inputsOf(samples, { model, subject }) {
  const own = samples.filter((sample) => sample.model === model).map(({ input, title }) => ({ id: input, title }));
  const open = subjectOfWork();
  const more = [
    { id: subject, title: "Input of the address" },
    { id: open?.model === model ? open?.input : null, title: "The open input" },
  ].filter(({ id }) => id && !own.some((each) => each.id === id));
  const first = open?.model === model ? own.filter(({ id }) => id === open?.input) : [];
  const all = [...more, ...first, ...own];
  return all.filter(({ id }, i) => all.findIndex((each) => each.id === id) === i);
}

function field({ name, kind, title, note, low, high, step, options }, value, onTurn) {
  const id = `fusion-${name}`;
  if (kind === "box") {
    const box = el("input", { id, type: "checkbox", checked: value, onchange: () => onTurn(box.checked) });
    return el("label.ev-measure-box", { title: note }, box, el("span", {}, title));
  }
  if (kind === "choice") {
    const select = el(
      "select.ev-inside-select",
      { id, onchange: () => onTurn(select.value) },
      ...options.map((option) => el("option", { value: option.key, selected: option.key === value }, option.title)),
    );
    return el("div.ev-fusion-field", { title: note }, el("label", { htmlFor: id }, title), select);
  }
  const shown = el("output", { htmlFor: id }, String(value));
  const slider = el("input.ev-slider", {
    id,
    type: "range",
    min: String(low),
    max: String(high),
    step: String(step),
    oninput: () => {
      shown.textContent = slider.value;
      onTurn(Number(slider.value));
    },
  });
  slider.value = String(value);
  return el("div.ev-fusion-field", { title: note }, el("label", { htmlFor: id }, title), shown, slider);
}

function picturedMap({ data, shape }, { title, signed }, picture, lower) {
  const [rows, cols] = shape;
  const ratio = picture ? picture.height / picture.width : rows / cols;
  const canvas = el("canvas.ev-measure-picture", {
    width: SIDE,
    height: Math.round(SIDE * Math.min(1.3, Math.max(0.4, ratio))),
    role: "img",
    "aria-label": `${title} over the input`,
  });
  drawSmall(canvas, picture, overlayOf(data, rows, cols, { signed }), lower);
  return el("figure.ev-measure-figure", {}, canvas, el("figcaption.ev-muted.ev-small", {}, title));
}
