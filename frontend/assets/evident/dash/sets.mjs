/* Buttons that put something into a store (frontend/ui/common.py, sets): at once, whatever callbacks of Dash are under way. */
import { parseJson } from "../core/elements.mjs";
import { tellDash } from "./tell.mjs";

/** `at` makes a second press of the same button another value. */
function press({ target }) {
  const button = target instanceof Element ? target.closest("[data-sets]") : null;
  if (!(button instanceof HTMLElement)) return;
  tellDash(button.dataset.sets, { data: { ...parseJson(button.dataset.value, {}), at: Date.now() } });
}

/** Called once, by main.mjs. */
export const listenForSets = () => document.addEventListener("click", press);
