/* What stands on a card while a job runs, and when it failed. */
import { el, icon } from "../core/elements.mjs";
import * as words from "../maps/words.mjs";

/** A problem with the way on. */
export function trouble(problem, again) {
  return el(
    "div.ev-problem-box",
    { role: "alert" },
    icon("error"),
    el(
      "div",
      {},
      el("strong", {}, problem.title || "This could not be computed"),
      el("p", {}, problem.message),
      again && el("button.ev-button", { type: "button", onclick: again }, "Try again"),
    ),
  );
}

/** Progress of a job in a line, with the way to stop it. */
export function progressLine(work, doing) {
  const progress = work.job?.progress ?? { done: 0, total: 0, remaining: null, unit: "" };
  const share = progress.total ? Math.round((100 * progress.done) / progress.total) : 0;
  const fill = el("i");
  fill.style.transform = `scaleX(${share / 100})`;
  const said =
    work.state === "queued" ? words.waiting(work.job) : [words.count(progress), words.left(progress)].filter(Boolean).join(" · ");
  return el(
    "div.ev-work-line",
    { role: "group", "aria-label": doing },
    el(
      "div.ev-progress",
      { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(share), "aria-label": doing },
      fill,
    ),
    el("span.ev-muted.ev-small", {}, [doing, said].filter(Boolean).join(": ")),
    work.job && el("button.ev-link", { type: "button", onclick: () => work.stop() }, "stop"),
  );
}
