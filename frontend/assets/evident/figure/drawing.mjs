/* The still parts of a picture with axes: grey input, hue of the evidence, outlines, ticks, strip over time. */
import { coordinate, ticks } from "../maps/axes.mjs";
import { drawHatch } from "../trust/hatch.mjs";

/** Room for the values beside the plot: "16 kHz" is wider than all others. */
const leftOf = ({ y_axis }) => (y_axis.unit === "Hz" && coordinate(y_axis, 1) > 15000 ? 46 : 38);
const TOP = 4;
const AXIS = 18;
const STRIP = 16;
const SOUND_RATIO = 0.8;
const MARK = "#ff52f0";

/**
 * Where things stand for a css width. In a box of a given height (`most`) a picture keeps its proportions, in the middle; a spectrogram has
 * none to keep and fills the box.
 * @param {number} width
 * @param {{rows: number, cols: number, axes: any, strip: any}} figure strip: whether it has room for a strip over time
 * @param {number} [most] css pixels; without it the figure is as high as its width asks for
 */
export function layoutFigure(width, { rows, cols, axes, strip }, most) {
  const left = leftOf(axes);
  const room = Math.max(40, width - left);
  const sound = axes.x_axis.unit === "s";
  const ratio = sound ? SOUND_RATIO : Math.min(1.4, rows / cols);
  const below = AXIS + (strip ? STRIP : 0);
  const wanted = Math.round(room * ratio);
  const h = most === undefined ? wanted : Math.max(40, Math.min(sound ? room : wanted, Math.floor(most - TOP - below)));
  const w = h < wanted && !sound ? Math.round(h / ratio) : room;
  const plot = { x: left + Math.floor((room - w) / 2), y: TOP, w, h };
  return { width, height: TOP + h + below, plot, strip: strip ? { y: TOP + h + AXIS, h: STRIP - 2 } : null };
}

/** Draws a figure at css size; the context is already scaled to device pixels. */
export function drawFigure(context, place, figure, colours) {
  const { plot } = place;
  const lower = figure.axes.y_axis.origin === "lower";
  context.clearRect(0, 0, place.width, place.height);
  context.save();
  context.beginPath();
  context.roundRect(plot.x, plot.y, plot.w, plot.h, 4);
  context.fillStyle = colours.line;
  context.fill();
  context.clip();
  if (figure.picture) {
    // rows of the picture run as a person sees them, unless the page says they run as in the array
    mirrored(context, plot, lower && figure.pictureRows === "array", () => blit(context, figure.picture, plot, true));
  }
  if (figure.overlay && !figure.bare) {
    context.globalAlpha = figure.faded ? 0.4 : 1;
    mirrored(context, plot, lower, () => blit(context, figure.overlay, plot, figure.smooth));
    if (figure.hatched) drawHatch(context, figure, plot, lower);
    context.globalAlpha = 1;
    if (!figure.faded) for (const line of figure.lines) mirrored(context, plot, lower, () => outline(context, line, figure, plot));
  }
  for (const mark of figure.marks) mirrored(context, plot, lower, () => markOutline(context, mark, plot));
  context.restore();
  drawTicks(context, plot, figure.axes, colours, lower);
  if (place.strip && figure.strip && !figure.bare) drawStrip(context, place, figure.strip, colours);
}

/** Runs the drawing with rows turned upside down, for origin "lower". */
function mirrored(context, plot, turn, drawing) {
  context.save();
  if (turn) {
    context.translate(0, 2 * plot.y + plot.h);
    context.scale(1, -1);
  }
  drawing();
  context.restore();
}

function blit(context, canvas, plot, smooth) {
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "medium";
  context.drawImage(canvas, plot.x, plot.y, plot.w, plot.h);
}

/** White under black, so that the line shows on any colour. A dashed line is the agreement of all maps. */
function outline(context, { segments, dashed }, { rows, cols }, plot) {
  if (!segments.length) return;
  trace(context, segments, plot.w / cols, plot.h / rows, plot);
  context.lineCap = dashed ? "butt" : "square";
  context.setLineDash([]);
  context.strokeStyle = "rgba(255, 255, 255, 0.92)";
  context.lineWidth = 2.5;
  context.stroke();
  if (dashed) context.setLineDash([4, 3]);
  context.strokeStyle = "rgba(0, 0, 0, 0.95)";
  context.lineWidth = 1;
  context.stroke();
  context.setLineDash([]);
}

function trace(context, segments, sx, sy, plot) {
  context.beginPath();
  for (let i = 0; i < segments.length; i += 4) {
    context.moveTo(plot.x + segments[i] * sx, plot.y + segments[i + 1] * sy);
    context.lineTo(plot.x + segments[i + 2] * sx, plot.y + segments[i + 3] * sy);
  }
}

/** Known evidence: magenta, which no colour table holds, on black, so that it shows on any map. Dotted: something else that is known. */
function markOutline(context, { segments, rows, cols, dotted, drawn }, plot) {
  if (!segments.length) return;
  trace(context, segments, plot.w / cols, plot.h / rows, plot);
  if (drawn) {
    dashes(context);
    return;
  }
  context.lineCap = "square";
  context.strokeStyle = "rgba(0, 0, 0, 0.9)";
  context.lineWidth = 4;
  context.stroke();
  if (dotted) {
    context.lineCap = "butt";
    context.setLineDash([3, 3]);
  }
  context.strokeStyle = MARK;
  context.lineWidth = 2;
  context.stroke();
  context.setLineDash([]);
}

/** Black dashes on white: a region that is being drawn. */
function dashes(context) {
  context.lineCap = "butt";
  context.strokeStyle = "rgba(255, 255, 255, 0.95)";
  context.lineWidth = 3;
  context.stroke();
  context.setLineDash([5, 4]);
  context.strokeStyle = "rgba(0, 0, 0, 0.95)";
  context.lineWidth = 2;
  context.stroke();
  context.setLineDash([]);
}

function drawTicks(context, plot, { x_axis: xAxis, y_axis: yAxis }, colours, lower) {
  context.font = `11px ${colours.font}`;
  context.fillStyle = colours.muted;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const yTicks = ticks(yAxis, plot.h);
  for (const { at, label } of yTicks) {
    const y = plot.y + plot.h * (lower ? 1 - at : at);
    context.fillText(label, plot.x - 5, Math.min(plot.y + plot.h - 5, Math.max(plot.y + 5, y)));
  }
  context.textBaseline = "alphabetic";
  for (const { at, label } of ticks(xAxis, plot.w)) {
    const half = context.measureText(label).width / 2;
    context.textAlign = "center";
    const x = plot.x + plot.w * at;
    context.fillText(label, Math.min(plot.x + plot.w - half, Math.max(plot.x + half - 4, x)), plot.y + plot.h + 14);
  }
}

/** Evidence per moment: bars from the bottom, the strongest fills the strip. */
function drawStrip(context, { plot, strip }, sums, colours) {
  const most = Math.max(...sums);
  context.fillStyle = colours.line;
  context.fillRect(plot.x, strip.y + strip.h, plot.w, 1);
  if (!(most > 0)) return;
  context.fillStyle = colours.muted;
  const bars = Math.min(sums.length, Math.floor(plot.w / 3));
  const step = plot.w / bars;
  for (let k = 0; k < bars; k += 1) {
    const from = Math.floor((k * sums.length) / bars);
    const to = Math.max(from + 1, Math.floor(((k + 1) * sums.length) / bars));
    let mean = 0;
    for (let i = from; i < to; i += 1) mean += sums[i] / (to - from);
    const h = (strip.h * mean) / most;
    context.fillRect(plot.x + k * step, strip.y + strip.h - h, step - 0.75, h);
  }
}
