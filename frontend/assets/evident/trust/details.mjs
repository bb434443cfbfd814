/* All checks of one map, in a dialog: sanity, stability, shortcuts by region, curves, numbers. */
import { on } from "../core/bus.mjs";
import { openDialog } from "../core/dialog.mjs";
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { checksOf } from "./checks.mjs";
import { curvesChart } from "./curves.mjs";
import { STATES, share, shareRange } from "./words.mjs";

const section = (title, ...content) => el("section.ev-trust-section", {}, el("h3", {}, title), ...content);
const muted = (text) => el("p.ev-muted", {}, text);

/** @param {SanityResult | null} sanity */
function sanitySection(sanity) {
  if (!sanity) return section("Sanity", muted("Not checked yet; it is measured once per network and method, when nothing else waits."));
  if (!sanity.state) return section("Sanity", muted(sanity.words));
  const { icon: glyph, word } = STATES[sanity.state];
  const badge = el("span.ev-trust-badge", { "data-state": sanity.state }, icon(glyph), word);
  badge.dataset.state = sanity.state;
  const rows = [
    ["With random weights", sanity.randomised],
    ["For another class", sanity.other_class],
  ].map(([name, value]) =>
    el("tr", {}, el("th", { scope: "row" }, String(name)), el("td", {}, Number(value).toFixed(2).replace("-", "\u2212"))),
  );
  return section(
    "Sanity",
    el("p", {}, badge, ` ${sanity.words}`),
    el("table.ev-trust-table", {}, el("caption", {}, "How alike the maps are; 1 is the same"), el("tbody", {}, ...rows)),
    muted(`${sanity.meaning} ${sanity.note || `Measured on ${sanity.inputs} inputs.`}`),
  );
}

/** @param {RegionShare} region */
function regionRow(region) {
  const { title, share: held, area, flagged, words } = region;
  const fill = el("i.ev-trust-fill");
  const tick = el("i.ev-trust-tick");
  fill.style.width = `${100 * held}%`;
  tick.style.left = `${100 * area}%`;
  const state = el("span.ev-trust-state", {}, icon(flagged ? "warning" : "check"), flagged ? "flag" : "ok");
  const row = el(
    "div.ev-trust-region",
    { title: words },
    el("span", {}, title),
    el("span.ev-trust-track", { "aria-hidden": "true" }, fill, tick),
    el("span", {}, `${shareRange(region)} (even map ${share(area)})`),
    state,
  );
  row.dataset.state = flagged ? "flag" : "ok";
  return row;
}

/** @param {ChecksResult} checks */
function shortcutSection({ shortcut, notes }) {
  if (!shortcut) return notes.shortcut ? section("Shortcuts", muted(notes.shortcut)) : null;
  const rule =
    "Flagged where a region holds at least twice what an even map would, ten percentage points more, and more than at nine of ten other places.";
  return section("Shortcuts", el("p", {}, `${shortcut.words}.`), ...shortcut.regions.map(regionRow), muted(rule));
}

/** @param {import("../panel/panel.mjs").MapPanel} panel @param {ChecksResult} checks */
function stabilitySection(panel, { stability, notes }) {
  if (!stability) return notes.stability ? section("Stability", muted(notes.stability)) : null;
  const box = el("input", { type: "checkbox", checked: panel.hiding, onchange: (event) => panel.hideUnstable(event.target.checked) });
  return section("Stability", el("p", {}, stability.words), el("label.ev-trust-hide", {}, box, " Hide what is not stable"));
}

/** @param {ChecksResult} checks */
function figures({ figures: all, localisation }) {
  if (!all.length && !localisation.length) return null;
  const number = (value) => (value === null ? "none" : value.toPrecision(Math.max(3, Math.trunc(Math.abs(value)).toString().length)));
  const rows = all.map(({ title, value, words, controls = {} }) => {
    const blind = Object.entries(controls).map(([key, held]) => `${key.replaceAll("_", " ")} ${number(held)}`);
    const beside = blind.length ? ` Maps that look at nothing: ${blind.join(", ")}.` : "";
    return el("tr", { title: words }, el("th", { scope: "row" }, title), el("td", {}, number(value)), el("td", {}, `${words}${beside}`));
  });
  return section("Numbers", el("table.ev-trust-table", {}, el("tbody", {}, ...rows)), ...localisation.map(regionRow));
}

/** @param {import("../panel/panel.mjs").MapPanel} panel */
function parts(panel) {
  const { checks, sanity, problem } = checksOf(panel);
  const all = [sanitySection(sanity)];
  if (problem) all.push(muted(`The map itself could not be checked. ${problem}`));
  if (checks?.notes.map) all.push(muted(checks.notes.map));
  if (!checks && !problem) all.push(muted("The map itself is checked when nothing else waits."));
  if (checks) {
    all.push(shortcutSection(checks), stabilitySection(panel, checks));
    if (checks.curves) all.push(section("Does the score follow the map?", curvesChart(checks.curves), el("p", {}, checks.curves.words)));
    else if (checks.notes.curves) all.push(section("Does the score follow the map?", muted(checks.notes.curves)));
    all.push(figures(checks));
  }
  return all.filter((part) => part !== null);
}

/**
 * Opens the dialog; what is still being checked comes when it is known.
 * @param {import("../panel/panel.mjs").MapPanel} panel
 */
export function showChecks(panel) {
  const node = openDialog(`Checks of ${panel.title}`, ...parts(panel));
  node.addEventListener(
    "close",
    on("checks", () => renew(node.querySelector(".ev-dialog-body"), ...parts(panel))),
  );
}
