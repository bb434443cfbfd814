/* What the parts of the Measure page share: the choice, what it costs, and the study on show. */
import { callApi } from "../core/api.mjs";
import { forgetRecent, recent } from "../upload/recent.mjs";
import * as choosing from "./choice.mjs";
import { Study } from "./study.mjs";

/** Milliseconds without a further change before the price is asked for. */
const PAUSE = 200;

export class Session {
  /** Which methods fit the model. @type {{[key: string]: any}} */
  fits = {};
  /** Bundled sets of the model. @type {any[]} */
  sets = [];
  /** Studies with a name. @type {any[]} */
  presets = [];
  /** Files of the folder that the operator named. @type {any[]} */
  folder = [];
  /** @type {any} as the server told it, or {problem} */
  price = {};
  /** @type {Study | null} */
  study = null;
  ended = false;
  /** Number of the newest model that was asked about. */
  asked = 0;
  /** Methods and metrics were chosen by somebody, by an address, or by a study. */
  chosen = false;
  worstFirst = false;
  /** What parts of choices cost, by request; null while it is asked. @type {Map<string, any>} */
  quotes = new Map();
  /** @type {AbortController | null} */
  pricing = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;

  /**
   * @param {{catalogue: any, query: {[name: string]: string}}} start
   * @param {(what: "choice" | "offers" | "study" | "price" | "cell" | "studies" | "bench") => void} tell
   */
  constructor({ catalogue, query }, tell) {
    this.catalogue = catalogue;
    this.tell = tell;
    this.choice = choosing.fromQuery(query);
    this.choice.names = Object.fromEntries(recent().map(({ id, name }) => [id, name]));
    this.begin();
  }

  async begin() {
    const { study, cell, sort, methods } = this.choice;
    if (study && !methods.length) {
      await this.open(study);
      this.look({ cell, sort });
    } else if (study)
      this.follow()
        .open(study)
        .then(() => this.recall());
    const known = this.catalogue.models.some(({ key }) => key === this.choice.model);
    if (!known) this.choice.model = this.catalogue.models[0]?.key ?? "";
    await this.about(this.choice.model);
    try {
      const [presets, samples] = await Promise.all([callApi("/evaluations/presets"), callApi("/samples")]);
      this.presets = presets;
      this.folder = samples.filter(({ group }) => group === "own").map(({ input, modality }) => ({ id: input, modality }));
    } catch {
      return; // offers only; what is wrong with the server is said beside the price
    }
    if (!this.ended) this.tell("offers");
  }

  /** Inputs of the operator's folder and of this device that the model takes. @returns {{key: string, title: string, ids: string[]}[]} */
  get collections() {
    const takes = this.catalogue.models.find(({ key }) => key === this.choice.model)?.modalities ?? [];
    const fitting = (list) => list.filter(({ modality }) => takes.includes(modality)).map(({ id }) => id);
    return [
      { key: "folder", title: "The folder of this server", ids: fitting(this.folder) },
      { key: "recent", title: "Opened on this device", ids: fitting(recent()) },
    ].filter(({ ids }) => ids.length);
  }

  /** Takes one of the collections, without what is no longer on the server. */
  async collect({ ids }) {
    const names = Object.fromEntries(recent().map(({ id, name }) => [id, name]));
    this.setInputs({ set: null, count: null, inputs: ids, names: { ...names, ...this.choice.names } }, true);
    const gone = await Promise.all(
      ids.map((id) =>
        callApi(`/inputs/${encodeURIComponent(id)}`).then(
          () => "",
          ({ status }) => (status === 404 ? id : ""),
        ),
      ),
    );
    for (const id of gone.filter(Boolean)) forgetRecent(id);
    const { inputs } = this.choice;
    if (this.ended || inputs !== ids || !gone.some(Boolean)) return;
    this.setInputs({ inputs: ids.filter((id) => !gone.includes(id)) });
  }

  /** Which methods and sets there are for a model. */
  async about(model) {
    this.asked += 1;
    const { asked } = this;
    const path = encodeURIComponent(model);
    try {
      const [fits, sets] = await Promise.all([callApi(`/models/${path}/compatibility`), callApi(`/evaluations/sets?model=${path}`)]);
      if (this.ended || asked !== this.asked) return;
      [this.fits, this.sets] = [fits, sets];
    } catch (problem) {
      if (this.ended || asked !== this.asked) return;
      this.price = { problem };
      this.tell("price");
      return;
    }
    const { choice, catalogue } = this;
    const set = choice.inputs.length && !choice.set ? null : (this.sets.find(({ key }) => key === choice.set) ?? this.sets[0])?.key;
    this.setInputs({
      set: set ?? null,
      methods: choosing.methodsFor(choice.methods, catalogue.methods, this.fits),
      metrics: choosing.metricsFor(choice.metrics, catalogue.metrics),
    });
  }

  /** Own inputs stay where the other model takes them too. @param {{[id: string]: string}} labels classes of theirs that it has */
  setModel(model, labels = {}) {
    const takes = (key) => this.catalogue.models.find((each) => each.key === key)?.modalities ?? [];
    const fit = !this.choice.set && takes(this.choice.model).every((kind) => takes(model).includes(kind));
    const inputs = fit ? this.choice.inputs : [];
    this.set({ model, set: null, count: null, inputs, labels, methods: [], target: "predicted" });
    return this.about(model);
  }

  /** How many inputs are chosen. */
  get inputs() {
    const { set, count, inputs } = this.choice;
    return set ? (count ?? this.chosenSet?.count ?? 0) : inputs.length;
  }

  get chosenSet() {
    return this.sets.find(({ key }) => key === this.choice.set);
  }

  /** Whether a metric can be measured on the chosen inputs; own ones may have a region drawn by their owner. */
  measurable({ needs }) {
    return !needs.includes("mask") || !this.chosenSet || this.chosenSet.masks;
  }

  /**
   * Other inputs: metrics that cannot be measured on them go, those that now can come.
   * @param {Partial<import("./choice.mjs").Choice>} part
   * @param {boolean} regions own inputs alone: whether the evidence is known in some, else what needs it does not come by itself
   */
  setInputs(part, regions = false) {
    const { metrics } = this.catalogue;
    const before = new Set(metrics.filter((metric) => this.measurable(metric)));
    this.choice = { ...this.choice, ...part };
    if (this.choice.target === "label" && this.chosenSet?.labelled === false) this.choice.target = "predicted";
    const comes = (metric) => metric.default_on && !before.has(metric) && (regions || Boolean(this.chosenSet));
    const wanted = metrics.filter((metric) => this.measurable(metric) && (this.choice.metrics.includes(metric.key) || comes(metric)));
    this.set({ metrics: wanted.map(({ key }) => key) });
  }

  /** @param {Partial<import("./choice.mjs").Choice>} part */
  set(part) {
    this.choice = { ...this.choice, ...part };
    this.tell("choice");
    this.ask();
  }

  /** The choice as a study with a name has it, on the inputs chosen. */
  presetChoice(preset) {
    const { fits, chosenSet, catalogue } = this;
    const metrics = new Map(catalogue.metrics.map((metric) => [metric.key, metric]));
    const measurable = (key) => metrics.has(key) && this.measurable(metrics.get(key));
    return choosing.ofPreset(this.choice, preset, { fits, measurable, labelled: Boolean(chosenSet?.labelled) });
  }

  /** @param {Partial<import("./choice.mjs").Choice>} part what is looked at, not what is measured */
  look(part) {
    this.choice = { ...this.choice, ...part };
    this.tell("cell");
  }

  /** @param {Partial<import("./choice.mjs").Choice>} part the fusion bench as it is set */
  turn(part) {
    this.choice = { ...this.choice, ...part };
    this.tell("bench");
  }

  /** What the choice costs. */
  ask() {
    clearTimeout(this.timer);
    this.pricing?.abort();
    this.price = {};
    this.tell("price");
    if (choosing.missing(this.choice)) return;
    this.timer = setTimeout(async () => {
      const pricing = new AbortController();
      this.pricing = pricing;
      try {
        this.price = await callApi("/evaluations/price", {
          method: "POST",
          json: choosing.requestOf(this.choice),
          signal: pricing.signal,
        });
      } catch (problem) {
        if (problem.name === "AbortError") return;
        this.price = { problem };
      }
      if (!this.ended && this.pricing === pricing) this.tell("price");
    }, PAUSE);
  }

  /** What a part of the choice would cost, told with "price" once it is known. @param {Partial<import("./choice.mjs").Choice>} part */
  quote(part) {
    const json = choosing.requestOf({ ...this.choice, ...part });
    const key = JSON.stringify(json);
    const known = this.quotes.get(key);
    if (known !== undefined) return known;
    this.quotes.set(key, null);
    callApi("/evaluations/price", { method: "POST", json }).then(
      (price) => {
        this.quotes.set(key, price);
        if (!this.ended) this.tell("price");
      },
      () => {}, // it can be run all the same; what is wrong is said then
    );
    return null;
  }

  get ready() {
    return !choosing.missing(this.choice) && !this.price.problem && this.price.fits !== false;
  }

  /** The choice asks for something else than the study on show answers. */
  get changed() {
    const request = this.study?.job?.request;
    return Boolean(request) && choosing.differs(this.choice, request);
  }

  follow() {
    this.study?.leave();
    let seen = "";
    const study = new Study((changed) => {
      if (this.study !== changed || this.ended) return;
      const { id } = changed;
      if (id && this.choice.study !== id) this.choice = { ...this.choice, study: id };
      const state = String(changed.job?.state);
      if (state !== seen) this.tell("studies");
      if (["queued", "running"].includes(seen) && !changed.busy) this.ask(); // what was measured costs nothing any more
      seen = state;
      this.tell("study");
    });
    this.study = study;
    return study;
  }

  run() {
    const study = this.follow();
    this.tell("study");
    return study.begin(choosing.requestOf(this.choice));
  }

  /** An earlier study, and with it what it asked for. */
  async open(id) {
    const study = this.follow();
    await study.open(id);
    if (this.ended || this.study !== study || !study.job?.request) return;
    this.choice = choosing.ofStudy({ ...this.choice, cell: null, sort: null }, study.job);
    this.tell("study");
    await this.about(this.choice.model);
  }

  /** Names and classes of own inputs stand in the study and not in its address. */
  recall() {
    const { names = {}, labels = {} } = this.study?.job?.request ?? {};
    if (this.ended || !Object.keys({ ...names, ...labels }).length) return;
    this.choice = { ...this.choice, names: { ...names, ...this.choice.names }, labels: { ...labels, ...this.choice.labels } };
    this.tell("choice");
    this.tell("study");
  }

  dropped(id) {
    if (this.choice.study === id) {
      this.study?.leave();
      this.study = null;
      this.choice = { ...this.choice, study: null, cell: null, sort: null };
      this.tell("study");
    }
    this.tell("studies");
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    this.pricing?.abort();
    this.study?.leave();
  }
}
