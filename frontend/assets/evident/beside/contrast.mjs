/* The sentence that compares the two sides of Compare, from the maps on show.

   contrast: data-scores JSON of what the maps explain (words.mjs, Scores), "" before anything runs
   data-known JSON {sample, input, model, foreign: known with another network} of the second side, or "" */
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
 * What is known of A's input, and of B's where the same is known there: the shortcut, where it holds one. Of another recording the same band
 * and seconds are looked at; of another picture the same place would mean nothing.
 * @param {FinishedPanel} a
 * @param {FinishedPanel} b
 */
function known(a, b) {
  const regions = evidenceOf(a.subject)?.regions ?? [];
  const region = regions.find(({ key }) => key !== "evidence") ?? regions[0];
  if (!region) return null;
  const own = evidenceOf(b.subject)?.regions.find(({ key }) => key === region.key);
  const there = Boolean(own) || a.subject?.input === b.subject?.input;
  if (!there && a.axes?.x_axis.unit !== "s") return null;
  const name = region.key === "evidence" ? "known evidence" : region.title.toLowerCase();
  return { name, regions: [region, own ?? region], there };
}

/**
 * @param {[FinishedPanel, FinishedPanel]} pair
 * @param {Region[]} regions of either side
 * @returns {import("./words.mjs").Held[]} none where it cannot be said
 */
function held([a, b], regions) {
  const weighed = [a, b].map(({ field, axes }, side) => {
    if (!axes) return undefined;
    const { inside, any } = place(regions[side], axes);
    return any && inside.length === field.values.length ? shareInside(field.values, inside).share : undefined;
  });
  if (weighed.includes(undefined)) return [];
  return [{ title: a.title, shares: /** @type {[number | null, number | null]} */ (weighed) }];
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
      // What speaks for a class is another network's business; a sticker is a sticker.
      const regions = evidence.regions.filter(({ key }) => !known.foreign || key !== "evidence");
      if (this.known === known) this.take(regions.length ? { ...evidence, regions } : null);
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
    return [scoreSentence(scores), this.maps(pairs(), scores)].filter(Boolean);
  }

  /** Where something is known, what lies there; else how alike the maps are. */
  maps(finished, scores) {
    const place = finished.length ? known(finished[0][0], finished[0][1]) : null;
    const weighed = place ? finished.flatMap((pair) => held(pair, place.regions)) : [];
    if (place && weighed.length) return heldSentence(place.name, place.there, weighed, scores);
    const alike = finished.flatMap(([a, b]) => {
      const x = correlation(a.compared, b.compared, viewState.look.sign);
      return x === null ? [] : [{ title: a.title, alike: x }];
    });
    return alikeSentence(alike);
  }

  destroy() {
    for (const off of this.offs) off();
    this.known = null;
    this.take(null);
  }
}

declareWidget("contrast", ["scores", "known"], (root) => new Contrast(root));
