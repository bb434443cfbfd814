/* What the parts of the Measure page share: the choice, what it costs, and the study on show. */
import { callApi } from "../core/api.mjs";
import * as choosing from "./choice.mjs";
import { Study } from "./study.mjs";

/** Milliseconds without a further change before the price is asked for. */
const PAUSE = 200;

export class Session {
  /** Which methods fit the model. @type {{[key: string]: any}} */
  fits = {};
  /** Bundled sets of the model. @type {any[]} */
  sets = [];
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
  /** @type {AbortController | null} */
  pricing = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;

  /**
   * @param {{catalogue: any, query: {[name: string]: string}}} start
   * @param {(what: "choice" | "study" | "price" | "cell" | "studies" | "bench") => void} tell
   */
  constructor({ catalogue, query }, tell) {
    this.catalogue = catalogue;
    this.tell = tell;
    this.choice = choosing.fromQuery(query);
    this.begin();
  }

  async begin() {
    const { study, cell, sort, methods } = this.choice;
    if (study && !methods.length) {
      await this.open(study);
      this.look({ cell, sort });
    } else if (study) this.follow().open(study);
    const known = this.catalogue.models.some(({ key }) => key === this.choice.model);
    if (!known) this.choice.model = this.catalogue.models[0]?.key ?? "";
    await this.about(this.choice.model);
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

  setModel(model) {
    this.set({ model, set: null, count: null, inputs: [], methods: [] });
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

  /** Other inputs: metrics that cannot be measured on them go, those that now can come. @param {Partial<import("./choice.mjs").Choice>} part */
  setInputs(part) {
    const { metrics } = this.catalogue;
    const before = new Set(metrics.filter((metric) => this.measurable(metric)));
    this.choice = { ...this.choice, ...part };
    const wanted = metrics.filter(
      (metric) => this.measurable(metric) && (this.choice.metrics.includes(metric.key) || (metric.default_on && !before.has(metric))),
    );
    this.set({ metrics: wanted.map(({ key }) => key) });
  }

  /** @param {Partial<import("./choice.mjs").Choice>} part */
  set(part) {
    this.choice = { ...this.choice, ...part };
    this.tell("choice");
    this.ask();
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
