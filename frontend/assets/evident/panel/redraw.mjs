/* Drawing a map panel: what it shows under the present look, on its figure. */
import { emit } from "../core/bus.mjs";
import { el } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import * as evidence from "../evidence/marks.mjs";
import { pixelAxes } from "../maps/axes.mjs";
import * as colour from "../maps/colour.mjs";
import { largestValue, partnerOf } from "./panels.mjs";

/** @typedef {import("./panel.mjs").MapPanel} MapPanel */
/** @typedef {import("../maps/field.mjs").Field} Field */

/**
 * How a field is coloured under the present look, and what its colour bar says.
 * @param {MapPanel} panel
 * @param {Field} view
 */
export function styleOf(panel, view) {
  const { look } = viewState;
  const limit = Math.max(...scaledBy(panel, view).map((shown) => shown.limit(look.scale, largestValue())));
  return {
    signed: view.signed,
    colours: look.colours,
    limit,
    cut: view.cut(look.sign, look.top),
    sign: look.sign,
    clipped: view.max > limit * 1.000001,
    target: panel.target,
    scale: look.scale,
    cell: panel.cell,
    opacity: look.opacity / 100,
  };
}

/**
 * The fields whose strength the colour scale is taken from: its own; where pairs share a scale, its partner's too, at the same stage.
 * @param {MapPanel} panel
 * @param {Field} view
 */
function scaledBy(panel, view) {
  const partner = viewState.paired ? partnerOf(panel) : null;
  return partner?.view && partner.stage === panel.stage ? [view, partner.view] : [view];
}

/** @param {MapPanel} panel */
export function redraw(panel) {
  const { view, figure, axes } = panel;
  figure.axes = axes || figure.axes || (figure.picture && pixelAxes(figure.picture));
  if (view && !view.flat) paint(panel, view);
  else Object.assign(figure, { overlay: null, lines: [], strip: null });
  Object.assign(figure, gridSize(view, figure.axes), {
    bare: viewState.original,
    faded: panel.stale,
    hatched: panel.hiding && !panel.stage ? panel.unstable : null,
    marks: evidence.marks(panel.subject, axes),
  });
  figure.draw();
  panel.face.redrawn();
  emit("drawn", panel);
}

/**
 * @param {Field | null} view
 * @param {Axes | null} axes
 */
function gridSize(view, axes) {
  if (view) return { rows: view.rows, cols: view.cols };
  return axes ? { rows: axes.y_axis.values.length, cols: axes.x_axis.values.length } : {};
}

/**
 * @param {MapPanel} panel
 * @param {Field} view
 */
function paint(panel, view) {
  const { figure, smooth } = panel;
  const { look } = viewState;
  const consensus = panel.beside ? null : viewState.consensus;
  const fits = figure.overlay?.width === view.cols && figure.overlay.height === view.rows;
  const overlay = fits && figure.overlay ? figure.overlay : el("canvas", { width: view.cols, height: view.rows });
  const image = new ImageData(view.cols, view.rows);
  colour.paint(view.values, view.strength(look.sign), styleOf(panel, view), image.data);
  overlay.getContext("2d").putImageData(image, 0, 0);
  /** @type {{segments: Float32Array, dashed: boolean}[]} */
  const lines = [{ segments: view.outline(look.sign, look.top, smooth), dashed: false }];
  if (consensus?.rows === view.rows && consensus.cols === view.cols) lines.push({ segments: consensus.segments, dashed: true });
  Object.assign(figure, { overlay, smooth, lines, strip: view.columns(look.sign) });
}
