/* Who tells whom: named events, and one animation frame for everybody. */

const listeners = new Map();

/** Calls fn(detail) on every emit of `name`; returns the function that ends it. */
export function on(name, fn) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(fn);
  return () => listeners.get(name).delete(fn);
}

export function emit(name, detail) {
  for (const fn of [...(listeners.get(name) || [])]) fn(detail);
}

const due = new Map();

/** Runs fn once in the next animation frame; a later call with the same key replaces it, so one frame does each thing once. */
export function nextFrame(key, fn) {
  if (due.size === 0) requestAnimationFrame(runDue);
  due.set(key, fn);
}

function runDue() {
  const jobs = [...due.values()];
  due.clear();
  for (const job of jobs) job();
}
