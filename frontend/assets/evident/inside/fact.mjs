import { el } from "../core/elements.mjs";

/** One line of a list of facts. */
export const fact = (name, ...value) => el("div.ev-inside-fact", {}, el("span", {}, name), el("span", {}, ...value));
