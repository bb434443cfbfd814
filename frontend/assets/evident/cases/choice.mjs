/* What the Cases page is asked to show, and its address. Pure. */

/**
 * @typedef {{list: string, case: string, step: number, state: string, verdict: string, search: string, low: string, high: string, sort: string}} Choice
 *   list, case: "" for none; step: 1..4; state: "", todo, judged or disagree; low, high: ends of a range of scores, "" for none
 */

export const STEPS = ["Listen", "Mark and judge", "See the model", "Agree or not"];
export const STATES = ["todo", "judged", "disagree"];
export const SORTS = { arrival: "arrival", name: "name", score: "score", verdict: "verdict" };

/** An end of a range of scores as it was typed: within 0 and 1, "" for none. @param {string | undefined} text */
export function scoreEnd(text) {
  const value = Number.parseFloat(text ?? "");
  return Number.isNaN(value) ? "" : String(Math.min(1, Math.max(0, value)));
}

/** Only cases with a score in a range are shown. @param {Choice} choice */
export const ranged = ({ low, high }) => low !== "" || high !== "";

/** @param {{[name: string]: string}} query @returns {Choice} */
export function fromQuery(query) {
  const step = Number(query.step);
  return {
    list: query.list ?? "",
    case: query.case ?? "",
    step: Number.isInteger(step) && step >= 1 && step <= STEPS.length ? step : 1,
    state: STATES.includes(query.state) ? query.state : "",
    verdict: query.verdict ?? "",
    search: query.search ?? "",
    low: scoreEnd(query.score_from),
    high: scoreEnd(query.score_to),
    sort: Object.hasOwn(SORTS, query.sort ?? "") ? query.sort : "arrival",
  };
}

/** What differs from the page's own beginning. @param {Choice} choice @returns {{[name: string]: string}} */
export function toQuery({ list, case: open, step, state, verdict, search, low, high, sort }) {
  /** @type {{[name: string]: string}} */
  const query = {};
  if (!list) return query;
  query.list = list;
  if (open) query.case = open;
  if (open && step > 1) query.step = String(step);
  if (state) query.state = state;
  if (verdict) query.verdict = verdict;
  if (search) query.search = search;
  if (low) query.score_from = low;
  if (high) query.score_to = high;
  if (sort !== "arrival") query.sort = sort;
  return query;
}

/** The query of GET /cases for a stretch of the list. @param {Choice} choice */
export function rowsQuery({ list, state, verdict, search, low, high, sort }, offset, limit) {
  const query = new URLSearchParams({ worklist: list, sort, offset: String(offset), limit: String(limit) });
  if (state) query.set("state", state);
  if (verdict) query.set("verdict", verdict);
  if (search) query.set("search", search);
  // "0.6 to 0.5" is the same range the other way round
  const [from, to] = low && high && Number(low) > Number(high) ? [high, low] : [low, high];
  if (from) query.set("score_from", from);
  if (to) query.set("score_to", to);
  return query.toString();
}

/** The list on show is another: another list, filter or order. @param {Choice} a @param {Choice} b */
export const otherRows = (a, b) => ["list", "state", "verdict", "search", "low", "high", "sort"].some((name) => a[name] !== b[name]);

/**
 * The farthest step that can be opened: in a blind list the model comes after one's own reading.
 * @param {{blind?: boolean, revealed?: boolean} | null} item
 */
export const farthest = (item) => (item && (!item.blind || item.revealed) ? 4 : 2);
