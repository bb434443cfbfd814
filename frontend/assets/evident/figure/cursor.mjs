/* The crosshair that all figures share. */
import { emit, nextFrame } from "../core/bus.mjs";
import { viewState } from "../core/state.mjs";
import { coordinate, fraction } from "../maps/axes.mjs";

/**
 * Moves the cursor of all figures, once per frame.
 * @param {Cursor | null} cursor
 * @param {import("./figure.mjs").Figure | null} from the figure that was pointed at
 */
export function pointAt(cursor, from = null) {
  viewState.cursor = cursor;
  viewState.aimed = from ? from.axes : viewState.axes;
  if (from) viewState.pointed = from;
  nextFrame("cursor", () => emit("cursor", viewState.cursor));
}

/**
 * @param {Axis} one
 * @param {Axis} other
 */
const sameAxis = ({ values: a }, { values: b }) => a === b || (a.length === b.length && a.every((x, i) => x === b[i]));

/**
 * Where the cursor stands on other axes: at the same second and hertz where both are sounds, else at the same share of the picture's
 * sides. It may lie outside, below 0 or above 1.
 * @param {Axes | null} axes
 * @returns {Cursor | null}
 */
export function cursorOn(axes) {
  const { cursor, aimed } = viewState;
  if (!cursor || !axes || !aimed || aimed.x_axis.unit !== "s" || axes.x_axis.unit !== "s") return cursor;
  if (sameAxis(aimed.x_axis, axes.x_axis) && sameAxis(aimed.y_axis, axes.y_axis)) return cursor;
  return {
    u: fraction(axes.x_axis, coordinate(aimed.x_axis, cursor.u)),
    v: fraction(axes.y_axis, coordinate(aimed.y_axis, cursor.v)),
  };
}

/**
 * Whether a cursor lies on the picture.
 * @param {Cursor} cursor
 */
export const inPicture = ({ u, v }) => u >= 0 && u <= 1 && v >= 0 && v <= 1;

/** Moves the cursor by cells of a figure's grid; dy < 0 is up on the screen. Starts in the middle. */
export function stepCursor(dx, dy, times, figure) {
  const { rows, cols, lower } = figure;
  const now = cursorOn(figure.axes) || { u: 0.5, v: 0.5 };
  const move = (x, n, d) => (Math.min(n - 1, Math.max(0, Math.floor(x * n) + d)) + 0.5) / n;
  pointAt({ u: move(now.u, cols, dx * times), v: move(now.v, rows, (lower ? -dy : dy) * times) }, figure);
}
