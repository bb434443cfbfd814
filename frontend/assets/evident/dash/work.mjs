/* What is worked on travels through the pages: the links of the navigation hold the input, the model and the class, and what else
   their page was set to. Kept for this tab only. */
import { parseJson } from "../core/elements.mjs";
import { equal } from "./stale.mjs";
import { tellDash } from "./tell.mjs";

const KEY = "evident-work";

/**
 * @typedef {{input: string, model: string, target: string | null}} Subject target: null for the predicted class.
 * @typedef {{query: string, subject: Subject | null}} Place how a page was left
 * @typedef {{subject?: Subject, places: {[page: string]: Place}}} Work
 */

/** @type {Work} */
let work = { places: {} };
try {
  work = parseJson(window.sessionStorage.getItem(KEY) ?? "", work);
} catch {
  // Storage may be closed to us: the work then travels until the page is reloaded.
}

/** What stays of a page's address with another input; with another model too. */
const STAYS = {
  "/cases": { input: [], model: [] },
  "/": { input: ["layer", "params", "beside", "paired"], model: ["methods", "seed", "look", "evidence"] },
  "/concepts": { input: ["concepts", "layers", "negatives"], model: [] },
  "/inside": { input: ["layer", "filter"], model: [] },
  "/measure": { input: ["set", "count", "inputs", "methods", "metrics", "study"], model: [] },
};

/**
 * The query with which a page shows a subject: its own where it is about that already. Pure.
 * @param {string} page
 * @param {Subject | undefined} subject
 * @param {Place | undefined} own
 */
export function queryFor(page, subject, own) {
  const stays = STAYS[page];
  if (!stays) return "";
  // a list of cases is about itself, whatever is open on other pages
  if (page === "/cases") return own?.query ?? "";
  if (!subject || equal(own?.subject, subject)) return own?.query ?? "";
  const query = new URLSearchParams({ model: subject.model, input: subject.input });
  if (subject.target) query.set(page === "/" ? "target" : "class", subject.target);
  const old = new URLSearchParams(own?.query);
  for (const name of [...stays.model, ...(own?.subject?.model === subject.model ? stays.input : [])]) {
    const value = old.get(name);
    if (value !== null) query.set(name, value);
  }
  return query.toString();
}

/**
 * Where a link of the navigation leads.
 * @param {string} page
 */
export function linkTo(page) {
  const query = queryFor(page, work.subject, work.places[page]);
  return query ? `${page}?${query}` : page;
}

/** What is worked on, wherever it was chosen. */
export const subjectOfWork = () => work.subject ?? null;

/**
 * The query of a link that names a model only, with the open input to be taken along if the model takes such inputs.
 * @param {string} query
 */
export function withInput(query) {
  const parts = new URLSearchParams(query);
  const model = parts.get("model");
  if (!model || parts.has("input") || !work.subject) return query;
  const { input } = work.subject;
  const full = new URLSearchParams(queryFor("/", { input, model, target: null }, work.places["/"]));
  full.delete("input");
  full.set("along", input);
  return full.toString();
}

/**
 * How a page is left now. Closing the input on Compare puts the work away.
 * @param {string} page
 * @param {string} query
 * @param {Subject | null} subject
 */
export function keepWork(page, query, subject) {
  if (subject) work = { subject, places: { ...work.places, [page]: { query, subject } } };
  else if (page === "/cases") work = { ...work, places: { ...work.places, [page]: { query, subject: null } } };
  else if (page === "/") work = { places: {} };
  else return;
  try {
    window.sessionStorage.setItem(KEY, JSON.stringify(work));
  } catch {
    // not kept
  }
  for (const path of Object.keys(STAYS)) tellDash({ type: "nav", path }, { href: linkTo(path) });
}
