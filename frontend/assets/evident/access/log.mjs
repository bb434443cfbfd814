/* Words of the audit log. Pure. */

/** @type {{[thing: string]: string}} */
const VERBS = {
  upload: "uploaded",
  delete: "deleted",
  expire: "deleted in time",
  create: "made",
  make: "made",
  change: "changed",
  start: "asked for",
  stop: "stopped",
  fetch: "fetched",
  open: "signed in",
  close: "signed out",
  refused: "sign-in refused",
  add: "added",
  remove: "removed",
  role: "given another role",
  activate: "let in again",
  deactivate: "let in no longer",
  sign_out: "signed out everywhere",
  password: "given another password",
  record: "recorded",
  reveal: "uncovered",
  rename: "renamed",
};

/** @type {{[thing: string]: string}} */
const THINGS = {
  whatif: "what-if",
  spot: "filters at a spot",
  maximisation: "made-up input",
  similar: "similar cases",
  stress: "everyday changes",
  checks: "checks of a map",
  sanity: "check of a method",
  lens: "layer by layer",
  internals: "filters of a layer",
  verification: "check of a report",
  fetch: "published network",
};

/**
 * "input.delete" in words; an action that is not known here as it is.
 * @param {string} action
 */
export function deed(action) {
  const [thing, verb] = action.split(".");
  const word = VERBS[verb];
  if (!word) return action;
  return thing === "session" ? word : `${THINGS[thing] ?? thing.replaceAll("_", " ")} ${word}`;
}

/**
 * The facts of an entry on one line.
 * @param {{[name: string]: unknown}} known
 */
export function facts(known) {
  const told = Object.entries(known).filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0));
  return told.map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(", ") : value}`).join(" · ");
}

/**
 * What is set, as a query.
 * @param {{[name: string]: string | number}} values
 */
export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== "");
  return new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
}

/**
 * A time of the log where the reader is, sortable: 2026-11-22 14:02:10.
 * @param {number} seconds Unix time
 */
export function moment(seconds) {
  const here = new Date(seconds * 1000);
  return new Date(here.getTime() - here.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace("T", " ");
}
