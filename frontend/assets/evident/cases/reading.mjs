/* What the Cases page says, from what the server tells. Pure. */

const DASH = "\u2013";

/** What the list shows of a case: [icon, word, kind]. */
export const STATE_MARKS = {
  todo: ["circle", "to do", ""],
  judged: ["check", "judged", "ok"],
  disagree: ["differs", "disagree", "warning"],
};

/** Name of a reading: a class index, "cannot_say", or null. @param {string[]} labels */
export function readingWord(reading, labels) {
  if (reading === null || reading === undefined || reading === "") return "";
  if (reading === "cannot_say") return "cannot say";
  return labels[Number(reading)] ?? String(reading);
}

/** What the model says of a case, in the list: its answer, or the score that the list is narrowed or sorted by. "": hidden, or not computed yet. */
export function modelWord({ model_says: says, score, score_of: of }, byScore = false) {
  if (byScore && typeof score === "number") return `${of} ${score.toFixed(2)}`;
  return says ?? "";
}

/** Why a range of scores leaves cases out that might lie in it. @param {number} n */
export const unscoredWords = (n) =>
  n ? `${n} left out: ${n === 1 ? "its score is" : "their scores are"} not shown (model hidden, withheld or no answer)` : "";

/** Who may delete a list that the one who looks may not. @param {{maker: string | null}} list */
export const whoDeletes = ({ maker }) =>
  `${maker ? `Who made this list (${maker}), or an admin, may` : "Only an admin may"} delete it: what everybody said goes with it.`;

/** "4.7 s" */
export const seconds = (x) => (typeof x === "number" ? `${x.toFixed(1)} s` : "");

/** "4.7 s \u00b7 16 kHz \u00b7 5 coughs", or the size of a picture. */
export function facts(input) {
  const parts = [];
  if (typeof input.seconds === "number") parts.push(seconds(input.seconds));
  if (input.rate) parts.push(`${Number((input.rate / 1000).toFixed(1))} kHz`);
  if (input.modality === "audio") parts.push(coughCount(input.coughs?.length ?? 0));
  else if (input.width && input.height) parts.push(`${input.width} \u00d7 ${input.height} ${input.modality === "image" ? "px" : "cells"}`);
  return parts.join(" \u00b7 ");
}

export const coughCount = (n) => (n === 0 ? "no cough found" : n === 1 ? "1 cough" : `${n} coughs`);

/** "case 23 of 36" */
export const position = (at, total) =>
  total === 0 ? "no case" : at < 0 ? `${total} ${total === 1 ? "case" : "cases"}` : `case ${at + 1} of ${total}`;

/** Middle of a long file name left out: "hRB1GYdI\u2026 heavy.flac". */
export function shortName(name, most = 30) {
  if (name.length <= most) return name;
  const tail = Math.ceil(most * 0.45);
  return `${name.slice(0, most - tail - 1)}\u2026${name.slice(-tail)}`;
}

/** What stands behind the name of a case that the program made itself. */
export const GENERATED = " (generated)";

/** Name of a case in a narrow list, whose title already says that all of it is generated. @param {string} name */
export const listName = (name) => shortName(name.endsWith(GENERATED) ? name.slice(0, -GENERATED.length) : name, 28);

/** Time of day of a time stamp; with the day where it is another one than today. @param {string} stamp */
export function clock(stamp, now = new Date()) {
  const at = new Date(stamp);
  if (Number.isNaN(at.getTime())) return "";
  const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const sameDay = at.toDateString() === now.toDateString();
  return sameDay ? time : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time.slice(0, 5)}`;
}

/**
 * What the score line shows. Of two classes the line runs from the first to the second; of more it is the likeliest class from 0 to 1.
 * @param {any} prediction
 */
export function scoreLine(prediction) {
  const { classes, top, interval, undecided, coughs = [] } = prediction;
  const two = classes.length === 2;
  const shown = two ? 1 : top;
  const label = (index) => classes.find((each) => each.index === index)?.label ?? String(index);
  const score = classes.find(({ index }) => index === shown)?.probability ?? 0;
  const [low, high] = interval?.[shown] ?? [null, null];
  return {
    word: undecided ? "undecided" : label(top),
    undecided: Boolean(undecided),
    shown,
    score,
    low,
    high,
    left: two ? label(0) : "0",
    right: two ? label(1) : label(top),
    middle: two,
    ticks: coughs.map((cough) => cough.scores[shown]).filter((value) => typeof value === "number"),
  };
}

/** "(0.46 to 0.61 over 5 coughs)" */
export function intervalWords({ low, high, ticks }) {
  if (typeof low !== "number" || typeof high !== "number") return "";
  const over = ticks.length > 1 ? ` over ${ticks.length} coughs` : "";
  return `(${low.toFixed(2)} to ${high.toFixed(2)}${over})`;
}

const percent = (x) => `${x > 0 && x < 0.0995 ? (100 * x).toFixed(1) : Math.round(100 * x)} %`;

/** How many times its share of the picture: "as much as chance", "twice its share of the picture". */
export function timesWords(times) {
  if (times < 0.8) return times < 0.05 ? "almost nothing" : "less than chance";
  if (times <= 1.25) return "as much as chance";
  if (times < 1.75) return "a little more than chance";
  if (times < 2.5) return "twice its share of the picture";
  if (times < 3.5) return "three times its share of the picture";
  return `${Math.round(times)} times its share of the picture`;
}

/**
 * What a map holds of the reviewer's region, as parts [text, strong].
 * @param {{share: number | null, uniform: number, times: number | null, any: boolean}} held
 * @returns {[string, boolean][]}
 */
export function regionSentence({ share, uniform, times, any }) {
  if (!any) return [["Your region lies outside the part the model looks at.", false]];
  if (share === null || times === null) return [["Nothing in this map is positive, so nothing lies in your region.", false]];
  return [
    ["Your region holds ", false],
    [percent(share), true],
    [" of its support, ", false],
    [timesWords(times), true],
    [` (${percent(uniform)} of the picture).`, false],
  ];
}

/** Cohen's kappa in words after Landis and Koch (1977). */
export function kappaWords(kappa) {
  if (kappa === null || kappa === undefined || Number.isNaN(kappa)) return "not defined";
  if (kappa < 0) return "less than by chance";
  if (kappa <= 0.2) return "slight";
  if (kappa <= 0.4) return "fair";
  if (kappa <= 0.6) return "moderate";
  if (kappa <= 0.8) return "substantial";
  return "almost perfect";
}

/** "0.41 (0.12\u20130.70), moderate"; without an interval no word for it, since two cases can give any figure. */
export function kappaLine({ kappa, low, high }) {
  if (kappa === null || kappa === undefined) return "not defined";
  const figure = (x) => x.toFixed(2).replace("-", "\u2212");
  if (typeof low !== "number" || typeof high !== "number") return `${figure(kappa)}, too few cases for an interval`;
  const between = low < 0 ? " to " : DASH;
  return `${figure(kappa)} (${figure(low)}${between}${figure(high)}), ${kappaWords(kappa)}`;
}

/**
 * "12 of 14; 1 left out", and with the model, where they differ, the last readings too: "12 of 14, in the end 13".
 * @param {{agree: number | null, n: number, left_out?: number, after?: number | null}} of
 */
export function sameWords({ agree, n, left_out: out = 0, after = null }) {
  const count = (share) => Math.round(share * n);
  const end = after !== null && agree !== null && count(after) !== count(agree) ? `, in the end ${count(after)}` : "";
  const same = typeof agree === "number" ? `${count(agree)} of ${n}${end}` : "no case in common";
  return out ? `${same}; ${out} left out` : same;
}

/**
 * Left ends of labels of equal width along a line so that none covers another, with the least sum of squared moves (isotonic regression:
 * labels that meet form a group around the mean of where they belong); null where there is not room for all.
 * @param {number[]} centres ascending
 * @param {number} width of one label, with its gap
 * @param {number} length of the line
 */
export function spread(centres, width, length) {
  const room = length - centres.length * width;
  if (room < 0) return null;
  /** Groups of neighbours that touch: how many, and where the first stands. @type {{n: number, at: number}[]} */
  const groups = [];
  for (const [i, centre] of centres.entries()) {
    let last = { n: 1, at: centre - width / 2 - i * width };
    for (let before = groups[groups.length - 1]; before && before.at > last.at; before = groups[groups.length - 1]) {
      groups.pop();
      last = { n: before.n + last.n, at: (before.n * before.at + last.n * last.at) / (before.n + last.n) };
    }
    groups.push(last);
  }
  const starts = groups.flatMap(({ n, at }) => new Array(n).fill(Math.min(room, Math.max(0, at))));
  return starts.map((start, i) => start + i * width);
}

/** The AUCs that a model card states, the network's own first. @returns {{label: string, value: number, low?: number, high?: number, note?: string}[]} */
export function aucs(card) {
  return Object.entries(card ?? {}).flatMap(([title, rows]) =>
    (Array.isArray(rows) ? rows : []).filter((row) => typeof row?.value === "number" && `${title} ${row.label ?? ""}`.includes("AUC")),
  );
}

/** "AUC 0.63 (0.57\u20130.69)" */
export const aucWords = ({ value, low, high }) =>
  `${value.toFixed(2)}${typeof low === "number" && typeof high === "number" ? ` (${low.toFixed(2)}${DASH}${high.toFixed(2)})` : ""}`;

/** "82 %" */
/** The figure of a check that passed, for a glance: "44 dB", "7.4 kHz"; "none" of what was not found. @param {{state: string, detail: string}} check */
export function figureOf({ state, detail }) {
  if (state !== "ok") return "";
  if (/^no /i.test(detail)) return "none";
  return /\d[\d.,]*\s?(?:dB|kHz|Hz|s|%)(?![a-z])/.exec(detail)?.[0] ?? "";
}

/**
 * What a list can be narrowed to: one's own reading, or a word on the prediction or the explanation.
 * @param {string[]} labels of the model
 */
export const verdictChoices = (labels) => [
  ["", "any verdict"],
  ...labels.slice(0, 20).map((label, index) => [String(index), `you said ${label}`]),
  ["cannot_say", "you cannot say"],
  ["plausible", "prediction plausible"],
  ["not_plausible", "prediction not plausible"],
  ["useful", "maps useful"],
  ["misleading", "maps misleading"],
];
