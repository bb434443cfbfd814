/* What two sides have in common and where they part, in words. Pure: every figure comes from the two predictions and the maps on show. */
import * as words from "../maps/words.mjs";

/**
 * What the maps of one side explain. score: null where the class is not among those with a score; says: its first class and the score of
 * that, where it is another.
 * @typedef {{label: string, score: number | null, says: [string, number] | null}} Side
 * same: both sides explain the class of one name. withheld: a score is not to be seen yet.
 * @typedef {{withheld: boolean, sides: [Side, Side], same: boolean}} Scores
 * How much of what speaks for its class a map lays on one region, on either side; null where nothing speaks for it. peaks: its largest
 * values. there: the region belongs to the second input too, not only its place.
 * @typedef {{title: string, region: string, shares: [number | null, number | null], peaks: [number, number], there: boolean}} Held
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

const share = (x) => (x === null ? "nothing" : words.percent(x));

/**
 * @param {Held} held
 * @param {Scores} scores
 */
export function heldSentence({ title, region, shares: [inA, inB], peaks, there }, { sides: [a, b], same }) {
  const second = [share(inB), same ? "" : `of what speaks for ${b.label}`, there ? "" : "at that place", "in B"].filter(Boolean).join(" ");
  const [high, low] = peaks.map((x) => words.value(x, false, 2));
  return `${title} lays ${share(inA)} of what speaks for ${a.label} on the ${region} in A, ${second}; its largest value is ${high} in A, ${low} in B.`;
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
