/* Deletion and insertion as lines over the band of random places. */
import { el } from "../core/elements.mjs";

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [520, 190, 34, 8, 30];
const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name @param {{[key: string]: string | number}} attributes */
function svg(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

const x = (value) => LEFT + value * (WIDTH - LEFT - 8);
const y = (value) => TOP + (1 - value) * (HEIGHT - TOP - BOTTOM);
const points = (xs, ys) => xs.map((at, i) => `${x(at).toFixed(1)},${y(ys[i]).toFixed(1)}`).join(" ");

/** @param {CurvesResult} curves */
export function curvesChart({ x: xs, deletion, insertion, random_low: low, random_high: high, baseline }) {
  const band = `${points(xs, high)} ${points([...xs].reverse(), [...low].reverse())}`;
  const grid = [0, 0.5, 1].flatMap((value) => [
    svg("line", { x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value), class: "ev-trust-grid" }),
    svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    svg("text", { x: x(value), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, `${100 * value} %`),
  ]);
  const chart = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      class: "ev-trust-chart",
      "aria-label": "Score of the class as cells are replaced or put back",
    },
    ...grid,
    svg("polygon", { points: band, class: "ev-trust-band" }),
    svg("polyline", { points: points(xs, deletion), class: "ev-trust-deletion" }),
    svg("polyline", { points: points(xs, insertion), class: "ev-trust-insertion" }),
    svg("text", { x: WIDTH / 2, y: HEIGHT - 3, "text-anchor": "middle" }, `share of the cells, strongest first; replaced by ${baseline}`),
  );
  const key = (name, text) => el("span.ev-trust-key", {}, el(`i.ev-trust-key--${name}`, { "aria-hidden": "true" }), text);
  return el(
    "figure.ev-trust-figure",
    {},
    chart,
    el("figcaption", {}, key("deletion", "replaced"), key("insertion", "put back"), key("band", "the same map at random places, replaced")),
  );
}
