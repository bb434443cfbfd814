/* A small picture of one input of a study: grey, the map over it, the region of known evidence outlined. */
import { el } from "../core/elements.mjs";
import { greyPicture } from "../figure/picture.mjs";
import { drawSmall, overlayOf } from "../figure/small_map.mjs";
import { cellEdges } from "../maps/contour.mjs";
import * as reading from "./reading.mjs";

const SIDE = 232;

/**
 * @param {{study: import("./study.mjs").Study, input: any, method: string, result: any}} of
 * @param {{input: number, value: number | null, note?: string}} entry
 * @param {{low: number, high: number} | null} scale
 * @param {string} word beside the value
 */
export function thumb({ study, input, method, result }, entry, scale, word) {
  const name = input?.name || `input ${entry.input + 1}`;
  const value = typeof entry.value === "number" ? reading.figure(entry.value, scale ?? undefined) : "n/a";
  const canvas = el("canvas.ev-measure-picture", {
    width: SIDE,
    height: SIDE,
    role: "img",
    "aria-label": `Map over ${name}, ${value} ${word}`,
  });
  const label = input?.label ? ` \u00b7 ${input.label}` : "";
  const caption = [
    el("span", {}, el("b", {}, value), word ? ` ${word}` : ""),
    el(
      "span.ev-measure-name",
      { title: `${name}${label}${entry.note ? `. ${entry.note}` : ""}` },
      entry.value === null ? (entry.note ?? name) : name,
    ),
  ];
  const inside = [canvas, ...caption];
  whenSeen(canvas, () =>
    paint(canvas, { study, index: entry.input, method, masked: Boolean(input?.mask), lower: result.upright === false }),
  );
  if (!input?.id) return el("div.ev-measure-thumb", {}, ...inside);
  const query = new URLSearchParams({ model: result.model, input: input.id });
  return el("a.ev-measure-thumb", { href: `/?${query}`, title: `Open ${name} in Compare` }, ...inside);
}

/** Pictures of a long list are fetched when they come into view. */
function whenSeen(node, begin) {
  const watch = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      begin();
    },
    { rootMargin: "600px" },
  );
  watch.observe(node);
}

/** lower: row 0 of maps and masks is at the bottom of the picture. */
async function paint(canvas, { study, index, method, masked, lower }) {
  try {
    const [picture, map, mask] = await Promise.all([
      greyPicture(study.picture(index)),
      study.map(index, method),
      masked ? study.mask(index) : null,
    ]);
    const [rows, cols] = map.shape;
    canvas.height = Math.max(96, Math.min(1.3 * SIDE, Math.round((SIDE * picture.height) / picture.width)));
    drawSmall(canvas, picture, overlayOf(map.data, rows, cols, { signed: signed(map.data) }), lower);
    if (mask) outline(canvas, mask, lower);
  } catch {
    canvas.classList.add("ev-measure-picture--gone");
    canvas.setAttribute("aria-label", "The picture is no longer stored");
  }
}

const signed = (values) => values.some((value) => value < 0);

function outline(canvas, { data, shape: [rows, cols] }, lower) {
  const context = canvas.getContext("2d");
  const edges = cellEdges(data, rows, cols);
  const x = (col) => (col * canvas.width) / cols;
  const y = (row) => ((lower ? rows - row : row) * canvas.height) / rows;
  for (const [width, colour] of /** @type {const} */ ([
    [5, "#fff"],
    [2.5, "#b3129b"],
  ])) {
    context.beginPath();
    for (let i = 0; i < edges.length; i += 4) {
      context.moveTo(x(edges[i]), y(edges[i + 1]));
      context.lineTo(x(edges[i + 2]), y(edges[i + 3]));
    }
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }
}
