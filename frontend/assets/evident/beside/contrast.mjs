/* The sentence that compares the two sides of Compare, from the maps on show.

   contrast: data-scores JSON of what the maps explain (words.mjs, Scores), "" before anything runs
   data-known JSON {sample, input, model} of what is known of the second side, or "" */
import { emit, nextFrame, on } from "../core/bus.mjs";
import { el, parseJson } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { fetchEvidence } from "../evidence/legend.mjs";
import { evidenceOf, place } from "../evidence/marks.mjs";
import { shareInside } from "../evidence/regions.mjs";
import { correlation } from "../maps/field.mjs";
import { finishedPanels, partnerOf } from "../panel/panels.mjs";
import { alikeSentence, HOW, heldSentence, scoreSentence } from "./words.mjs";

/** @typedef {import("../panel/panels.mjs").FinishedPanel} FinishedPanel */

/** Both maps of each method, where both are there and not flat. @returns {[FinishedPanel, FinishedPanel][]} */
function pairs() {
  const fit = (panel) => panel?.state === "done" && panel.field && !panel.field.flat && panel.votes;
  return finishedPanels()
    .map((panel) => /** @type {[FinishedPanel, FinishedPanel]} */ ([panel, partnerOf(panel)]))
    .filter(([a, b]) => fit(a) && fit(b));
}

/**
 * What a map of A and its partner lay on what is known of A's input: on the shortcut, where it holds one.
 * @param {[FinishedPanel, FinishedPanel]} pair
 * @returns {import("./words.mjs").Held | null}
 */
function held([a, b]) {
  const evidence = evidenceOf(a.subject);
  const regions = evidence?.regions ?? [];
  const region = regions.find(({ key }) => key !== "evidence") ?? regions[0];
  if (!region) return null;
  const own = evidenceOf(b.subject)?.regions.find(({ key }) => key === region.key);
  const there = Boolean(own) || a.subject?.input === b.subject?.input;
  const weighed = [a, b].map(({ field, axes }, side) => {
    if (!axes) return undefined;
    const { inside, any } = place((side && own) || region, axes);
    return any && inside.length === field.values.length ? shareInside(field.values, inside).share : undefined;
  });
  if (weighed.includes(undefined)) return null;
  const name = region.key === "evidence" ? "known evidence" : region.title.toLowerCase();
  const shares = /** @type {[number | null, number | null]} */ (weighed);
  return { title: a.title, region: name, shares, peaks: [a.field.max, b.field.max], there };
}

class Contrast {
  constructor(root) {
    this.root = root;
    this.line = el("p.ev-contrast", { title: HOW });
    root.append(this.line);
    const later = () => nextFrame(this, () => this.show());
    this.offs = ["maps", "evidence", "axes", "withheld"].map((name) => on(name, later));
  }

  update(changed) {
    if (changed === null || changed.has("known")) this.load(parseJson(this.root.dataset.known));
    this.show();
  }

  /** What is known of the second side is outlined there too. */
  async load(known) {
    this.known = known;
    this.take(null);
    if (!known) return;
    try {
      const evidence = await fetchEvidence(known);
      if (this.known === known) this.take(evidence);
    } catch {
      // its outline is missing then; the maps are there
    }
  }

  take(evidence) {
    if (viewState.evidenceBeside === evidence) return;
    viewState.evidenceBeside = evidence;
    emit("evidence");
  }

  show() {
    const text = this.sentences().join(" ");
    if (this.line.textContent !== text) this.line.textContent = text;
  }

  /** @returns {string[]} */
  sentences() {
    /** @type {import("./words.mjs").Scores | null} */
    const scores = parseJson(this.root.dataset.scores);
    if (!scores || scores.withheld || viewState.withheld) return [];
    const finished = pairs();
    const lead = finished.find(([a]) => a.root.dataset.key === "fused") ?? finished[0];
    const weighed = lead ? held(lead) : null;
    const alike = finished.flatMap(([a, b]) => {
      const x = correlation(a.compared, b.compared, viewState.look.sign);
      return x === null ? [] : [{ title: a.title, alike: x }];
    });
    return [scoreSentence(scores), weighed ? heldSentence(weighed, scores) : "", alikeSentence(alike)].filter(Boolean);
  }

  destroy() {
    for (const off of this.offs) off();
    this.known = null;
    this.take(null);
  }
}

declareWidget("contrast", ["scores", "known"], (root) => new Contrast(root));
