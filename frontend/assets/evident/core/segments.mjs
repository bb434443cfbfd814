/* A segmented choice. */
import { el } from "./elements.mjs";

/**
 * A choice of a few.
 * @param {string} label
 * @param {string[][]} options [value, text, title]
 * @param {string} value
 * @param {(value: string) => void} onChoose
 */
export function segments(label, options, value, onChoose) {
  const buttons = options.map(([key, text, title]) =>
    el("button", { type: "button", title, onclick: () => onChoose(key), "data-key": key }, text),
  );
  const node = el("div.ev-segments", { role: "group", "aria-label": label }, ...buttons);
  const set = (chosen) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.key === chosen));
  };
  set(value);
  return { node, set };
}
