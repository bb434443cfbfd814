/* The theme's colours, for drawing on a canvas. */
import { on } from "../core/bus.mjs";

const FALLBACK = { card: "#ffffff", line: "#e2e5e9", ink: "#16191d", muted: "#5c6670", accent: "#2456a6" };
let colours = null;
on("theme", () => {
  colours = null;
});

/** {card, line, ink, muted, accent, font} of the present theme. */
export function themeColours() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    colours = { font: style.getPropertyValue("--ev-font").trim() || "sans-serif" };
    for (const [name, value] of Object.entries(FALLBACK)) colours[name] = style.getPropertyValue(`--ev-${name}`).trim() || value;
  }
  return colours;
}

/** Colours of a light page, for pictures that leave it. */
export const paperColours = () => ({ ...FALLBACK, font: themeColours().font });
