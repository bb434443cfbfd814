/* What the page knows of one input and model: jobs, arrays, and what is chosen. It draws nothing; every change is told by name:
   "lens" (result or state), "maps" (an array arrived), "layer", "filter", "off" (filters were switched), "cut" (an ablation moved on),
   "internals", "ranking", "sets" (more inputs to study over). Moving through layers asks the server for nothing: every array is fetched ahead, the nearest first. */
import { greyPicture } from "../figure/picture.mjs";
import * as reading from "./reading.mjs";
import { Work } from "../job/work.mjs";
import { toast } from "../core/dialog.mjs";
import { asked, inputSets } from "./sets.mjs";

/** Arrays under way at a time: the browser has six connections, two of which listen to jobs. */
const FETCHES = 2;
/** Milliseconds that somebody rests on a layer before all its filters are studied. */
const REST = 600;

export class Session {
  index = 0;
  /** Number of the chosen filter of the shown layer. @type {number | null} */
  filter = null;
  /** Ranking of the filters over many inputs: key of `reading.RANKINGS`. */
  ranking = "ablation";
  /** Sets of inputs that all filters can be studied over. @type {import("./sets.mjs").InputSet[]} */
  sets = [];
  /** The one they are studied over: number of `sets`, -1 for the inputs of the program. */
  set = -1;
  /** The last one that was chosen. */
  wantedSet = -1;
  /** What a study of it asks for. @type {{inputs?: string[], labels?: number[]}} */
  over = {};
  /** Somebody chose a layer. */
  touched = false;
  /** @type {HTMLCanvasElement | null} */
  picture = null;
  /** @type {import("../core/api.mjs").Problem | null} */
  pictureProblem = null;
  /** By name of the layer. @type {Map<string, {shape: number[], data: Float32Array}>} */
  maps = new Map();
  /** All feature maps, small, by name of the layer; null where they cannot be had. @type {Map<string, {shape: number[], data: any} | null>} */
  everything = new Map();
  /** Names under way. @type {Set<string>} */
  fetching = new Set();
  /** Filters that are switched off, by layer. @type {Map<string, Set<number>>} */
  off = new Map();
  /** By layer and filters. @type {Map<string, Work>} */
  cuts = new Map();
  /** By layer. @type {Map<string, Work>} */
  internals = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  rest;

  /**
   * @param {any} subject {input, model, target, top, start, labels, axes, display, sound}
   * @param {{layer: string | undefined, filter: number | null}} wanted what the address names
   * @param {(what: string) => void} tell
   */
  constructor(subject, wanted, tell) {
    this.subject = subject;
    this.wanted = wanted;
    this.tell = tell;
    this.sets = subject.sets ?? [];
    inputSets(this.sets, subject.takes ?? []).then((sets) => {
      this.sets = sets;
      this.tell("sets");
    });
    this.lens = new Work("/lens", this.request(), () => this.lensChanged(), true);
    greyPicture(subject.display).then(
      (picture) => this.pictured(picture, null),
      (problem) => this.pictured(null, problem),
    );
  }

  pictured(picture, problem) {
    this.picture = picture;
    this.pictureProblem = problem;
    this.tell("maps");
  }

  request(more = {}) {
    const { input, model, target, start } = this.subject;
    return { input, model, target, ...(start == null ? {} : { start }), ...more };
  }

  get result() {
    return this.lens.result;
  }

  get layers() {
    return this.result?.layers ?? [];
  }

  get layer() {
    return this.layers[this.index] ?? null;
  }

  get label() {
    return this.subject.labels[this.subject.target] ?? String(this.subject.target);
  }

  // ---- layers --------------------------------------------------------------------------------------------------------------
  lensChanged() {
    if (this.result && !this.touched) this.open();
    if (this.lens.state === "done") this.refresh();
    this.fetchNext();
    this.tell("lens");
    if (this.lens.state !== "done") return;
    this.carry();
    this.restHere();
  }

  /** The layer of the address, else the one where it is decided. */
  open() {
    const named = this.layers.findIndex(({ name }) => name === this.wanted.layer);
    const index = named >= 0 ? named : reading.firstLayer(this.result);
    if (index !== this.index || this.filter === null) this.show(index, false);
  }

  /** @param {number} index */
  choose(index) {
    const to = Math.max(0, Math.min(this.layers.length - 1, index));
    this.touched = true;
    if (to !== this.index) this.show(to, true);
  }

  show(index, moved) {
    const before = this.layer?.name;
    this.index = index;
    const { layer, wanted } = this;
    const strongest = reading.carriers(layer)[0] ?? layer?.features?.[0]?.filter ?? null;
    this.filter = !moved && wanted.filter !== null && layer?.name === wanted.layer ? wanted.filter : strongest;
    if (moved && before && before !== layer?.name) this.leaveInternals(before);
    this.fetchNext();
    this.tell("layer");
    this.restHere();
  }

  /** @param {number} filter */
  pick(filter) {
    this.filter = filter;
    this.tell("filter");
  }

  /** Maps without the lens part are fetched again when it is there. */
  refresh() {
    for (const { name } of this.layers) {
      const held = this.maps.get(name);
      if (held && Number.isNaN(held.data[held.shape[1] * held.shape[2]])) {
        this.maps.delete(name);
        this.lens.forget(this.arrayOf(name));
      }
    }
  }

  arrayOf(name) {
    return `layers/${encodeURIComponent(name)}`;
  }

  /** Fetches the missing maps, the nearest to the shown layer first. */
  fetchNext() {
    const missing = this.layers
      .map((layer, at) => ({ layer, away: Math.abs(at - this.index) }))
      .filter(({ layer }) => reading.hasMap(layer) && !this.maps.has(layer.name) && !this.fetching.has(layer.name))
      .sort((a, b) => a.away - b.away);
    for (const { layer } of missing.slice(0, Math.max(0, FETCHES - this.fetching.size))) this.fetchMap(layer.name);
    if (!missing.length) this.fetchRest();
  }

  async fetchMap(name) {
    this.fetching.add(name);
    let there = true;
    try {
      const early = this.lens.state !== "done";
      const array = await this.lens.array(this.arrayOf(name));
      this.maps.set(name, array);
      if (early && this.lens.state === "done") this.refresh(); // the lens was there before what was asked for without it
      this.tell("maps");
    } catch {
      there = false; // not yet: asked for again when the job has moved on
    } finally {
      this.fetching.delete(name);
    }
    if (there && !this.lens.left) this.fetchNext();
  }

  /**
   * Map of the shown layer: 0 Grad-CAM, 1 the lens, 2 + k the k-th feature; null before it is there.
   * @param {number} number
   * @param {string} [name]
   */
  map(number, name = this.layer?.name) {
    const held = this.maps.get(name ?? "");
    if (!held) return null;
    const [count, rows, cols] = held.shape;
    if (number >= count) return null;
    return { array: held, rows, cols, values: held.data.subarray(number * rows * cols, (number + 1) * rows * cols) };
  }

  /** All feature maps of the shown layer with their shares, once they are there; else null. */
  everyFeature() {
    const { layer } = this;
    const held = this.everything.get(layer?.name);
    if (!held) return null;
    const [, rows, cols] = held.shape;
    const first = new Map(layer.features.map(({ filter }, number) => [filter, number]));
    return layer.shares.map((share, filter) => {
      const number = first.get(filter);
      const small = { array: held, rows, cols, values: held.data.subarray(filter * rows * cols, (filter + 1) * rows * cols) };
      const map = number === undefined ? small : (this.map(2 + number) ?? small);
      return { filter, share, mean: layer.means?.[filter] ?? 0, map };
    });
  }

  /** When all maps are there: the small ones of all filters, a layer at a time. */
  fetchRest() {
    if (this.lens.state !== "done" || this.fetching.size) return;
    const next = this.layers
      .map((layer, at) => ({ layer, away: Math.abs(at - this.index) }))
      .filter(({ layer }) => reading.hasMap(layer) && layer.shares?.length && !this.everything.has(layer.name))
      .sort((a, b) => a.away - b.away)[0];
    if (next) this.fetchEvery(next.layer.name);
  }

  async fetchEvery(name) {
    this.fetching.add(name);
    try {
      this.everything.set(name, await this.lens.array(`${this.arrayOf(name)}/features`));
      if (name === this.layer?.name) this.tell("maps");
    } catch {
      this.everything.set(name, null); // the strongest filters stand alone
    } finally {
      this.fetching.delete(name);
    }
    if (!this.lens.left) this.fetchRest();
  }

  // ---- switching off -------------------------------------------------------------------------------------------------------
  get switched() {
    return this.off.get(this.layer?.name) ?? new Set();
  }

  /**
   * Switches filters of the shown layer.
   * @param {number[]} filters
   * @param {boolean} off
   */
  turn(filters, off) {
    if (!this.layer) return;
    const now = new Set(this.switched);
    for (const filter of filters) {
      if (off) now.add(filter);
      else now.delete(filter);
    }
    this.off.set(this.layer.name, now);
    if (now.size) this.cut(this.layer.name, [...now]);
    this.tell("off");
  }

  putBack() {
    if (this.layer) this.off.delete(this.layer.name);
    this.tell("off");
  }

  /** The ablation of what is switched off in the shown layer, or null. */
  get cutting() {
    const { switched } = this;
    return switched.size && this.layer ? this.cut(this.layer.name, [...switched]) : null;
  }

  /**
   * What is left without these filters; asked for once.
   * @param {string} layer
   * @param {number[]} filters
   */
  cut(layer, filters) {
    const numbers = [...filters].sort((a, b) => a - b);
    const key = `${layer} ${numbers}`;
    const made = this.cuts.get(key);
    if (made) return made;
    const work = new Work("/ablations", this.request({ layer, filters: numbers }), () => this.tell("cut"));
    this.cuts.set(key, work);
    return work;
  }

  /** The layer whose filters the page's first sentence names. */
  get carrier() {
    if (!this.result) return null;
    const layer = this.layers[reading.firstLayer(this.result)];
    return reading.hasMap(layer) ? layer : null;
  }

  /** In the background: the answer without the filters that carry it. */
  carry() {
    const layer = this.carrier;
    const numbers = reading.carriers(layer);
    if (numbers.length) this.cut(layer.name, numbers);
  }

  // ---- all filters ---------------------------------------------------------------------------------------------------------
  /** Once somebody stays at a layer all its filters are studied. */
  restHere() {
    clearTimeout(this.rest);
    const { layer } = this;
    // The lens and the first sentence come first: they share the machine.
    if (this.lens.state !== "done" || !reading.hasMap(layer) || this.internals.has(layer.name)) return;
    this.rest = setTimeout(() => this.study(layer.name), REST);
  }

  /** @param {string} name */
  study(name) {
    if (this.internals.has(name) || this.layer?.name !== name) return;
    const request = { model: this.subject.model, layer: name, ...this.over };
    this.internals.set(name, new Work("/internals", request, () => this.layer?.name === name && this.tell("internals")));
    this.tell("internals");
  }

  /**
   * Other inputs to study the filters over.
   * @param {number} set
   */
  async studyOver(set) {
    if (set === this.set) return;
    this.wantedSet = set;
    try {
      const over = set < 0 ? {} : await asked(this.sets[set], this.subject.takes ?? []);
      if (this.wantedSet !== set) return; // another was chosen meanwhile
      [this.set, this.over] = [set, over];
    } catch (problem) {
      toast(problem.message);
      this.tell("sets");
      return;
    }
    for (const name of [...this.internals.keys()]) this.leaveInternals(name);
    this.internals.clear();
    if (this.layer && reading.hasMap(this.layer)) this.study(this.layer.name);
  }

  /** @param {string} ranking */
  rankBy(ranking) {
    this.ranking = ranking;
    this.tell("ranking");
  }

  /** What is still being computed for a layer nobody looks at is stopped; what is finished stays. */
  leaveInternals(name) {
    const work = this.internals.get(name);
    if (!work?.busy) return;
    work.leave();
    this.internals.delete(name);
  }

  /** Work on all filters of the shown layer. */
  get studied() {
    return this.internals.get(this.layer?.name) ?? null;
  }

  end() {
    clearTimeout(this.rest);
    for (const work of [this.lens, ...this.cuts.values(), ...this.internals.values()]) work.leave();
  }
}
