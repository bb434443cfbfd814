/* Known evidence on the page: outlined on the input and on every map, and weighed against every map. */
import { emit } from "../core/bus.mjs";
import { el } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import * as contour from "../maps/contour.mjs";
import { cellsInside, shareInside } from "./regions.mjs";

/**
 * The evidence known for a subject, null without any. It is drawn only over what it belongs to: the input of the sample, and maps of its
 * own model (another may look for something else).
 * @param {{input?: string, model?: string} | null} subject
 */
export function evidenceOf(subject) {
  const known = [viewState.evidence, viewState.evidenceBeside];
  const fits = (evidence) => subject?.input === evidence.input && (subject?.model ?? evidence.model) === evidence.model;
  return known.find((evidence) => evidence && fits(evidence)) ?? null;
}

/**
 * Cells and outline of a region on a grid; made once per pair of axes.
 * @param {Region} region
 * @param {Axes} axes
 * @returns {PlacedRegion}
 */
export function place(region, axes) {
  const key = axes.x_axis.values;
  const made = region.made.get(key);
  if (made && made.ys === axes.y_axis.values) return made;
  const [rows, cols] = [axes.y_axis.values.length, axes.x_axis.values.length];
  const inside = cellsInside(region, axes);
  const segments = contour.cellEdges(inside, rows, cols);
  const style = { dotted: region.key !== "evidence", drawn: region.key === "drawn" };
  const now = { ys: axes.y_axis.values, inside, any: inside.includes(1), segments, rows, cols, ...style };
  region.made.set(key, now);
  return now;
}

/**
 * Lines for a figure: none unless they are asked for and known.
 * @param {{input?: string, model?: string} | null} subject
 * @param {Axes | null} axes
 */
export function marks(subject, axes) {
  if (!axes) return [];
  const known = viewState.outlined ? (evidenceOf(subject)?.regions ?? []) : [];
  return [...known, ...ownOf(subject), ...drawnOf(subject)].map((region) => place(region, axes)).filter(({ any }) => any);
}

/** The user's own region of the input, if there is one. */
const ownOf = (subject) => (viewState.own && viewState.own.input === subject?.input ? [viewState.own.region] : []);

const drawnOf = (subject) => (viewState.drawn && viewState.drawn.input === subject?.input ? [viewState.drawn.region] : []);

/**
 * What a finished map holds of each region: [{region, any, share, uniform, times}]; empty where it cannot be said.
 * @param {import("../panel/panel.mjs").MapPanel} panel
 */
export function weigh(panel) {
  const { field, axes, state, stage } = panel;
  const regions = [...(evidenceOf(panel.subject)?.regions ?? []), ...ownOf(panel.subject)];
  if (state !== "done" || stage || !field || field.flat || !axes || !regions.length) return [];
  return regions.flatMap((region) => {
    const { inside, any } = place(region, axes);
    if (inside.length !== field.values.length) return [];
    return [{ region, any, ...field.latest(`inside ${region.key}`, inside, () => shareInside(field.values, inside)) }];
  });
}

const percent = (x) => (x > 0 && x < 0.0005 ? "< 0.1 %" : `${x > 0 && x < 0.0995 ? (100 * x).toFixed(1) : Math.round(100 * x)} %`);
const title = (region) => (region.key === "evidence" ? "Evidence" : region.title);
const name = (region) =>
  region.key === "own" ? "your region" : `the ${region.key === "evidence" ? "known evidence" : region.title.toLowerCase()}`;
const begin = (text) => text[0].toUpperCase() + text.slice(1);

/** One region and one map in a sentence. */
export function sentence({ region, any, share, uniform }) {
  if (!any) return `${begin(name(region))} lies outside the part of the input shown.`;
  if (share === null) return `Nothing in this map is positive, so nothing lies inside ${name(region)}.`;
  return `${percent(share)} of the positive relevance lies inside ${name(region)}; a uniform map would have ${percent(uniform)}.`;
}

/** The class the evidence speaks for where the map explains another one, else null: little can then be expected inside. */
function otherClass(panel, shares) {
  const label = evidenceOf(panel.subject)?.label;
  const counts = shares.some(({ region, any }) => any && region.key === "evidence");
  return counts && label && panel.target && panel.target !== label ? label : null;
}

const aside = (label, panel) => `The evidence speaks for ${label}; this map explains ${panel.target}.`;

/** For the text that screen readers speak: begins with a blank, or is empty. */
export function told(panel) {
  const shares = weigh(panel);
  const label = otherClass(panel, shares);
  const sentences = shares.map(sentence);
  if (label) sentences.push(aside(label, panel));
  return sentences.map((text) => ` ${text}`).join("") + outlined(panel.subject, panel.axes);
}

/** " The known evidence is outlined." where it is. */
export function outlined(subject, axes) {
  const regions = (axes && viewState.outlined && evidenceOf(subject)?.regions.filter((region) => place(region, axes).any)) || [];
  return regions.map((region) => ` ${begin(name(region))} is outlined.`).join("");
}

export const swatch = (region) => el(`i.ev-swatch${region.key === "evidence" ? "" : ".ev-swatch--dotted"}`, { "aria-hidden": "true" });

/**
 * Regions in the order of their lines: what the shortcut line says already comes last, as room without words, so that the maps beside
 * each other keep their height.
 * @param {any[]} shares
 * @param {string} said key of the region that the shortcut line is about
 */
export const unsaidFirst = (shares, said) => [
  ...shares.filter(({ region }) => region.key !== said),
  ...shares.filter(({ region }) => region.key === said),
];

/** The lines under a map. */
export function show(node, panel, said = "") {
  const shares = unsaidFirst(weigh(panel), said);
  const label = otherClass(panel, shares);
  const note = label ? `Evidence for ${label}, map for ${panel.target}.` : "";
  const text = JSON.stringify([shares.map(({ region, any, share, uniform }) => [region.key, any, share, uniform]), note, said]);
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.hidden = !shares.length;
  const lines = shares.map((item) =>
    el("p", { title: sentence(item), "data-said": item.region.key === said }, swatch(item.region), el("span", {}, ...short(item))),
  );
  node.replaceChildren(...lines, ...(note ? [el("p.ev-muted", { title: aside(label, panel) }, note)] : []));
}

function short({ region, any, share, uniform }) {
  if (!any) return [`${title(region)}: outside this window`];
  if (share === null) return [`${title(region)}: nothing positive`];
  return [`${title(region)} `, el("strong", {}, percent(share)), ` \u00b7 by chance ${percent(uniform)}`];
}

/** Switches the outlines; answers the new state. */
export function outlineEvidence(shown) {
  if (viewState.outlined !== shown) {
    viewState.outlined = shown;
    emit("evidence");
  }
  return shown;
}
