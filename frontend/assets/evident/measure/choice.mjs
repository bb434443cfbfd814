/* What is to be measured: from the address, into the address, and as a request. Pure. */

/**
 * @typedef {{model: string, set: string | null, count: number | null, inputs: string[], methods: string[], metrics: string[], seed: number, study: string | null,
 *   cell: string | null, sort: string | null, bench: string | null, subject: string | null}} Choice set: key of a bundled set, null where the inputs are a person's own.
 *   count: its first ones, null for all. cell:
 *   `method:metric` that is open. sort: metric that orders the rows. bench: the fusion bench as set, null where it is closed; subject: its input.
 */

const whole = (text) => (/^[1-9]\d{0,5}$/.test(text ?? "") ? Number(text) : null);
const listed = (text) => (text ? [...new Set(text.split(",").filter(Boolean))] : []);

/** @returns {Choice} what the address says; [] and null where it says nothing. */
export function fromQuery(query) {
  const seed = Number(query.seed);
  return {
    model: query.model ?? "",
    set: query.set || null,
    count: query.set ? whole(query.count) : null,
    inputs: listed(query.inputs),
    methods: listed(query.methods),
    metrics: listed(query.metrics),
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
  if (choice.set && choice.count) out.count = String(choice.count);
  if (choice.seed) out.seed = String(choice.seed);
  return out;
}

/** @param {Choice} choice the body of POST /evaluations. */
export function requestOf({ model, set, count, inputs, methods, metrics, seed }) {
  return { model, ...(set ? { set, ...(count ? { count } : {}) } : { inputs }), methods, metrics, seed };
}

/** A choice that asks for what a study asked for. @param {Choice} choice @returns {Choice} */
export function ofStudy(choice, { id, request }) {
  const { model, set, count, inputs, methods, metrics, seed } = request;
  return { ...choice, model, set: set ?? null, count: count ?? null, inputs: inputs ?? [], methods, metrics, seed: seed ?? 0, study: id };
}

const sameSet = (a, b) => a.length === b.length && a.every((item) => b.includes(item));

/** Whether a study answers another question than the choice asks. @param {Choice} choice */
export function differs(choice, request) {
  const other = ofStudy(choice, { id: choice.study, request });
  return !(
    choice.model === other.model &&
    choice.set === other.set &&
    choice.count === other.count &&
    (choice.set !== null || sameSet(choice.inputs, other.inputs)) &&
    sameSet(choice.methods, other.methods) &&
    sameSet(choice.metrics, other.metrics) &&
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
