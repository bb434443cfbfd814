/* What else can be asked about a case once the model is shown, each when somebody asks: how steady the answer is under everyday changes, and
   which known cases are like it to the network. */
import { callApi } from "../core/api.mjs";
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { progressLine, trouble } from "../job/lines.mjs";
import { Work } from "../job/work.mjs";
import { Clip } from "../sound/clip.mjs";
import * as reading from "./reading.mjs";

const BY = { embedding: "By all that the network sees", relevance: "By what of it speaks for the class" };

/** A card with a question, and the answer of one job. */
class Asked {
  /** @type {Work | null} */
  work = null;

  /** @param {import("./session.mjs").Session} session @param {{title: string, path: string, about: string, button: string, doing: string}} what */
  constructor(session, what) {
    this.session = session;
    this.what = what;
    this.body = el("div.ev-cases-asked");
    this.node = el("section.ev-card", { "aria-label": what.title, hidden: true }, el("h2.ev-card-title", {}, what.title), this.body);
  }

  /** @param {any} prediction null while it is hidden */
  show(prediction) {
    this.node.hidden = !prediction;
    const id = prediction?.id ?? "";
    if (id === this.of) return;
    this.of = id;
    this.work?.leave();
    this.work = null;
    this.prediction = prediction;
    this.draw();
  }

  ask() {
    const { input, model, window } = this.prediction;
    const target = reading.scoreLine(this.prediction).shown;
    const request = { input, model, start: window ? window[0] : null, target };
    this.work = new Work(this.what.path, request, () => this.draw());
    this.draw();
  }

  draw() {
    const { work, what } = this;
    if (!work)
      renew(
        this.body,
        el("p.ev-muted", {}, what.about),
        el("button.ev-button", { type: "button", onclick: () => this.ask() }, icon("play"), what.button),
      );
    else if (work.problem)
      renew(
        this.body,
        trouble(work.problem, () => work.again()),
      );
    else if (work.result) renew(this.body, ...this.answer(work.result));
    else renew(this.body, progressLine(work, what.doing));
  }

  /** @param {any} _result @returns {Node[]} */
  answer(_result) {
    return [];
  }

  destroy() {
    this.work?.leave();
  }
}

class Stress extends Asked {
  constructor(session) {
    super(session, {
      title: "Everyday changes",
      path: "/stress",
      about: "Louder, noise, telephone, codec, a shift, a cut: how far do score and map move?",
      button: "Try them",
      doing: "Changing the input",
    });
  }

  answer({ strip, words, caveat, target_label: label, score }) {
    const most = Math.max(0.02, ...strip.map(({ drift }) => Math.abs(drift ?? 0)));
    const row = (change) => {
      const { title, drift, score: then, map_correlation: like, why } = change;
      const bar = el("i.ev-cases-drift");
      const share = (50 * Math.abs(drift ?? 0)) / most;
      Object.assign(bar.style, { width: `${share}%`, left: `${(drift ?? 0) < 0 ? 50 - share : 50}%` });
      return el(
        "tr",
        { title: why ?? null },
        el("th", { scope: "row" }, title),
        el("td", {}, typeof then === "number" ? then.toFixed(2) : "n/a"),
        el("td.ev-cases-drifts", { "aria-label": typeof drift === "number" ? `moves by ${drift.toFixed(2)}` : "not known" }, bar),
        el("td", {}, typeof like === "number" ? like.toFixed(2) : "n/a"),
      );
    };
    const head = ["Change", `Score (${score.toFixed(2)})`, "Moves", "Map alike"].map((text) => el("th", { scope: "col" }, text));
    return [
      el("p", {}, words),
      el("table.ev-cases-strip", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...strip.map(row))),
      el("p.ev-muted.ev-small", {}, `Score for ${label}; \u201cmap alike\u201d is the rank correlation with the map above. ${caveat}`),
    ];
  }
}

class Similar extends Asked {
  /** @type {Clip[]} */
  clips = [];

  constructor(session) {
    super(session, {
      title: "Similar cases by reason",
      path: "/similar",
      about: "Which labelled cases and samples look alike to the network, and was it right there?",
      button: "Find them",
      doing: "Looking for neighbours",
    });
  }

  draw() {
    const { work } = this;
    if (work?.result && this.named !== work) {
      this.name(work);
      return;
    }
    for (const clip of this.clips) clip.destroy();
    this.clips = [];
    super.draw();
  }

  /** Names and labels are told to who asks, and not in what is kept of the job. @param {Work} work */
  async name(work) {
    this.named = work;
    try {
      work.job = await callApi(work.place);
    } catch (problem) {
      work.problem = problem;
    }
    if (this.work === work) this.draw();
  }

  answer({ neighbours, words, distance_means: means }) {
    const groups = Object.entries(BY).flatMap(([by, title]) => {
      const some = neighbours.filter((each) => each.by === by);
      return some.length ? [el("h3.ev-cases-label", {}, title), el("ul.ev-cases-near", {}, ...some.map((each) => this.line(each)))] : [];
    });
    return [...groups, el("p.ev-muted.ev-small", { title: means }, words)];
  }

  line({ input, name, label, right, model_says: says, distance, modality, case: other }) {
    const clip = modality === "audio" ? new Clip(`/inputs/${encodeURIComponent(input)}/audio.wav`, name ?? "this recording") : null;
    if (clip) this.clips.push(clip);
    const mark =
      right === null
        ? el("span.ev-muted", {}, `model says ${says}`)
        : el(
            "span.ev-cases-right",
            { "data-right": String(right) },
            icon(right ? "check" : "error"),
            right ? "model right" : "model wrong",
          );
    const title = reading.shortName(name ?? "no name", 30);
    const open = () => this.session.open(other, 1);
    const here = other && (this.session.rows?.placeOf(other) ?? -1) >= 0;
    return el(
      "li",
      {},
      clip?.node,
      here ? el("button.ev-link", { type: "button", onclick: open }, title) : el("span.ev-cases-near-name", { title: name }, title),
      el("span.ev-muted", {}, label ?? ""),
      mark,
      el("span.ev-muted", { title: "distance" }, distance.toFixed(2)),
    );
  }

  destroy() {
    for (const clip of this.clips) clip.destroy();
    super.destroy();
  }
}

export class Further {
  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.cards = [new Similar(session), new Stress(session)];
    this.node = el("div.ev-cases-further", {}, ...this.cards.map(({ node }) => node));
  }

  /** @param {boolean} shown */
  refresh(shown) {
    const { item } = this.session;
    const prediction = shown && item?.revealed && !item.gone && !this.session.withheld ? item.prediction : null;
    this.node.hidden = !prediction;
    for (const card of this.cards) card.show(prediction);
  }

  destroy() {
    for (const card of this.cards) card.destroy();
  }
}
