/* Small charts of a card: a matrix with its clusters, signed bars, curves. Each answers to the pointer by a title, and opens large. */
import { el } from "../core/elements.mjs";
import { svg } from "../core/svg.mjs";
import { pixelCanvas, signedPixels } from "./kernels.mjs";

/** A matrix in another order of its rows and columns. Pure. */
export function reordered(values, n, order) {
  const out = new Float32Array(n * n);
  for (let i = 0; i < n; i += 1) for (let j = 0; j < n; j += 1) out[i * n + j] = values[order[i] * n + order[j]];
  return out;
}

/** Where clusters of more than one filter stand in the order: [{from, size}]. Pure. */
export function boxes(order, clusters) {
  const place = new Map(order.map((filter, at) => [filter, at]));
  return clusters
    .filter((members) => members.length > 1)
    .map((members) => {
      const at = members.map((filter) => place.get(filter) ?? 0);
      return { from: Math.min(...at), size: Math.max(...at) - Math.min(...at) + 1 };
    });
}

/**
 * The correlation of all filters, alike ones side by side, their clusters framed.
 * @param {{values: ArrayLike<number>, n: number, order: number[], clusters: number[][]}} matrix
 * @param {(i: number, j: number, r: number) => void} onPoint
 */
export function correlationMap({ values, n, order, clusters }, onPoint) {
  const sorted = reordered(values, n, order);
  const canvas = pixelCanvas(signedPixels(sorted, 1), n, n, "canvas.ev-likeness-cells", `Correlation of ${n} filters`);
  const frames = boxes(order, clusters).map(({ from, size }) => {
    const frame = el("i.ev-likeness-frame");
    Object.assign(frame.style, {
      left: `${(100 * from) / n}%`,
      top: `${(100 * from) / n}%`,
      width: `${(100 * size) / n}%`,
      height: `${(100 * size) / n}%`,
    });
    return frame;
  });
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const cell = (x, from, length) => Math.max(0, Math.min(n - 1, Math.floor(((x - from) / length) * n)));
    const [row, col] = [cell(event.clientY, box.top, box.height), cell(event.clientX, box.left, box.width)];
    onPoint(order[row], order[col], sorted[row * n + col]);
  };
  return el("div.ev-likeness", { onpointermove: at }, canvas, ...frames);
}

/** Path of a curve over [0, width] x [0, height], y from low to high. Pure. */
export function path(xs, ys, { width, height, low, high, most }) {
  const x = (v) => ((v / (most || 1)) * width).toFixed(1);
  const y = (v) => (height - ((v - low) / (high - low || 1)) * height).toFixed(1);
  return ys.map((value, i) => `${i ? "L" : "M"}${x(xs[i])} ${y(value)}`).join("");
}

const KINDS = [
  ["descending", "strongest first", "ev-curve--strongest"],
  ["random", "random", "ev-curve--random"],
  ["ascending", "weakest first", "ev-curve--weakest"],
];

/** Share of answers kept while filters are removed. */
export function removalChart(removal) {
  const box = { width: 132, height: 56, low: lowest(removal), high: 1, most: removal.counts[removal.counts.length - 1] };
  const chart = svg("svg", { viewBox: "-26 -6 164 80", class: "ev-curves", role: "img", "aria-label": spokenRemoval(removal) });
  chart.append(svg("path", { d: `M0 0H${box.width}M0 ${box.height}H${box.width}`, class: "ev-curve-grid" }));
  for (const [name, , kind] of KINDS)
    if (removal[name]?.length) chart.append(svg("path", { d: path(removal.counts, removal[name], box), class: `ev-curve ${kind}` }));
  const write = (text, x, y, anchor) => chart.append(svg("text", { x, y, "text-anchor": anchor, class: "ev-curve-text" }, text));
  write("1.0", -4, 4, "end");
  write(box.low.toFixed(1), -4, box.height + 3, "end");
  write("0", 0, box.height + 15, "start");
  write(`${box.most} off`, box.width, box.height + 15, "end");
  const legend = KINDS.filter(([name]) => removal[name]?.length).map(([, text, kind]) =>
    el(
      "li",
      {},
      svg(
        "svg",
        { viewBox: "0 0 18 4", class: "ev-curve-key", "aria-hidden": "true" },
        svg("path", { d: "M0 2H18", class: `ev-curve ${kind}` }),
      ),
      text,
    ),
  );
  return el("div", {}, chart, el("ul.ev-curve-legend", {}, ...legend));
}

const lowest = (removal) => Math.floor(10 * Math.min(0.9, ...KINDS.flatMap(([name]) => removal[name] ?? []))) / 10;

/** The three curves in a sentence, halfway. */
export function spokenRemoval(removal) {
  const half = Math.floor(removal.counts.length / 2);
  const said = KINDS.filter(([name]) => removal[name]?.length).map(([name, text]) => `${text} ${Math.round(100 * removal[name][half])} %`);
  return `Answers kept with ${removal.counts[half]} filters off: ${said.join(", ")}.`;
}

/**
 * Signed bars: the filters that matter most.
 * @param {{name: string, value: number, title: string, onclick: () => void}[]} rows
 */
export function importanceBars(rows) {
  const most = Math.max(...rows.map(({ value }) => Math.abs(value)), 1e-12);
  const lines = rows.map(({ name, value, title, onclick }) => {
    const fill = el(`i${value < 0 ? ".ev-importance--against" : ""}`);
    fill.style.width = `${(100 * Math.abs(value)) / most}%`;
    const text = `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(Math.abs(value) < 0.095 ? 2 : 1)}`;
    return el(
      "li",
      {},
      el(
        "button.ev-importance",
        { type: "button", title, onclick },
        el("span", {}, name),
        el("span.ev-importance-track", { "aria-hidden": "true" }, fill),
        el("span", {}, text),
      ),
    );
  });
  return el("ol.ev-importances", {}, ...lines);
}
