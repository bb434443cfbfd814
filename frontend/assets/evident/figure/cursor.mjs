/* The crosshair that all figures share. */
import { emit, nextFrame } from "../core/bus.mjs";
import { viewState } from "../core/state.mjs";

/**
 * Moves the cursor of all figures, once per frame.
 * @param {Cursor | null} cursor
 * @param {import("./figure.mjs").Figure | null} from the figure that was pointed at
 */
export function pointAt(cursor, from = null) {
  viewState.cursor = cursor;
  if (from) viewState.pointed = from;
  nextFrame("cursor", () => emit("cursor", viewState.cursor));
}

/** Moves the cursor by cells of a figure's grid; dy < 0 is up on the screen. Starts in the middle. */
export function stepCursor(dx, dy, times, figure) {
  const { rows, cols, lower } = figure;
  const now = viewState.cursor || { u: 0.5, v: 0.5 };
  const move = (x, n, d) => (Math.min(n - 1, Math.max(0, Math.floor(x * n) + d)) + 0.5) / n;
  pointAt({ u: move(now.u, cols, dx * times), v: move(now.v, rows, (lower ? -dy : dy) * times) }, figure);
}
