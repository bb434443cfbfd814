/* What the fusion bench offers, asks for and compares. Pure. */
import { figure } from "./reading.mjs";

const FUSION = "fusion";
/** Steps of a slider from end to end, at most. */
const STEPS = 60;

/** The method whose map is made of others. */
export const fusionOf = (methods) => methods.find(({ family }) => family === FUSION);

/** 1, 2 or 5 x 10^k, the smallest that is not below x. */
function roundStep(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return Number(([1, 2, 5].map((step) => step * power).find((step) => step >= x * 0.999) ?? 10 * power).toPrecision(1));
}

const sentence = (key) => {
  const text = String(key).replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/**
 * The controls of a method's parameters: what has both bounds is a slider, what has a list a choice, what is true or false a box. The rest
 * stays as it is by default.
 * @param {any} schema JSON schema of the parameters
 * @param {{[name: string]: any}} [defaults] of the model, over those of the schema
 */
export function controlsOf(schema, defaults = {}) {
  return Object.entries(schema?.properties ?? {}).flatMap(([name, own]) => {
    const part = own.$ref ? { ...schema.$defs?.[own.$ref.split("/").pop()], ...own } : own;
    const about = { name, title: part.title ?? sentence(name), note: part.description ?? "", value: defaults[name] ?? part.default };
    if (part.enum) return [{ ...about, kind: "choice", options: part.enum.map((key) => ({ key, title: sentence(key) })) }];
    if (part.type === "boolean") return [{ ...about, kind: "box" }];
    const { type, minimum: low, maximum: high } = part;
    if (!["number", "integer"].includes(type) || low === undefined || high === undefined) return [];
    const step = roundStep((high - low) / STEPS);
    return [{ ...about, kind: "slider", low, high, step: type === "integer" ? Math.max(1, step) : step }];
  });
}

/** The parameters that differ from the default, in the order of the controls. */
export const changed = (controls, values) =>
  Object.fromEntries(
    controls.filter(({ name, value }) => name in values && values[name] !== value).map(({ name }) => [name, values[name]]),
  );

/**
 * "tau:0.3,sigma:2" as values of the controls; what is no control or out of its bounds is left out.
 * @param {string | null} text
 */
export function fromText(text, controls) {
  const pairs = new Map((text ?? "").split(",").map((pair) => /** @type {[string, string]} */ (pair.split(":").slice(0, 2))));
  return Object.fromEntries(
    controls.flatMap(({ name, kind, low, high, options }) => {
      const said = pairs.get(name);
      if (said === undefined || said === "") return [];
      if (kind === "choice") return options.some(({ key }) => key === said) ? [[name, said]] : [];
      if (kind === "box") return ["true", "false"].includes(said) ? [[name, said === "true"]] : [];
      const value = Number(said);
      return value >= low && value <= high ? [[name, value]] : [];
    }),
  );
}

/** Values for the address; "default" where nothing is changed. */
export const toText = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name}:${value}`)
    .join(",") || "default";

/** The methods that a fused map is made of: stages of its record that are methods of their own. */
export const parentsOf = (stages, methods) =>
  methods.filter(({ key, family }) => family !== FUSION && stages.some(({ name }) => name === key));

/** Area under a curve by trapezoids. @returns {number | null} */
export function areaUnder(x, y) {
  if (!x || !y || x.length < 2 || x.length !== y.length) return null;
  let area = 0;
  for (let i = 1; i < x.length; i += 1) area += ((x[i] - x[i - 1]) * (y[i] + y[i - 1])) / 2;
  return area;
}

/**
 * What the checks of a map say in numbers: the areas under its curves, then its figures.
 * @param {any} checks result of the checks; null before there is one
 * @returns {Map<string, number | null>}
 */
export function numbersOf(checks) {
  const curves = checks?.curves;
  const out = new Map(CURVES.map(({ key }) => [key, curves ? areaUnder(curves.x, curves[key]) : null]));
  for (const { key, value } of checks?.figures ?? []) out.set(key, value);
  return out;
}

/** Their titles: maps that look at nothing, and what they get where a known region is ranked. */
export const CONTROLS = { centre_blob: "Centre blob", uniform: "Uniform" };

/**
 * Rows of the maps that look at nothing, beside which a number on a known region is read; none where no region is known.
 * @param {any} checks of any map of the input
 */
export function controlRows(checks) {
  const ranked = (checks?.figures ?? []).filter(({ controls }) => Object.keys(controls ?? {}).length);
  if (!ranked.length) return [];
  return Object.entries(CONTROLS).map(([control, title]) => {
    const figures = ranked.map(({ key, title: name, controls }) => ({ key, title: name, value: controls[control] ?? null }));
    return { title, kind: "control", checks: { figures }, note: "" };
  });
}

/** The curves of the checks, and what is better for the area under them. */
export const CURVES = [
  { key: "deletion", title: "Deletion", better: "lower", note: "strongest cells replaced first" },
  { key: "insertion", title: "Insertion", better: "higher", note: "strongest cells put back first" },
];

/**
 * The columns of the numbers: curves, then the figures that any of the checks has.
 * @param {any[]} all results of checks
 * @param {any[]} metrics of the catalogue
 */
export function columnsOf(all, metrics) {
  const figures = new Map(all.flatMap((checks) => checks?.figures ?? []).map(({ key, title }) => [key, title]));
  const known = [...figures].map(([key, title]) => {
    const metric = metrics.find((each) => each.key === key);
    return { key, title: metric?.title ?? title, better: metric?.better ?? "higher", note: metric?.summary ?? "" };
  });
  return [...CURVES, ...known];
}

/** What the numbers of a column are written on: from 0 to the largest, to 1 at least. @param {(number | null | undefined)[]} values */
export const scaleOf = (values) => ({ low: 0, high: Math.max(1, ...values.map((value) => Math.abs(value ?? 0))) });

/**
 * A number against that of the default, both as they are written; null where there is none to tell.
 * @returns {{diff: number, state: "better" | "worse" | "same"} | null}
 */
export function against(value, standard, better, scale = { low: 0, high: 1 }) {
  if (typeof value !== "number" || typeof standard !== "number") return null;
  const [own, other] = [value, standard].map((each) => Number(figure(each, scale).replace("\u2212", "-")));
  const diff = own - other;
  if (diff === 0) return { diff, state: "same" };
  return { diff, state: diff > 0 === (better === "higher") ? "better" : "worse" };
}
