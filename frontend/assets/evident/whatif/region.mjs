/* The region that is being drawn, and the user's own one that is kept with the input; drawn over every map of that input. */
import { callApi } from "../core/api.mjs";
import { emit } from "../core/bus.mjs";
import { viewState } from "../core/state.mjs";
import { place } from "../evidence/marks.mjs";
import { unpackMask } from "../evidence/regions.mjs";
import { boxesOf, placeOf } from "./cells.mjs";

/**
 * @param {string} key
 * @param {{boxes?: [number, number, number, number][], mask?: any}} told as the API tells it
 * @returns {DrawnRegion}
 */
const ready = (key, { boxes = [], mask = null }) => ({
  key,
  title: "Your region",
  boxes,
  mask: mask && unpackMask(mask),
  runs: mask,
  made: new WeakMap(),
});

/** Draws these cells, null for none. */
export function draw(input, inside, axes) {
  viewState.drawn = inside?.includes(1) ? { input, region: ready("drawn", { boxes: boxesOf(inside, axes) }) } : null;
  emit("region");
}

/** Draws a region as the API told it. */
export function drawTold(input, told) {
  viewState.drawn = { input, region: ready("drawn", told) };
  emit("region");
}

/** Cells of what is drawn, on these axes; all empty without it. */
export function drawnCells(axes) {
  const { drawn } = viewState;
  if (drawn) return Uint8Array.from(place(drawn.region, axes).inside);
  return new Uint8Array(axes.x_axis.values.length * axes.y_axis.values.length);
}

/** What the API is told of what is drawn. */
export function wire() {
  const region = viewState.drawn?.region;
  if (!region) return null;
  return region.runs ? { mask: region.runs } : { boxes: region.boxes };
}

export const drawnPlace = (axes) => placeOf(drawnCells(axes), axes);

/** The region kept with an input; "" where there is none. */
export async function loadOwn(input) {
  keep(input, await callApi(`/inputs/${encodeURIComponent(input)}/region`));
}

/** Stores what is drawn. */
export async function store(input) {
  change(input, await callApi(`/inputs/${encodeURIComponent(input)}/region`, { method: "PUT", json: wire() }));
}

/** Stores a mask (a picture) or boxes (JSON) from a file, and draws it. */
export async function storeFile(input, file) {
  const path = `/inputs/${encodeURIComponent(input)}/region`;
  const form = new FormData();
  form.append("mask", file);
  const isJson = file.type === "application/json" || file.name.endsWith(".json");
  const told = await callApi(path, { method: "PUT", ...(isJson ? { text: await file.text() } : { form }) });
  change(input, told);
  drawTold(input, told);
}

export async function forget(input) {
  await callApi(`/inputs/${encodeURIComponent(input)}/region`, { method: "DELETE" });
  change(input, {});
}

/** What counts the region of this input counts it anew. */
function change(input, told) {
  keep(input, told);
  emit("own-region", input);
}

function keep(input, told) {
  const any = told.boxes?.length || told.mask;
  viewState.own = any ? { input, region: ready("own", told) } : null;
  emit("evidence");
}
