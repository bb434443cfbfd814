/* Cells that are not stable, hatched over the map. */
import { el } from "../core/elements.mjs";

/**
 * One pixel a cell, opaque where a cell is not stable.
 * @param {Uint8Array} stable [rows * cols]
 */
export function unstableCanvas(stable, rows, cols) {
  const canvas = el("canvas", { width: cols, height: rows });
  const image = new ImageData(cols, rows);
  for (let i = 0; i < stable.length; i += 1) image.data[4 * i + 3] = stable[i] ? 0 : 255;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/**
 * The grey input with strokes at 45 degrees over the cells that are not stable. plot: where the map stands, css pixels; lower: its first
 * row is at the bottom.
 */
export function drawHatch(context, { hatched: mask, picture, pictureRows }, plot, lower) {
  const scale = context.getTransform().a || 1;
  const [w, h] = [Math.round(plot.w * scale), Math.round(plot.h * scale)];
  if (!(w > 0 && h > 0)) return;
  const layer = el("canvas", { width: w, height: h });
  const inner = layer.getContext("2d");
  inner.imageSmoothingEnabled = false;
  inner.save();
  if (lower) {
    inner.translate(0, h);
    inner.scale(1, -1);
  }
  inner.drawImage(mask, 0, 0, w, h);
  inner.restore();
  inner.globalCompositeOperation = "source-in";
  if (picture) drawPicture(inner, picture, w, h, lower && pictureRows === "array");
  else inner.fillRect(0, 0, w, h);
  inner.globalCompositeOperation = "source-atop";
  const tile = el("canvas", { width: w, height: h });
  const lines = tile.getContext("2d");
  lines.strokeStyle = "rgba(255, 255, 255, 0.55)";
  lines.lineWidth = scale;
  lines.beginPath();
  for (let at = -h; at < w; at += 6 * scale) {
    lines.moveTo(at, h);
    lines.lineTo(at + h, 0);
  }
  lines.stroke();
  inner.drawImage(tile, 0, 0);
  context.drawImage(layer, plot.x, plot.y, plot.w, plot.h);
}

function drawPicture(context, picture, w, h, turned) {
  context.save();
  if (turned) {
    context.translate(0, h);
    context.scale(1, -1);
  }
  context.imageSmoothingEnabled = true;
  context.drawImage(picture, 0, 0, w, h);
  context.restore();
}
