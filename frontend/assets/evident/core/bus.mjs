/* Who tells whom: named events, and one animation frame for everybody. */

/** @type {Map<string, Set<(detail?: any) => void>>} */
const listeners = new Map();

/**
 * Calls fn(detail) on every emit of `name`; returns the function that ends it.
 * @param {string} name
 * @param {(detail?: any) => void} fn
 */
export function on(name, fn) {
  const told = listeners.get(name) ?? new Set();
  listeners.set(name, told.add(fn));
  return () => told.delete(fn);
}

/**
 * @param {string} name
 * @param {any} [detail]
 */
export function emit(name, detail) {
  for (const fn of [...(listeners.get(name) || [])]) fn(detail);
}

/** @type {Map<unknown, () => void>} */
const due = new Map();

/**
 * Runs fn once in the next animation frame; a later call with the same key replaces it, so one frame does each thing once.
 * @param {unknown} key
 * @param {() => void} fn
 */
export function nextFrame(key, fn) {
  if (due.size === 0) requestAnimationFrame(runDue);
  due.set(key, fn);
}

function runDue() {
  const jobs = [...due.values()];
  due.clear();
  for (const job of jobs) job();
}
