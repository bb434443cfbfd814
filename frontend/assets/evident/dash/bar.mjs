/* The address bar and the browser's Back and Forward. A choice of input, model or class is an entry of its own in the history;
   everything smaller (look, layer, ticks) changes the entry it belongs to. */
import { tellDash } from "./tell.mjs";
import { keepWork, withInput } from "./work.mjs";

/** Per page: what is built from an address, and the store that asks for it. */
const PAGES = {
  "/": { body: "compare-body", asks: "query-store" },
  "/concepts": { body: "concepts-body", asks: "concept-query" },
  "/inside": { body: "inside-body", asks: "inside-query" },
  "/measure": { body: "measure-body", asks: "measure-query" },
  "/cases": { body: "cases-body", asks: "cases-query" },
};

/** What the bar says of the page on show; null from the moment an address is asked for until the page is built from it. @type {string | null} */
let written = null;
/** The page has not written yet since it was built. */
let fresh = true;
/** Number of the address that was asked for by Back, Forward or a link; undefined where the page was opened at it. @type {number | undefined} */
let asked;
let count = 0;

/**
 * @param {string} query
 * @returns {{[name: string]: string}}
 */
const parts = (query) => Object.fromEntries(new URLSearchParams(query));
const inputs = (query) => (parts(query).input ?? parts(query).along ?? "").split(",").filter(Boolean);

/**
 * Whether a choice was made between two queries of a page: another input, model, class or second side. The class of Compare is the predicted one as
 * soon as that is known, and Concepts lets go of inputs that are gone: no choices. Pure.
 * @param {string} page
 * @param {string} before
 * @param {string} after
 */
export function isChoice(page, before, after) {
  const [old, now] = [parts(before), parts(after)];
  // the first case of a list, and a step of it, follow from the list; from one case or step to another is a choice
  if (page === "/cases")
    return ["list", "case", "step"].some((name) => (old[name] ?? "") !== (now[name] ?? "")) && Boolean(old.case || old.list !== now.list);
  const [had, has] = [inputs(before), inputs(after)];
  if (has.some((input) => !had.includes(input)) || (page === "/" && had.length > has.length)) return true;
  const other = (name) => Boolean(old[name] && now[name] && old[name] !== now[name]);
  if (page === "/" && old.beside !== now.beside) return true;
  return other("model") || other("target") || (page !== "/" && (old.class !== now.class || old.view !== now.view));
}

/**
 * Whether the page on show is the one that the bar asks for. It then says so itself, with the first word of the page.
 * @param {{asked?: number} | null | undefined} opened what the page on show was built from; null before it is
 * @param {boolean} full false where the input that the address names is gone
 */
export function arrive(opened, full = true) {
  if (written === null && opened && opened.asked === asked) {
    written = full ? window.location.search.slice(1) : "";
    fresh = true;
  }
  return written !== null;
}

/** Whether the page has written its full address since it was built. */
export const isSettled = () => written !== null && !fresh;

/**
 * Writes a query into the bar, keeps it as the work of this page; answers the full address.
 * @param {string} page
 * @param {string} query
 * @param {import("./work.mjs").Subject | null} subject
 * @param {{asked?: number} | null | undefined} opened
 */
export function publish(page, query, subject, opened) {
  const { location, history } = window;
  if (location.pathname !== page || !arrive(opened)) return location.href;
  const before = written ?? "";
  // Nothing is open: the address may name a model to begin with.
  if (!query && !inputs(before).length) return location.href;
  // What a link asked for and could not have is no choice: Back would lead to it again.
  const same = String(inputs(before)) === String(inputs(query));
  const pushed = isChoice(page, before, query) && !(fresh && same);
  const address = query ? `${page}?${query}` : page;
  if (address !== page + location.search) history[pushed ? "pushState" : "replaceState"]({}, "", address);
  [written, fresh] = [query, false];
  keepWork(page, query, subject);
  return location.origin + address;
}

/**
 * Another address of the page on show is shown by that page: Dash's own location does not know what was written into the bar.
 * A link to Compare with another model takes the open input along; Back does not.
 * @param {any} event a CustomEvent; detail: name of the browser's event
 */
export function follow(event) {
  const page = PAGES[window.location.pathname];
  const here = Boolean(page && document.getElementById(page.body));
  const query = window.location.search.slice(1);
  if (here) event.preventDefault();
  if (here && query === written) return;
  written = null;
  asked = here ? ++count : undefined;
  if (!here && page === PAGES["/"] && event.detail !== "popstate") {
    const full = withInput(query);
    if (full !== query) window.history.replaceState({}, "", `/?${full}`);
  }
  if (here) tellDash(page.asks, { data: { ...parts(query), asked } });
}

/** Heard before Dash's own location hears of it (assets/early/address.js). */
export const followAddress = () => document.addEventListener("another-address", follow);
