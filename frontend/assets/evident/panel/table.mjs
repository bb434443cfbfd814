/* A map as a table of numbers. */
import { openDialog } from "../core/dialog.mjs";
import { el } from "../core/elements.mjs";
import { coordinate } from "../maps/axes.mjs";
import * as describe from "../maps/describe.mjs";
import * as stats from "../maps/statistics.mjs";
import * as words from "../maps/words.mjs";

const DOWN = 5;
const ACROSS = 6;

/** Rows of cells -> table; the first cell of each row is its header. */
function table(caption, head, rows) {
  const cell = (text, i) => (i === 0 ? el("th", { scope: "row" }, text) : el("td", {}, text));
  return el(
    "table.ev-table",
    {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))),
  );
}

const edges = (axis, parts) =>
  Array.from({ length: parts }, (_, i) => describe.range(axis, coordinate(axis, i / parts), coordinate(axis, (i + 1) / parts)));

/** Percent of all evidence (|v|) per block of the picture, rows from the top of the screen down. */
export function blockRows(field, both) {
  const sums = stats.blockSums(field.strength("both"), field.rows, field.cols, DOWN, ACROSS);
  const total = sums.reduce((sum, x) => sum + x, 0) || 1;
  const names = edges(both.y_axis, DOWN);
  const rows = names.map((name, r) => [
    name,
    ...Array.from({ length: ACROSS }, (_, c) => ((100 * sums[r * ACROSS + c]) / total).toFixed(1)),
  ]);
  return both.y_axis.origin === "lower" ? rows.reverse() : rows;
}

/** The strongest cells: place, value, percentile. */
export function topRows(field, both, count) {
  const strength = field.strength("both");
  const cut = field.sorted("both")[Math.max(0, strength.length - count)];
  const strongest = [];
  for (let i = 0; i < strength.length; i += 1) if (strength[i] >= cut && strength[i] > 0) strongest.push(i);
  strongest.sort((a, b) => strength[b] - strength[a]);
  return strongest.slice(0, count).map((i, k) => {
    const x = coordinate(both.x_axis, ((i % field.cols) + 0.5) / field.cols);
    const y = coordinate(both.y_axis, (Math.floor(i / field.cols) + 0.5) / field.rows);
    return [
      String(k + 1),
      describe.position(both.x_axis, x),
      describe.position(both.y_axis, y),
      words.value(field.values[i], field.signed),
    ];
  });
}

export function showTable(panel) {
  const { view, target } = panel;
  const both = panel.axes || panel.figure.axes;
  const summary = describe.altText({ title: panel.title, target, field: view, axes: both });
  openDialog(
    `${panel.title}${target ? `, ${target}` : ""}`,
    el("p", {}, summary),
    table("Share of all evidence in each part of the picture, %", ["", ...edges(both.x_axis, ACROSS)], blockRows(view, both)),
    table("The ten strongest cells", ["", both.x_axis.name, both.y_axis.name, "value"], topRows(view, both, 10)),
  );
}
