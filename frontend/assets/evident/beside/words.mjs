/* What two sides have in common and where they part, in words. Pure: every figure comes from the two predictions and the maps on show. */
import * as words from "../maps/words.mjs";

/**
 * What the maps of one side explain. score: null where the class is not among those with a score; says: its first class and the score of
 * that, where it is another.
 * @typedef {{label: string, score: number | null, says: [string, number] | null}} Side
 * same: both sides explain the class of one name. withheld: a score is not to be seen yet.
 * @typedef {{withheld: boolean, sides: [Side, Side], same: boolean}} Scores
 * Of what speaks for the class in one map of A and its partner, the share that lies in a region; null where nothing speaks for it.
 * @typedef {{title: string, shares: [number | null, number | null]}} Held
 * @typedef {{title: string, alike: number}} Alike
 */

const score = (x) => (x === null ? "not among the highest" : x.toFixed(2));

/** @param {Scores} scores */
export function scoreSentence({ sides: [a, b], same }) {
  const other = [a, b].flatMap(({ says }, side) => (says ? [`${"AB"[side]} says ${says[0]}, ${score(says[1])}`] : []));
  const aside = other.length ? ` (${other.join("; ")})` : "";
  if (same) return `${a.label}: ${score(a.score)} in A, ${score(b.score)} in B${aside}.`;
  return `A explains ${a.label}, ${score(a.score)}; B has no class of that name and explains its own first class, ${b.label}, ${score(b.score)}.`;
}

/** "49 / 15 %", "none / 3 %", on one line. */
function both([a, b]) {
  const share = (x) => (x === null ? "none" : words.percent(x));
  const first = b === null ? share(a) : share(a).replace(" %", "");
  return `${first} / ${share(b)}`.replaceAll(" ", "\u00a0");
}

/**
 * Every pair, so that none is picked. there: the region belongs to the second input too, not only its place.
 * @param {string} region
 * @param {boolean} there
 * @param {Held[]} held
 * @param {Scores} scores
 */
export function heldSentence(region, there, held, { sides: [a, b], same }) {
  const of = same ? a.label : `${a.label} in A, ${b.label} in B`;
  const place = there ? `on the ${region}` : `on the ${region}, and at its place in B`;
  return `Of what speaks for ${of}, there lies ${place} (A / B): ${held.map(({ title, shares }) => `${title} ${both(shares)}`).join(", ")}.`;
}

/** How alike the two maps of each method are. @param {Alike[]} pairs */
export function alikeSentence(pairs) {
  if (!pairs.length) return "";
  const sorted = [...pairs].sort((x, y) => x.alike - y.alike);
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  const told = ({ title, alike }) => `${title} ${words.value(alike, true, 2)}`;
  if (pairs.length === 1) return `The two maps put the cells in this much the same order: ${told(least)}.`;
  return `Of ${pairs.length} pairs of maps the least alike are ${told(least)}, the most alike ${told(most)}.`;
}

export const HOW =
  "Alike: Spearman's rank correlation of the two maps, cell by cell: 1 where they order all cells alike, 0 where unrelated. " +
  "A map's share: its positive relevance inside the outline over all its positive relevance.";
