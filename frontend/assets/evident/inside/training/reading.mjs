/* What a recording says, in numbers and sentences. Pure. */

/** What a cell of the table epoch x layer can show. low, high: ends of the scale, null for those of the values. */
export const MEASURES = {
  agreement: {
    name: "Lens agreement",
    legend: "lens agrees with the network",
    digits: "percent",
    low: null,
    high: 1,
    lens: true,
  },
  settled: {
    name: "Settled inputs",
    legend: "inputs that keep their answer from here on",
    digits: "percent",
    low: null,
    high: 1,
    lens: true,
  },
  r2: { name: "Lens R²", legend: "share of the head's input that the lens explains, held out", digits: 2, low: 0, high: 1, lens: true },
  cka_to_last: { name: "Likeness to the last epoch", legend: "linear CKA with the last epoch", digits: 2, low: 0, high: 1, lens: false },
  kendall_tau: {
    name: "Same filters important",
    legend: "Kendall tau of the filters' importance with the last epoch",
    digits: 2,
    low: -1,
    high: 1,
    lens: false,
    signed: true,
  },
  redundancy: { name: "Redundancy", legend: "mean |r| over pairs of living filters", digits: 2, low: 0, high: 1, lens: false },
  effective_dimension: {
    name: "Effective dimension",
    legend: "effective dimension of the filters",
    digits: 1,
    low: 1,
    high: null,
    lens: false,
  },
  dead: { name: "Dead filters", legend: "filters that are the same for every input", digits: 0, low: 0, high: null, lens: false },
};

/** The number of a measure at an epoch and layer, null where it was not measured. */
export function numberOf(row, layer, measure) {
  const found = row.layers.find(({ name }) => name === layer) ?? null;
  if (!found || (measure === "dead" && found.redundancy === null && found.cka_to_last === null && row.note)) return null;
  return measure === "dead" ? found.dead.length : (found[measure] ?? null);
}

/** Key of the recording to open: the one asked for, one whose training goes on, one of the model on show, the first that can be read. */
export function firstOf(all, run, model) {
  const readable = all.filter((one) => one.readable && one.epochs);
  const best = [(one) => one.live, (one) => model && one.model === model, () => true].map((fits) => readable.find(fits));
  return (all.find((one) => one.key === run) ?? best.find(Boolean) ?? all[0])?.key;
}

/** What the table shows first: where there is no lens, the likeness to the last epoch. */
export const firstMeasure = (history) =>
  history.epochs.length && history.epochs.every((row) => row.layers.every(({ agreement }) => agreement === null))
    ? "cka_to_last"
    : "agreement";

/** [low, high] of the colours of a measure over the whole recording. */
export function scaleOf(history, measure) {
  const { low, high } = MEASURES[measure];
  const values = history.epochs
    .filter((row) => !(MEASURES[measure].lens && row.one_answer))
    .flatMap((row) => history.layers.map(({ name }) => numberOf(row, name, measure)))
    .filter((value) => value !== null);
  const ends = [low ?? Math.min(...values, high ?? 1), high ?? Math.max(...values, low ?? 0)];
  return ends[1] > ends[0] ? ends : [ends[0] - 0.01, ends[1] + (ends[1] === ends[0] ? 0.01 : 0)];
}

/** 0.973 as a measure writes it: "97" for per cent, else with its digits. */
export function written(value, measure) {
  if (value === null || value === undefined) return "–";
  const { digits } = MEASURES[measure];
  return digits === "percent" ? String(Math.round(100 * value)) : figure(value, digits);
}

/** A number with `digits` decimals and a true minus sign. */
export const figure = (value, digits) =>
  value
    .toFixed(digits)
    .replace(/^-(0(\.0+)?)$/, "$1")
    .replace("-", "\u2212");

export const percent = (value) =>
  value === null || value === undefined ? "–" : `${figure(100 * value, value > 0.995 && value < 1 ? 1 : 0)} %`;

/** A layer as it is spoken of; in a plain sequence it has a number for a name. */
export const spoken = (name) => (/^[\d.]+$/.test(name) ? `layer ${name}` : name);

/** Name of the place where answers settle: a layer, or the network's own answer. */
export const depthName = (history, depth) => (history.layers[depth] ? spoken(history.layers[depth].name) : "the answer itself");

/** Where the answers of an epoch settle, null where nothing is decided yet or nothing was measured. */
export const settledAt = (history, row) => (row.one_answer || !row.decision_depth ? null : depthName(history, row.decision_depth.p95));

/** One sentence on when the network decides, at the chosen epoch and after it. */
export function sentence(history, at) {
  const row = history.epochs[at];
  if (!row) return "Nothing is recorded yet.";
  if (row.note) return row.note;
  if (row.one_answer) return `At epoch ${row.epoch} at least 95 % of the inputs get the same answer: nothing is decided yet.`;
  const here = settledAt(history, row);
  if (here === null) return "The lens could not be fitted at this epoch.";
  const later = history.epochs.slice(at + 1).map((other) => settledAt(history, other));
  const usual = mostCommon(later.filter((name) => name !== null));
  if (usual === null) return `At epoch ${row.epoch}, the last, the answers settle at ${here}.`;
  if (usual === here) return `At epoch ${row.epoch} the answers settle at ${here}, and mostly stay there.`;
  return `At epoch ${row.epoch} the answers settle at ${here}; from epoch ${history.epochs[at + 1].epoch} on mostly at ${usual}.`;
}

function mostCommon(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** What is said of one cell of the table epoch x layer. */
export function cellWords(history, at, layer) {
  const row = history.epochs[at];
  const found = row?.layers.find(({ name }) => name === layer);
  if (!row || !found) return "";
  const parts = [`${spoken(layer)}, epoch ${row.epoch}`];
  if (row.note) parts.push(row.note);
  if (row.one_answer) parts.push("at least 95 % of the inputs get one answer");
  if (found.agreement !== null) parts.push(`lens agrees with the network on ${percent(found.agreement)}`);
  if (found.trusted === false) parts.push("no better than naming the most frequent class");
  if (found.settled !== null) parts.push(`${percent(found.settled)} settled`);
  if (found.r2 !== null) parts.push(`R² ${figure(found.r2, 2)}`);
  if (found.cka_to_last !== null) parts.push(`likeness to the last epoch ${figure(found.cka_to_last, 2)}`);
  if (found.kendall_tau !== null) parts.push(`tau ${figure(found.kendall_tau, 2)}`);
  if (found.redundancy !== null) parts.push(`mean |r| ${figure(found.redundancy, 2)}`);
  if (found.effective_dimension !== null) parts.push(`effective dimension ${figure(found.effective_dimension, 1)}`);
  parts.push(found.dead.length ? `${found.dead.length} dead (${shortList(found.dead)})` : "no dead filter");
  return parts.join(" · ");
}

const shortList = (numbers) => (numbers.length > 6 ? `${numbers.slice(0, 6).join(", ")}, …` : numbers.join(", "));

/** At most `most` layers for lines: the first, the last and evenly between. */
export function lineLayers(history, most = 8) {
  const names = history.layers.map(({ name }) => name);
  if (names.length <= most) return names;
  const places = new Set(Array.from({ length: most }, (_, i) => Math.round((i * (names.length - 1)) / (most - 1))));
  return names.filter((_, place) => places.has(place));
}

/** At most `most` epochs for columns: numbers of rows, the first, the last and evenly between. */
export function columns(count, most) {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return [...new Set(Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1))))];
}

/** Lines of a measure, one per layer. */
export const lines = (history, measure) =>
  lineLayers(history).map((name) => ({ name, values: history.epochs.map((row) => numberOf(row, name, measure)) }));

/** Rows of the card: [label, at this epoch, at the last]. The layer in question is the one where the last epoch settles. */
export function compared(history, at) {
  const [row, last] = [history.epochs[at], history.epochs[history.epochs.length - 1]];
  if (!row) return [];
  const first = history.layers[0]?.name ?? "";
  const depth = last.decision_depth?.p95 ?? history.layers.length - 1;
  const deciding = history.layers[Math.min(depth, history.layers.length - 1)]?.name ?? "";
  const of = (layer, measure, digits) =>
    [row, last].map((epoch) => {
      const value = MEASURES[measure].lens && epoch.one_answer ? null : numberOf(epoch, layer, measure);
      return value === null ? "–" : digits === "percent" ? percent(value) : figure(value, digits);
    });
  const dead = [row, last].map((epoch) => {
    const counts = history.layers.map(({ name }) => numberOf(epoch, name, "dead"));
    return counts.every((count) => count === null) ? "–" : String(counts.reduce((sum, count) => sum + (count ?? 0), 0));
  });
  const told = [row, last].map((epoch) => percent(epoch.accuracy));
  const lost = [row, last].map((epoch) => (epoch.loss === null ? "–" : figure(epoch.loss, 3)));
  return [
    ...(told.some((text) => text !== "–") ? [["Right answers", ...told]] : []),
    ...(lost.some((text) => text !== "–") ? [["Loss", ...lost]] : []),
    ["Settled at", ...[row, last].map((epoch) => settledAt(history, epoch) ?? "not yet")],
    [`Lens agrees, ${spoken(first)}`, ...of(first, "agreement", "percent")],
    [`Likeness, ${spoken(deciding)}`, ...of(deciding, "cka_to_last", 2)],
    ["Dead filters", ...dead],
    [`Kendall tau, ${spoken(deciding)}`, ...of(deciding, "kendall_tau", 2)],
  ];
}

/** Round steps for an axis from low to high: [values]. whole: of things that are counted. */
export function ticks(low, high, most = 5, whole = false) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = whole ? Math.max(1, span / most) : span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((size) => span / size <= most + 1e-9) ?? 10 * power;
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step)
    found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  return found;
}

/** Places for labels that want to stand at `wanted`, at least `gap` apart, inside 0..height; in the same order. */
export function spread(wanted, gap, height) {
  const order = wanted.map((y, i) => ({ y, i })).sort((a, b) => a.y - b.y || a.i - b.i);
  let free = -Infinity;
  for (const label of order) {
    label.y = Math.max(label.y, free);
    free = label.y + gap;
  }
  let room = height;
  for (const label of [...order].reverse()) {
    label.y = Math.min(label.y, room);
    room = label.y - gap;
  }
  const places = new Array(wanted.length);
  for (const { y, i } of order) places[i] = y;
  return places;
}
