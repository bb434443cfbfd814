/* Which finished maps were made under other conditions than the controls now show. Pure: nothing is computed again by itself. */

/** A seed as it is sent in a request. */
export const seedOf = (value) => (Number.isInteger(value) && value >= 0 && value < 2 ** 31 ? value : 0);

/** Structural equality of JSON values. */
export function equal(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => equal(a[key], b[key]));
}

/** The class that Run would explain now: the chosen one, if chosen for this input and model; else the predicted one. */
export function wantedTarget({ prediction, classes }, target) {
  const same = target && target.input === prediction.input && (target.model == null || target.model === prediction.model);
  return same && Number.isInteger(target.target) && target.target >= 0 && target.target < classes ? target.target : prediction.top;
}

/** Whether a run differs from what Run would ask for now. wanted: {target, seed, layer, params of its method}. */
export function isStale(run, { target, seed, layer, params }) {
  if (!run?.request) return false;
  const { request } = run;
  const now = { target, seed, params };
  const then = { target: request.target, seed: request.seed, params: request.params };
  return !equal(now, then) || (request.layer != null && request.layer !== layer);
}

/** Clientside callback: "1" on every panel whose map is stale, and one sentence about how many there are. */
export function stale(runs, _children, answer, target, params, layer, seed, ids) {
  if (!answer || !runs) return [ids.map(() => "0"), ""];
  const wanted = { target: wantedTarget(answer, target), seed: seedOf(seed), layer };
  const flags = ids.map(({ method }) => (isStale(runs.runs[method], { ...wanted, params: params?.[method] || {} }) ? "1" : "0"));
  const changed = flags.filter((flag) => flag === "1").length;
  return [flags, changed ? `${changed} ${changed === 1 ? "map was" : "maps were"} made with other settings: press Run.` : ""];
}
