/* What is to be measured: from the address, into the address, and as a request. Pure. */
import { parseJson } from "../core/elements.mjs";

/**
 * @typedef {{model: string, set: string | null, count: number | null, inputs: string[], methods: string[], metrics: string[], settings: {[metric: string]: object},
 *   names: {[id: string]: string}, labels: {[id: string]: string}, target: string | number, seed: number, study: string | null, cell: string | null, sort: string | null, bench: string | null, subject: string | null}} Choice
 *   set: key of a bundled set, null where the inputs are a person's own. names, labels: of own inputs, their files and true classes; not in the address, a study keeps them. count: its first ones, null for all. settings: parameters of metrics that are not
 *   their own defaults. target: the class that is explained, "predicted", "label" (the true one) or a number. cell: `method:metric` that is open. sort: metric that orders the rows. bench: the fusion bench as set, null where it is closed; subject: its input.
 */

const whole = (text) => (/^[1-9]\d{0,5}$/.test(text ?? "") ? Number(text) : null);
const READ = /** @type {const} */ (["predicted", "label"]);
const listed = (text) => (text ? [...new Set(text.split(",").filter(Boolean))] : []);

/** @returns {{[name: string]: object}} what of it are objects by name */
const objects = (value) => Object.fromEntries(Object.entries(value ?? {}).filter(([, each]) => each && typeof each === "object"));

/** @param {string | undefined} text */
const targetOf = (text) => (/^\d{1,6}$/.test(text ?? "") ? Number(text) : (READ.find((each) => each === text) ?? "predicted"));

/** @returns {Choice} what the address says; [] and null where it says nothing. */
export function fromQuery(query) {
  const seed = Number(query.seed);
  return {
    model: query.model ?? "",
    set: query.set || null,
    count: query.set ? whole(query.count) : null,
    inputs: listed(query.inputs),
    names: {},
    labels: {},
    methods: listed(query.methods),
    metrics: listed(query.metrics),
    settings: objects(parseJson(query.settings, {})),
    target: targetOf(query.target),
    seed: Number.isInteger(seed) && seed > 0 && seed < 2 ** 31 ? seed : 0,
    study: query.study || null,
    cell: query.cell || null,
    sort: query.sort || null,
    bench: query.bench || null,
    subject: query.subject || null,
  };
}

/** @param {Choice} choice @returns {{[name: string]: string}} its address, without what is not said. */
export function toQuery(choice) {
  /** @type {{[name: string]: string}} */
  const out = {};
  for (const name of /** @type {const} */ (["model", "set", "study", "cell", "sort", "bench", "subject"])) {
    const value = choice[name];
    if (value) out[name] = value;
  }
  for (const name of /** @type {const} */ (["inputs", "methods", "metrics"])) if (choice[name].length) out[name] = choice[name].join(",");
  if (Object.keys(choice.settings).length) out.settings = JSON.stringify(choice.settings);
  if (choice.target !== "predicted") out.target = String(choice.target);
  if (choice.set && choice.count) out.count = String(choice.count);
  if (choice.seed) out.seed = String(choice.seed);
  return out;
}

/** @param {Choice} choice the body of POST /evaluations. */
export function requestOf({ model, set, count, inputs, names, labels, methods, metrics, settings, target, seed }) {
  const subject = set ? { set, ...(count ? { count } : {}) } : { inputs, names: only(names, inputs), labels: only(labels, inputs) };
  const metric_params = Object.fromEntries(metrics.filter((key) => settings[key]).map((key) => [key, settings[key]]));
  return { model, ...subject, methods, metrics, metric_params, target, seed };
}

/** A choice that asks for what a study asked for. @param {Choice} choice @returns {Choice} */
export function ofStudy(choice, { id, request }) {
  const { model, set = null, count = null, names = {}, labels = {}, methods, metrics } = request;
  const { metric_params = {}, target = "predicted", seed = 0 } = request;
  return {
    ...choice,
    model,
    set,
    count,
    inputs: request.inputs ?? [],
    names,
    labels,
    methods,
    metrics,
    settings: metric_params,
    target,
    seed,
    study: id,
  };
}

/**
 * A choice as a study with a name would have it, on the inputs chosen.
 * @param {Choice} choice
 * @param {{methods: string[], metrics: string[], metric_params: {[metric: string]: object}}} preset
 * @param {{fits: {[method: string]: {ok: boolean}}, measurable: (metric: string) => boolean, labelled: boolean}} there
 * @returns {Choice}
 */
export function ofPreset(choice, { methods, metrics, metric_params }, { fits, measurable, labelled }) {
  return {
    ...choice,
    methods: methods.filter((key) => fits[key]?.ok),
    metrics: metrics.filter(measurable),
    settings: metric_params,
    target: labelled ? "label" : "predicted",
  };
}

/** @param {{[id: string]: string}} told @param {string[]} ids */
const only = (told, ids) => Object.fromEntries(ids.filter((id) => told[id]).map((id) => [id, told[id]]));

/** The class of a network that a text names, capitals aside; "" for none. @param {string} text @param {string[]} classes */
export function classNamed(text, classes) {
  const wanted = text.trim().toLowerCase();
  return (wanted && classes.find((name) => name.toLowerCase() === wanted)) || "";
}

const sameLabels = (a, b, ids) => ids.every((id) => (a[id] ?? "") === (b[id] ?? ""));

export const sameSet = (a, b) => a.length === b.length && a.every((item) => b.includes(item));

/** @param {{[metric: string]: object}} a @param {{[metric: string]: object}} b */
function sameSettings(a, b) {
  const names = Object.keys(a);
  const same = (one, other) => Object.keys(one).every((name) => one[name] === other?.[name]);
  return sameSet(names, Object.keys(b)) && names.every((name) => same(a[name], b[name]) && same(b[name], a[name]));
}

/** Whether a study answers another question than the choice asks. @param {Choice} choice */
export function differs(choice, request) {
  const other = ofStudy(choice, { id: choice.study, request });
  return !(
    choice.model === other.model &&
    choice.set === other.set &&
    choice.count === other.count &&
    (choice.set !== null || (sameSet(choice.inputs, other.inputs) && sameLabels(choice.labels, other.labels, choice.inputs))) &&
    sameSet(choice.methods, other.methods) &&
    sameSet(choice.metrics, other.metrics) &&
    sameSettings(requestOf(choice).metric_params, requestOf(other).metric_params) &&
    choice.target === other.target &&
    choice.seed === other.seed
  );
}

/** Why nothing can be run yet; "" where it can. @param {Choice} choice */
export function missing({ model, set, inputs, methods, metrics }) {
  if (!model) return "Choose a model.";
  if (!set && !inputs.length) return "Choose inputs.";
  if (!methods.length) return "Choose a method.";
  return metrics.length ? "" : "Choose a metric.";
}

/**
 * The methods of the address that there are; without any, those that are on at first and fit the model.
 * @param {string[]} wanted
 * @param {any[]} methods
 * @param {{[key: string]: {ok: boolean}}} fits
 */
export function methodsFor(wanted, methods, fits) {
  const fitting = methods.filter(({ key }) => fits[key]?.ok).map(({ key }) => key);
  const kept = fitting.filter((key) => wanted.includes(key));
  const usual = methods.filter(({ key, default_on }) => default_on && fitting.includes(key)).map(({ key }) => key);
  return kept.length ? kept : usual;
}

/** The metrics of the address that there are; without any, those that are on at first. */
export function metricsFor(wanted, metrics) {
  const kept = metrics.filter(({ key }) => wanted.includes(key)).map(({ key }) => key);
  return kept.length ? kept : metrics.filter(({ default_on }) => default_on).map(({ key }) => key);
}

/** Metrics that need no further explanations: a first look takes seconds. */
export const quick = (metrics) => metrics.filter(({ needs, default_on }) => default_on && !needs.includes("explain")).map(({ key }) => key);

/** In or out. @param {string[]} list @returns {string[]} */
export const toggled = (list, key, order) =>
  list.includes(key) ? list.filter((other) => other !== key) : order.filter((other) => other === key || list.includes(other));
