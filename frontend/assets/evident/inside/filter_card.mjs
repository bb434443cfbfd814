/* One filter: its kernel, what it answers to, its strongest answers (to be heard where they are sound), what it is worth alone, and what
   is left without it. */
import { apiUrl } from "../core/api.mjs";
import { emit } from "../core/bus.mjs";
import { el, icon } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import * as words from "../maps/words.mjs";
import { flipped, meanKernel, pixelCanvas, pixels, signedPixels } from "./kernels.mjs";
import { fact } from "./fact.mjs";
import { progressLine, trouble } from "../job/lines.mjs";
import * as reading from "./reading.mjs";
import { lowerOf, most } from "../figure/small_map.mjs";
import { Work } from "../job/work.mjs";

/** Milliseconds that somebody rests on a filter before the answer without it is asked for. */
const REST = 250;

export class FilterCard {
  /** Made-up inputs by layer and filter. @type {Map<string, Work>} */
  dreams = new Map();
  /** Counts drawings: what an earlier one fetched comes too late. */
  turn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  rest;

  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.title = el("h2.ev-inside-title", {}, "Filter");
    this.quiet = el("span.ev-muted");
    this.body = el("div.ev-filter-body");
    this.kernel = lasting(el("figure.ev-filter-picture", { hidden: true }));
    this.pictures = lasting(el("div.ev-filter-pictures"));
    this.patches = lasting(el("div"));
    this.failed = lasting(el("div"));
    this.node = el(
      "section.ev-card.ev-inside-filter.ev-lab-only",
      { "aria-label": "One filter" },
      el("header.ev-inside-head", {}, this.title, this.quiet),
      this.body,
    );
    this.audio = el("audio", { preload: "none" });
  }

  /** @returns {any} what is known of the filter in all inputs, or null */
  get facts() {
    const { studied, filter } = this.session;
    return studied?.result?.filters?.find(({ index }) => index === filter) ?? null;
  }

  draw() {
    const { session } = this;
    const { layer, filter } = session;
    this.turn += 1;
    clearTimeout(this.rest);
    if (!reading.hasMap(layer) || filter === null) {
      this.title.textContent = "One filter";
      this.quiet.textContent = "";
      renew(this.body, el("p.ev-muted", {}, "Choose a feature map to see what its filter answers to."));
      return;
    }
    this.title.textContent = `Filter ${filter} of ${layer.name}`;
    const off = session.switched.has(filter);
    this.quiet.textContent = off ? "switched off" : "";
    const of = `${layer.name} ${filter}`;
    if (of !== this.of) {
      this.of = of;
      this.kernel.hidden = true;
      renew(this.patches);
    }
    renew(this.body, this.pictures, this.failed, this.patches, ...this.numbers());
    this.drawKernel(this.turn);
    this.drawPatches(this.turn);
    if (session.lens.busy) return; // its pass finds what the filter is replaced by, too
    this.rest = setTimeout(() => session.layer === layer && session.cut(layer.name, [filter]), REST);
  }

  // ---- kernel and answer ---------------------------------------------------------------------------------------------------
  async drawKernel(turn) {
    const { session, facts } = this;
    const { studied, layer } = session;
    const filter = session.filter ?? 0;
    const dream = this.dreams.get(`${layer.name} ${filter}`);
    const answer = el("figure.ev-filter-picture", {}, ...this.answer(dream));
    const words_ = el("div.ev-filter-tuning", {}, ...this.tuning(facts));
    renew(this.pictures, this.kernel, answer, words_);
    const made = dream?.state === "done" ? reading.maximised(dream.result) : null;
    renew(
      this.failed,
      ...(dream?.problem ? [trouble(dream.problem, () => dream.again())] : []),
      ...(made ? [el("p.ev-muted.ev-small.ev-filter-made", { title: made.title }, made.text)] : []),
    );
    if (!studied?.result?.kernels) return; // a sum or a pooling has none to show
    try {
      const { shape, data } = await studied.array("kernels");
      if (turn !== this.turn) return;
      const [, channels, rows, cols] = shape;
      const size = channels * rows * cols;
      const own = data.subarray(filter * size, (filter + 1) * size);
      const values = meanKernel(own, channels, rows * cols);
      const limit = channels === 1 ? most(data) : most(values);
      const name = channels === 1 ? "kernel" : "kernel, mean";
      const rgba = signedPixels(values, limit);
      const drawn = lowerOf(session.subject) ? flipped(rgba, rows, cols) : rgba;
      const canvas = pixelCanvas(drawn, rows, cols, "canvas.ev-filter-kernel", `Kernel of filter ${filter}, ${rows} by ${cols}`);
      canvas.title = `Blue is negative, red positive; full colour is ${words.value(limit, false)}`;
      this.kernel.replaceChildren(canvas, el("figcaption", {}, name));
      this.kernel.hidden = false;
    } catch {
      // the rest of the card stands without it
    }
  }

  tuning(facts) {
    const tuning = facts?.tuning;
    if (tuning) {
      const [first, ...rest] = String(tuning.words || tuning.kind).split(", ");
      return [el("strong", {}, first), ...rest.map((line) => el("span", {}, line))];
    }
    if (facts?.dead) return [el("strong", {}, "Dead"), el("span.ev-muted", {}, "answers to none of the inputs")];
    return [];
  }

  /** The made-up input that excites the filter most: offered, under way, or there. */
  answer(dream) {
    const ask = el(
      "button.ev-button.ev-button--small",
      {
        type: "button",
        title: "Makes an input that excites this filter as much as possible; takes some seconds",
        onclick: () => this.dream(),
      },
      "Show",
    );
    const caption = el("figcaption", {}, "answers to");
    if (!dream) return [el("div.ev-filter-blank", {}, ask), caption];
    if (dream.problem || dream.state === "cancelled") return [el("div.ev-filter-blank", {}, ask), caption];
    if (dream.busy) return [el("div.ev-filter-blank", {}, progressLine(dream, "")), caption];
    const holder = lasting(el("div.ev-filter-blank"));
    this.drawDream(dream, holder);
    return [holder, caption];
  }

  async drawDream(dream, holder) {
    const { subject } = this.session;
    try {
      const { shape, data } = await dream.array("picture");
      const channels = shape.length === 3 ? (shape[2] <= 4 ? shape[2] : shape[0]) : 1;
      const [rows, cols] = shape.length === 3 && shape[2] > 4 ? shape.slice(1) : shape;
      const rgba = pixels(data, channels, most(data) <= 1);
      const drawn = lowerOf(subject) ? flipped(rgba, rows, cols) : rgba;
      holder.replaceChildren(pixelCanvas(drawn, rows, cols, "canvas.ev-filter-dream", "An input made to excite the filter"));
    } catch (problem) {
      holder.replaceChildren(el("p.ev-muted", {}, problem.message));
    }
  }

  dream() {
    const { layer, filter, subject } = this.session;
    const key = `${layer.name} ${filter}`;
    if (this.dreams.get(key)?.busy) return;
    const request = { model: subject.model, layer: layer.name, filter };
    const again = () => this.session.layer === layer && this.session.filter === filter && this.drawKernel(this.turn);
    this.dreams.set(key, new Work("/maximisations", request, again));
    again();
  }

  // ---- strongest answers ---------------------------------------------------------------------------------------------------
  async drawPatches(turn) {
    const { facts, session } = this;
    const { studied, subject } = session;
    const filter = session.filter ?? 0;
    if (!facts?.strongest?.length || !studied?.result?.patch) return;
    try {
      const { shape, data } = await studied.array("patches");
      if (turn !== this.turn) return;
      const [, count, rows, cols] = shape;
      const channels = shape[4] ?? 1;
      const size = rows * cols * channels;
      const list = facts.strongest.slice(0, count).map((answer, number) => {
        const at = (filter * count + number) * size;
        const rgba = pixels(data.subarray(at, at + size), channels);
        const drawn = lowerOf(subject) ? flipped(rgba, rows, cols) : rgba;
        const where = whereOf(answer);
        const canvas = pixelCanvas(drawn, rows, cols, "canvas.ev-filter-patch", `${answer.source}${where}`);
        canvas.title = `${answer.source}${where}`;
        return el("figure.ev-filter-answer", {}, canvas, this.heard(answer, number));
      });
      const total = studied.result.calibration?.count;
      renew(
        this.patches,
        el("h3.ev-inside-sub", {}, `Strongest answers in ${words.integer(total ?? 0)} inputs`),
        el("div.ev-filter-answers", {}, ...list),
      );
    } catch {
      // patches come last of all: without them the numbers stand alone
    }
  }

  heard(answer, number) {
    const value = words.value(answer.value);
    if (!(answer.sound ?? answer.seconds)) return el("figcaption", {}, value);
    const { studied, filter } = this.session;
    const play = () => {
      emit("sound", this);
      this.audio.src = apiUrl(`${studied?.place}/patches/${filter}/${number}.wav`);
      this.audio.play().catch(() => {});
    };
    return el(
      "button.ev-button.ev-button--small",
      {
        type: "button",
        title: `Hear it: ${answer.source}${whereOf(answer)}`,
        "aria-label": `Hear answer ${number + 1}, ${value}`,
        onclick: play,
      },
      icon("play"),
      value,
    );
  }

  // ---- numbers -------------------------------------------------------------------------------------------------------------
  numbers() {
    const { session, facts } = this;
    const { layer, filter, label, studied, subject } = session;
    const lines = [];
    const at = studied?.result?.classes?.indexOf(subject.target) ?? -1;
    const auc = at >= 0 ? facts?.auc?.[at] : null;
    if (Number.isFinite(auc)) lines.push(fact(`AUC for ${label}, alone`, el("strong", {}, auc > 0.995 ? "> 0.99" : auc.toFixed(2))));
    const means = studied?.result ? reading.means(studied.result, facts, subject.target) : null;
    if (means) lines.push(fact(`Mean for ${label}`, el("strong", {}, means.own), means.other ? el("span.ev-muted", {}, means.other) : ""));
    const cut = session.cuts.get(`${layer.name} ${filter}`);
    const changed = reading.change(cut?.result, subject.target);
    if (changed) {
      const [first, second] = changed.logits ? changed.logits.split(" → ") : [changed.was, changed.now];
      lines.push(fact("Without it", `${first} → `, el("strong", {}, second)));
    } else lines.push(fact("Without it", cut?.problem ? "not known" : session.lens.busy ? "after the lens" : "being computed …"));
    const twin = facts?.twin;
    if (twin) {
      const go = el("button.ev-link", { type: "button", onclick: () => session.pick(twin.filter) }, `filter ${twin.filter}`);
      lines.push(fact("Twin", go, el("span", {}, " r ", el("strong", {}, words.value(twin.r, true, 2)))));
    }
    const cluster = studied?.result?.clusters?.find((members) => members.length > 1 && members.includes(filter));
    if (cluster) {
      const off = cluster.every((member) => session.switched.has(member));
      const turn = () => session.turn(cluster, !off);
      const text = off ? "put back" : "switch all off";
      lines.push(
        fact(
          `One of ${cluster.length} alike`,
          el("button.ev-link", { type: "button", title: reading.filters(cluster), onclick: turn }, text),
        ),
      );
    }
    return [el("div.ev-inside-facts", {}, ...lines)];
  }

  destroy() {
    clearTimeout(this.rest);
    this.audio.pause();
    for (const work of this.dreams.values()) work.leave();
  }
}

/** ", 0.40–0.62 s, 500–900 Hz" */
function whereOf({ seconds, hz }) {
  const parts = [];
  if (seconds) parts.push(`${seconds.map((x) => x.toFixed(2)).join("–")} s`);
  if (hz) parts.push(`${hz.map((x) => words.integer(x)).join("–")} Hz`);
  return parts.map((part) => `, ${part}`).join("");
}
