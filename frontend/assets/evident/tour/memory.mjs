/* Where somebody is in the tour, remembered by this browser; where storage is closed, until the page is left. */
import { emit } from "../core/bus.mjs";
import { parseJson } from "../core/elements.mjs";

const KEY = "evident-tour";

/**
 * step: number of the step it stands on · open: the card shows · done: keys of the steps that were done · noted: what a step noted of its beginning
 * @typedef {{step: number, open: boolean, done: string[], noted: {[key: string]: import("./steps.mjs").Noted}}} Memory
 * @type {Memory}
 */
const NEW = { step: 0, open: false, done: [], noted: {} };

/** @type {Memory} */
let memory = NEW;
try {
  memory = { ...NEW, ...parseJson(window.localStorage.getItem(KEY) ?? "", {}) };
} catch {
  // not remembered
}

export const recall = () => memory;

/** @param {Partial<Memory>} change */
export function remember(change) {
  memory = { ...memory, ...change };
  try {
    window.localStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // not remembered
  }
  emit("tour");
}

export const forget = () => remember(NEW);
