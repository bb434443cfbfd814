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

/** Letters of a layer's name on its card. */
const NAME = 14;

/** "features.denseblock1" -> "…denseblock1": the end says which it is, cut between parts. */
export function shortName(name) {
  if (name.length <= NAME) return name;
  const parts = name.split(".");
  while (parts.length > 1 && parts.join(".").length + 1 > NAME) parts.shift();
  const end = parts.join(".");
  return end === name ? name : `…${end}`;
}

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

/** Words for how often a layer's own answer is the model's: from which share on, the word, how it is shown. */
export const AGREEMENTS = [
  [0.95, "closely", "ok"],
  [0.8, "mostly", "ok"],
  [0.5, "partly", "fair"],
  [0, "weakly", "fair"],
];
/** The same in a sentence. */
const SCALE = "Closely: 95 % and more; mostly: 80; partly: 50; weakly: less. Near guessing: within two standard errors of that rate.";
/** From this majority rate on agreement can tell nothing: there the share of the head's input that is explained decides. */
const ONE_ANSWER = 0.95;

const agreementWord = (share) => AGREEMENTS.find(([from]) => share >= from) ?? AGREEMENTS[AGREEMENTS.length - 1];

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
  if (layer.majority >= ONE_ANSWER) {
    const fits = Number.isFinite(layer.r2) ? `R² ${layer.r2.toFixed(2)}` : "R² not known";
    const why = `${title} Nearly every input gets the same answer, so that agreement tells nothing; read from R² 0.50 on.`;
    return { state: layer.trusted ? "fair" : "warning", text: `${layer.trusted ? "read" : "hard to read"}: ${fits}`, title: why };
  }
  if (!layer.trusted) return { state: "warning", text: `near guessing: ${agree} agree`, title: `${title} ${SCALE}` };
  const [, word, state] = agreementWord(layer.agreement);
  return { state: String(state), text: `${word}: ${agree} agree`, title: `${title} ${SCALE}` };
}

/** "Decided from relu3 on.", and what the layers before said: [strong, quiet]. */
export function decision(result, labels) {
  if (!result.layers.some(({ classes }) => classes?.length)) return ["", ""]; // no lens can be fitted: the note says why
  const { layers, top } = result;
  const found = decidedAt(result);
  const at = found < 0 ? layers.length - 1 : found;
  const layer = layers[at];
  const strong =
    found < 0 || isHead(layer)
      ? "Decided only at the end: no layer before the last holds the answer."
      : `Decided from ${layer.name} on${reservation(layer)}.`;
  const read = layers.slice(0, at).filter((each) => each.readable && each.classes?.length);
  const before = read.findLast((each) => each.top !== top);
  if (!before) return [strong, read.length ? "" : at === 0 ? "It is the first layer that can be read." : "No layer before it can be read."];
  const named = before.classes.find(({ index }) => index === before.top)?.label ?? labels[before.top] ?? "";
  return [strong, `Up to ${before.name} the layer's own prediction was still “${named}”.`];
}

/** What must be said with a decision that is read off a layer which is read badly. */
function reservation(layer) {
  const { state } = reliability(layer);
  if (state === "ok") return "";
  return layer.majority >= ONE_ANSWER
    ? ", as far as that can be told: nearly every input gets this answer"
    : `, as far as it can be read: it agrees with the model in ${words.percent(layer.agreement)}`;
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
  return `${one} ${listed(numbers)} ${they}: without ${them} ${moved}.`;
}

export const ORDERS = [
  ["share", "|share|", "Strongest first, whichever direction"],
  ["for", "supports", "What supports the class first"],
  ["against", "speaks against", "What speaks against the class first"],
  ["mean", "mean activation", "The loudest first"],
];

/** Rankings of all filters over many inputs: key, name, title. */
export const RANKINGS = [
  ["ablation", "ablation", "What the model's answer changes without the filter, on average over the inputs"],
  ["taylor", "Taylor", "First-order estimate of the same, from gradients"],
  ["conductance", "conductance", "Layer conductance (Captum): share of the integrated gradients that flows through the filter"],
  ["internal_influence", "internal influence", "Internal influence (Captum): mean gradient at the filter along the path from the baseline"],
  ["layer_activation", "activation", "Layer activation (Captum): how strongly the filter answers"],
];

/** The number of a ranking for one filter of a study; null where it was not measured. */
export const ranked = (filter, ranking) => (ranking === "ablation" ? filter?.importance : filter?.[ranking]) ?? null;

/** Filters of a study by a ranking, the first first; those without a number last. */
export const byRanking = (filters, ranking) =>
  [...filters].sort((a, b) => (ranked(b, ranking) ?? -Infinity) - (ranked(a, ranking) ?? -Infinity));

/** How far a ranking puts the filters in the order of the ablation: Kendall's tau, or null. */
export function tauWithAblation(agreement, ranking) {
  const [row, column] = ["ablation", ranking].map((name) => agreement?.names?.indexOf(name) ?? -1);
  return row < 0 || column < 0 ? null : (agreement.matrix[row][column] ?? null);
}

/** What a made-up input is, in words: {text, title}; null without one. */
export function maximised(made) {
  if (!Number.isFinite(made?.after)) return null;
  const from = made.from_source ? `Begun at ${made.source}, as no noise excites it` : "Made from noise";
  const real = Number.isFinite(made.strongest) ? `; strongest real input ${words.value(made.strongest)}` : "";
  return {
    text: `${from}: ${words.value(made.before)} → ${words.value(made.after)}${real}.`,
    title: `Mean activation before and after ${made.steps} steps. Kept natural by: ${made.regulariser}. No input that anybody has seen.`,
  };
}

/** Mean activation of a filter over the inputs of the class, and over those of the class it is loudest for beside it: {own, other}. */
export function means(study, filter, target) {
  const at = study.classes?.indexOf(target) ?? -1;
  if (!Number.isFinite(filter?.mean?.[at])) return null;
  const others = study.classes.map((_, number) => number).filter((number) => number !== at && Number.isFinite(filter.mean[number]));
  const loudest = others.sort((a, b) => filter.mean[b] - filter.mean[a])[0];
  const short = (number) => words.value(filter.mean[number], false, 2);
  return { own: short(at), other: loudest === undefined ? "" : `${study.labels[loudest]} ${short(loudest)}` };
}

/**
 * Features in a chosen order.
 * @param {any[]} features with their mean activation
 * @param {string} order
 * @param {any} [study] of the layer, for the rankings over many inputs
 */
export function ordered(features, order, study = null) {
  if (RANKINGS.some(([key]) => key === order)) {
    const place = new Map(byRanking(study?.filters ?? [], order).map(({ index }, number) => [index, number]));
    return [...features].sort((a, b) => (place.get(a.filter) ?? Infinity) - (place.get(b.filter) ?? Infinity));
  }
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
