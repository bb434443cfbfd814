/* The studies there are, to open one again or to delete it. */
import { el, icon } from "../core/elements.mjs";

/** A button that opens a panel below it; one at a time, closed by Escape or a press elsewhere. */
export function opener(label, name, ...content) {
  const close = (event) => {
    const node = event.currentTarget;
    if (event.key !== "Escape" || !node.open) return;
    event.stopPropagation();
    node.open = false;
    node.querySelector("summary").focus();
  };
  const summary = el("summary", { "aria-label": name }, label);
  return el("details.ev-measure-opener", { onkeydown: close }, summary, el("div.ev-measure-panel", {}, ...content));
}

/**
 * @param {import("./session.mjs").Session} session
 * @param {any[]} studies
 * @param {(id: string) => void} drop
 */
export function earlierStudies(session, studies, drop) {
  const titles = new Map(session.catalogue.models.map(({ key, title }) => [key, title]));
  const line = ({ id, state, request, progress, created }) => {
    const set = session.sets.find(({ key }) => key === request.set)?.title.toLowerCase() ?? request.set;
    const inputs = request.set ? [request.count, set].filter(Boolean).join(" ") : count(request.inputs ?? [], "own input");
    const open = el(
      "button.ev-link",
      { type: "button", "aria-current": id === session.choice.study ? "true" : null, onclick: () => session.open(id) },
      `${titles.get(request.model) ?? request.model} \u00b7 ${inputs}`,
    );
    const detail = [count(request.methods, "method"), count(request.metrics, "metric"), stateOf(state, progress), when(created)]
      .filter(Boolean)
      .join(" \u00b7 ");
    const about = el("span", {}, open, el("span.ev-muted.ev-small", {}, detail));
    return el("li", { "data-key": id }, about, !["queued", "running"].includes(state) && dropButton(() => drop(id)));
  };
  const list = el("ul.ev-measure-list", {}, ...studies.map(line));
  return opener(`Earlier studies (${studies.length})`, `Earlier studies: ${studies.length}`, list);
}

const dropButton = (onclick) =>
  el(
    "button.ev-icon-button",
    {
      type: "button",
      "aria-label": "Delete this study",
      "data-confirm": "The study and its numbers are deleted from this machine.",
      onclick,
    },
    icon("trash"),
  );

const count = (list, one) => `${list.length} ${one}${list.length === 1 ? "" : "s"}`;

/** "22 Nov, 08:31"; "" where it is not known. */
function when(created) {
  const at = new Date(created ?? "");
  const shown = /** @type {const} */ ({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleString("en-GB", shown);
}

const stateOf = (state, progress) => {
  if (state === "done") return "finished";
  const share = progress?.total ? Math.floor((100 * progress.done) / progress.total) : 0;
  return { queued: "waiting", running: `${share} %`, cancelled: `stopped at ${share} %`, failed: "failed" }[state] ?? state;
};
