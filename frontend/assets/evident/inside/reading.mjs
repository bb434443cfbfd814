/* What a lens result says, in words and numbers. Pure. */
import * as words from "../maps/words.mjs";

/** A score as everywhere on the page. */
export const score = (x) => (Number.isFinite(x) ? x.toFixed(2) : "?");

/** "6", "6 and 22", "6, 22 and 40" */
export function listed(items) {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}

/** "filter 6", "filters 6, 22 and 40" */
export const filters = (numbers) => `${numbers.length === 1 ? "filter" : "filters"} ${listed(numbers)}`;

export const isHead = (layer) => layer.kind === "head";

/** A layer with a map of its own. */
export const hasMap = (layer) => Boolean(layer?.readable) && !isHead(layer);

/** Number of the layer from which on the answer stands; -1 where that is not known or nowhere. */
export const decidedAt = ({ layers, decided_from }) => layers.findIndex(({ name }) => name === decided_from);

/** The layer a page opens at: where it is decided, else the last that has a map. */
export function firstLayer(result) {
  const at = decidedAt(result);
  if (at >= 0 && hasMap(result.layers[at])) return at;
  return Math.max(0, result.layers.findLastIndex(hasMap));
}

/**
 * Two classes for a card: the explained one, and the one against which it stands: the layer's own first, or else its second.
 * @param {any} layer
 * @param {number} target
 */
export function pair(layer, target) {
  const classes = [...(layer.classes || [])].sort((a, b) => b.probability - a.probability);
  const explained = classes.find(({ index }) => index === target);
  if (!explained) return classes.slice(0, 2);
  const other = classes.find(({ index }) => index !== target);
  return other ? [explained, other] : [explained];
}

/** Below this share a layer says more than chance, and still not much. */
const SURE = 0.75;

/** How far a layer's own prediction can be trusted: {state, text, title}. state: ok, fair, warning or off. */
export function reliability(layer) {
  if (isHead(layer)) return { state: "ok", text: "the model itself", title: "The last entry is the model's own answer." };
  if (!layer.readable) return { state: "off", text: layer.reason || "not readable", title: layer.reason || "" };
  if (layer.agreement === null || layer.agreement === undefined)
    return { state: "off", text: layer.reason ? "not readable" : "being read …", title: layer.reason || "" };
  const agree = words.percent(layer.agreement);
  const r2 = Number.isFinite(layer.r2) ? ` R² ${layer.r2.toFixed(2)} of its fitted map.` : "";
  const rate = Number.isFinite(layer.majority)
    ? ` Always naming the commonest answer would agree in ${words.percent(layer.majority)}.`
    : "";
  const title = `On held-out inputs the layer's own answer is the model's in ${agree}.${rate}${r2}`;
  if (!layer.trusted) return { state: "warning", text: `hard to read: ${agree} agree`, title };
  return { state: layer.agreement < SURE ? "fair" : "ok", text: `${agree} of held-out agree`, title };
}

/** "Decided from relu3 on.", and what the layers before said: [strong, quiet]. */
export function decision(result, labels) {
  if (!result.layers.some(({ classes }) => classes?.length)) return ["", ""]; // no lens can be fitted: the note says why
  const { layers, top } = result;
  const found = decidedAt(result);
  const at = found < 0 ? layers.length - 1 : found;
  const layer = layers[at];
  const strong =
    found < 0 || isHead(layer) ? "Decided only at the end: no layer before the last holds the answer." : `Decided from ${layer.name} on.`;
  const read = layers.slice(0, at).filter((each) => each.readable && each.classes?.length);
  const before = read.findLast((each) => each.top !== top);
  if (!before) return [strong, read.length ? "" : at === 0 ? "It is the first layer that can be read." : "No layer before it can be read."];
  const named = before.classes.find(({ index }) => index === before.top)?.label ?? labels[before.top] ?? "";
  return [strong, `Up to ${before.name} the layer's own prediction was still “${named}”.`];
}

/** Up to three filters that support the class most. */
export const carriers = (layer, most = 3) =>
  [...(layer?.features || [])]
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share)
    .slice(0, most)
    .map(({ filter }) => filter);

/** A score that moves by less was not carried by what was taken away. */
const LITTLE = 0.1;

/**
 * A class before and after filters were switched off: {scores: "0.96 → 0.42", logits}. logits: where the scores look alike, what moved all
 * the same; else "". little: the answer stands all the same. Null where the class is not in both lists.
 * @param {{before: any[], after: any[], top_before?: number, top_after?: number} | null | undefined} result of an ablation
 * @param {number} target
 */
export function change(result, target) {
  const [before, after] = [result?.before, result?.after].map((classes) => classes?.find(({ index }) => index === target));
  if (!before || !after) return null;
  const [was, now] = [score(before.probability), score(after.probability)];
  const moved = Math.abs(before.probability - after.probability);
  const alike = moved < 0.015;
  const logits = alike ? `logit ${words.value(before.logit, true, 2)} → ${words.value(after.logit, true, 2)}` : "";
  return { scores: `${was} → ${now}`, was, now, logits, little: moved < LITTLE && result?.top_before === result?.top_after };
}

/** "Filters 6, 22 and 40 carry it: without them 0.96 → 0.42." */
export function carried(numbers, changed) {
  if (!numbers.length || !changed) return "";
  const [one, they, them] = numbers.length === 1 ? ["Filter", "carries it", "it"] : ["Filters", "carry it", "them"];
  const [share, does] = numbers.length === 1 ? ["Filter", "adds"] : ["Filters", "add"];
  const moved = [changed.scores, changed.logits].filter(Boolean).join(", ");
  if (changed.little) return `${share} ${listed(numbers)} ${does} most, yet it stands without ${them}: ${moved}.`;
  return `${one} ${listed(numbers)} ${they}: without ${them} ${changed.scores}.`;
}

export const ORDERS = [
  ["share", "|share|", "Strongest first, whichever direction"],
  ["for", "supports", "What supports the class first"],
  ["against", "speaks against", "What speaks against the class first"],
  ["mean", "mean activation", "The loudest first"],
];

/** Features in a chosen order. mean: per filter, from the maps. */
export function ordered(features, order) {
  const by = {
    share: (a, b) => Math.abs(b.share) - Math.abs(a.share),
    for: (a, b) => b.share - a.share,
    against: (a, b) => a.share - b.share,
    mean: (a, b) => (b.mean ?? 0) - (a.mean ?? 0),
  }[order];
  return [...features].sort(by);
}

/** Text of the slider for those who listen. */
export function spoken(layer, number, count, target) {
  const shown = pair(layer, target)
    .map(({ label, probability }) => `${label} ${score(probability)}`)
    .join(", ");
  const { text } = reliability(layer);
  return [`${layer.name}, ${number} of ${count}`, shown, text].filter(Boolean).join(": ");
}

/** First and number of the cards that stand under the rail. */
export function span(index, count, room) {
  const shown = Math.max(1, Math.min(count, room));
  return [Math.max(0, Math.min(count - shown, index - Math.floor(shown / 2))), shown];
}

/** Numbers of a table as CSV; text with a comma or a quote is quoted. */
export function csv(head, rows) {
  const cell = (x) => (x === null || x === undefined ? "" : /[",\n]/.test(String(x)) ? `"${String(x).replaceAll('"', '""')}"` : String(x));
  return `${[head, ...rows].map((row) => row.map(cell).join(",")).join("\n")}\n`;
}
