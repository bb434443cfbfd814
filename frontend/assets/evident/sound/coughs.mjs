/* The scores cough by cough: a press on one (it holds data-start and data-end in seconds) marks it in the recording and plays it alone, a
   second press ends that. */
import { emit, on } from "../core/bus.mjs";

/** @type {() => NodeListOf<HTMLElement>} */
const buttons = () => document.querySelectorAll("button.ev-cough-score");

function press(event) {
  const button = event.target instanceof Element && event.target.closest("button.ev-cough-score");
  if (!button) return;
  const { start, end } = button.dataset;
  emit("hear", button.getAttribute("aria-pressed") === "true" ? null : [Number(start), Number(end)]);
}

/** @param {[number, number] | null} part the one that plays */
function mark(part) {
  for (const button of buttons()) button.setAttribute("aria-pressed", String(Number(button.dataset.start) === part?.[0]));
}

/** Called once, by main.mjs. */
export function listenForCoughs() {
  document.addEventListener("click", press);
  on("heard", mark);
}
