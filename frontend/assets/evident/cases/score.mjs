/* What is known of the input before a score, and the score itself: with its interval, the coughs as marks on one line, and how good the model
   is at all. */
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import * as reading from "./reading.mjs";

const STATE_ICON = { ok: "check", warning: "warning", bad: "error", unknown: "help" };
const STATE_WORD = { ok: "in order", warning: "doubtful", bad: "not in order", unknown: "not known" };
const GATE_WORD = { ready: "ready", doubtful: "doubtful", abstain: "the model should abstain" };

export class FitCard {
  constructor(session) {
    this.session = session;
    this.node = el("section.ev-card.ev-cases-fit", { "aria-label": "Fit for use" });
  }

  refresh() {
    const { item, input } = this.session;
    const shown = item?.revealed ? item.prediction : null;
    const checks = checksOf(input?.checks ?? [], shown?.quality ?? item?.fit?.checks ?? []);
    this.node.hidden = !input || !checks.length;
    const gate = shown?.gate ?? item?.fit ?? null;
    const lines = checks.map((check) =>
      el(
        "li",
        { "data-state": check.state, title: check.detail },
        icon(STATE_ICON[check.state]),
        el("span", {}, check.label),
        el("span.ev-cases-figure", {}, reading.figureOf(check)),
        el("span.ev-visually-hidden", {}, ` ${STATE_WORD[check.state]}. ${check.detail}`),
      ),
    );
    this.node.replaceChildren(
      el("h2.ev-card-title", {}, "Fit for use"),
      el("ul.ev-cases-checks", {}, ...lines),
      this.verdict(gate, checks),
    );
  }

  /** The gate in a sentence; the reasons of what only warns are in it too. */
  verdict(gate, checks) {
    if (!gate) return el("p.ev-cases-gate.ev-muted", { role: "status" }, "Checked against the model\u2026");
    const doubts = checks.filter(({ state }) => state === "warning" || state === "bad").map(({ label, detail }) => `${label}: ${detail}`);
    const reasons = gate.reasons.length ? gate.reasons : doubts;
    const glyph = gate.state === "ready" ? "check" : "warning";
    const word = el("strong", {}, `${capital(GATE_WORD[gate.state])}.`);
    return el(
      "p.ev-cases-gate",
      { "data-state": gate.state },
      icon(glyph),
      el("span", {}, ...reasons.slice(0, 3).map((reason) => `${reason} `), word),
    );
  }
}

const lower = (text) => text[0].toLowerCase() + text.slice(1);
const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** The input's own checks, those of the prediction in their place where both have one. */
function checksOf(own, more) {
  const newer = new Map(more.map((check) => [check.key, check]));
  return [...own.map((check) => newer.get(check.key) ?? check), ...more.filter(({ key }) => !own.some((check) => check.key === key))];
}

export class ScoreCard {
  /** @param {import("./session.mjs").Session} session @param {() => void} onAsk the withheld score is asked for */
  constructor(session, onAsk) {
    this.session = session;
    this.onAsk = onAsk;
    this.node = el("section.ev-card.ev-cases-score", { "aria-label": "Model score" });
  }

  refresh() {
    const { session } = this;
    const { item } = session;
    this.node.hidden = !item?.revealed;
    if (!item?.revealed) return;
    const head = el(
      "div.ev-card-head",
      {},
      el("h2.ev-card-title", {}, "Model score"),
      el("span.ev-muted.ev-small", {}, "not a probability"),
    );
    renew(this.node, head, ...this.content(item));
  }

  content(item) {
    const { prediction } = item;
    if (!prediction)
      return [
        el(
          "p",
          { role: "status" },
          item.problem || (item.gone ? "The input was deleted; the model has nothing to answer." : "The model is being asked\u2026"),
        ),
      ];
    if (this.session.withheld) return this.withheld(prediction);
    const line = reading.scoreLine(prediction);
    const parts = [
      el(
        "p.ev-cases-answer",
        {},
        el("strong", {}, `${line.word} ${line.score.toFixed(2)}`),
        el("span.ev-muted", { title: prediction.interval_means || null }, ` ${reading.intervalWords(line)}`),
      ),
      scoreTrack(line),
    ];
    if (prediction.interval_means)
      parts.push(
        el(
          "details.ev-cases-means",
          {},
          el("summary", {}, "Model score, not a probability"),
          el("p", {}, `Interval: ${prediction.interval_means}.`),
        ),
      );
    parts.push(...this.worth(reading.aucs(this.session.model?.card)));
    return parts;
  }

  /** How good the network is at all, and what does as well without it. */
  worth(figures) {
    const [own, ...others] = figures;
    if (!own) return [];
    const better = others.toSorted((a, b) => b.value - a.value)[0];
    const beside = better && better.value > own.value ? [`; ${lower(better.label)} `, el("strong", {}, better.value.toFixed(2))] : [];
    const sentence = el(
      "p.ev-small",
      {},
      "This network separates the classes with ",
      el("strong", {}, `AUC ${own.value.toFixed(2)}`),
      ...beside,
      "; 0.5 is a coin toss.",
    );
    const rows = [own, ...others].map((row) =>
      el("li", {}, `${row.label} `, el("strong", {}, reading.aucWords(row)), row.note ? ` (${row.note})` : ""),
    );
    return [
      sentence,
      others.length > 0 && el("details.ev-cases-means", {}, el("summary", {}, "All figures of its card"), el("ul", {}, ...rows)),
    ].filter(Boolean);
  }

  withheld({ gate }) {
    const ask = () => {
      this.session.asked.add(this.session.item.id);
      this.onAsk();
    };
    return [
      el(
        "p.ev-cases-gate",
        { "data-state": "abstain" },
        icon("warning"),
        el(
          "span",
          {},
          el("strong", {}, "Score withheld: "),
          gate.reasons.length > 1 ? `${gate.reasons.length} reasons stand under Fit for use.` : "the reason stands under Fit for use.",
        ),
      ),
      el("button.ev-button", { type: "button", onclick: ask }, "Show the score anyway"),
    ];
  }
}

/** The line from class to class: the interval as a band, each cough as a tick, the score as a mark. */
function scoreTrack(line) {
  const percent = (x) => `${(100 * x).toFixed(1)}%`;
  const track = el("div.ev-cases-track", {
    role: "img",
    "aria-label": `Score for ${line.right} ${line.score.toFixed(2)} ${reading.intervalWords(line)}`,
  });
  if (typeof line.low === "number" && typeof line.high === "number") {
    const band = el("i.ev-cases-band");
    Object.assign(band.style, { left: percent(line.low), width: percent(line.high - line.low) });
    track.append(band);
  }
  for (const tick of line.ticks) {
    const mark = el("i.ev-cases-tick");
    mark.style.left = percent(tick);
    track.append(mark);
  }
  const mark = el("i.ev-cases-mark");
  mark.style.left = percent(line.score);
  track.append(mark);
  const ends = el(
    "div.ev-cases-ends.ev-muted",
    {},
    el("span", {}, line.left),
    line.middle && el("span.ev-cases-middle", {}, "0.5"),
    el("span", {}, line.right),
  );
  return el("div", {}, track, ends);
}
