/* The face of a map panel: title, state, progress with time left and stop, messages with a way out, colour bar, listen buttons. */
import { el, icon, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { viewState } from "../core/state.mjs";
import * as evidence from "../evidence/marks.mjs";
import { Bar } from "../figure/bar.mjs";
import * as describe from "../maps/describe.mjs";
import * as words from "../maps/words.mjs";
import { Listen } from "../sound/listen.mjs";
import { TrustMarks } from "../trust/marks.mjs";
import { PanelMenu } from "./menu.mjs";
import { QualityMark } from "./quality.mjs";

const CHIPS = {
  failed: ["bad", "error", "failed"],
  refused: ["bad", "error", "not possible"],
  lost: ["bad", "error", "gone"],
  cancelled: ["unknown", "stop", "stopped"],
  stale: ["warning", "warning", "changed"],
  flat: ["unknown", "info", "no evidence"],
  offline: ["warning", "warning", "no answer"],
};

export class PanelFace {
  constructor(panel) {
    this.panel = panel;
    this.heading = el("h3.ev-map-title");
    this.chip = el("span.ev-chip", { hidden: true });
    this.mark = new QualityMark(panel, () => this.menu.numbers());
    this.trust = new TrustMarks(panel);
    this.meta = el("span.ev-map-meta");
    this.stop = el("button.ev-link", { type: "button", hidden: true, onclick: () => panel.stop() }, "stop");
    this.menu = new PanelMenu(panel);
    this.fill = el("i");
    this.progress = el("div.ev-progress", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", hidden: true }, this.fill);
    this.message = el("div.ev-map-message", { hidden: true });
    this.bar = new Bar();
    this.known = el("div.ev-known", { hidden: true });
    this.listen = new Listen(panel);
    const head = el(
      "header.ev-map-head",
      {},
      this.heading,
      this.chip,
      this.trust.badge,
      this.trust.stable,
      this.mark.node,
      this.meta,
      this.stop,
      this.menu.node,
    );
    const body = el("div.ev-map-body", {}, panel.figure.node, this.message);
    const foot = el("div.ev-map-foot", {}, this.bar.node, this.trust.line, this.known, this.listen.node);
    this.node = el("div.ev-map", { role: "group" }, this.progress, head, body, foot);
  }

  /** Everything that follows from the panel's state; drawing is not its business. */
  refresh() {
    const { panel } = this;
    const { record } = panel;
    const stage = panel.stage && record ? record.stages.find(({ name }) => name === panel.stage) : null;
    const shown = panel.altered || stage?.title;
    this.heading.textContent = shown ? `${panel.title} · ${shown}` : panel.title;
    this.heading.title = this.heading.textContent;
    this.node.setAttribute("aria-label", `${panel.title} map`);
    this.node.dataset.state = panel.state;
    this.chipOf();
    this.mark.refresh();
    this.trust.refresh();
    this.meta.textContent = this.metaText();
    this.meta.title = this.metaTitle();
    this.stop.hidden = !["running", "queued"].includes(panel.state) || !panel.job;
    this.stop.setAttribute("aria-label", `Stop ${panel.title}`);
    this.progressOf();
    this.messageOf();
    this.menu.refresh();
    this.listen.refresh();
  }

  chipOf() {
    const { panel } = this;
    let key = CHIPS[panel.state] ? panel.state : null;
    if (panel.state === "done" && panel.view && panel.view.flat) key = "flat";
    if (panel.stale && panel.view) key = "stale";
    if (panel.lost) key = "offline";
    this.chip.hidden = !key;
    if (!key) return;
    const [kind, glyph, usual] = CHIPS[key];
    const text = key === "flat" && !panel.votes ? "not recognised" : usual;
    this.chip.className = `ev-chip ev-chip--${kind}`;
    this.chip.replaceChildren(icon(glyph), text);
  }

  metaText() {
    const { state, job, record } = this.panel;
    if (state === "done" && record) return words.duration(record.seconds);
    if (state === "running" && job)
      return [words.count({ ...job.progress, unit: "" }), words.left(job.progress)].filter(Boolean).join(" · ");
    if (state === "queued") return words.waiting(job);
    return "";
  }

  metaTitle() {
    const { state, job, record } = this.panel;
    if (state === "done" && record)
      return `Computing time. The network was asked ${words.integer(record.forwards)} times (${words.integer(record.backwards)} of them with its gradient).`;
    return state === "running" && job ? words.count(job.progress) : "";
  }

  progressOf() {
    const { state, job } = this.panel;
    this.progress.hidden = state !== "running" && state !== "queued";
    const { done = 0, total = 0 } = job?.progress || {};
    const share = total > 0 ? Math.min(1, done / total) : 0;
    this.fill.style.transform = `scaleX(${share})`;
    this.progress.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.progress.setAttribute("aria-label", `${this.panel.title} progress`);
    if (job) this.progress.setAttribute("aria-valuetext", words.count(job.progress) || "waiting");
  }

  messageOf() {
    const { panel } = this;
    const parts = this.messageParts();
    this.message.hidden = !parts;
    if (!parts) return;
    const [title, text, action] = parts;
    this.message.classList.toggle("ev-map-message--low", Boolean(panel.view) && (panel.state === "cancelled" || panel.stale));
    const button = action && el("button.ev-button", { type: "button", onclick: () => panel.retry() }, action);
    const id = panel.problem?.requestId && el("small.ev-muted", {}, `Request ${panel.problem.requestId.slice(0, 8)}`);
    renew(this.message, ...[title && el("strong", {}, title), text && el("p", {}, text), button, id].filter(Boolean));
  }

  /** [title, sentence, label of the button] or null. */
  messageParts() {
    const { panel } = this;
    const { state, problem, job, view } = panel;
    const why = problem ? problem.message : "";
    if (state === "empty") return panel.root.dataset.explanation === undefined ? null : [null, "Press Run to compute this map.", null];
    if (state === "refused") return [problem?.title || "This map cannot be made", why, null];
    if (state === "lost") return ["This map is no longer there", why, job ? "Compute again" : "Look again"];
    if (state === "failed") return [problem?.title || "The map could not be made", why, "Try again"];
    if (state === "cancelled") {
      const progress = job && words.count(job.progress);
      return [null, `Stopped${progress ? ` at ${progress}` : ""}${view ? ": not the whole map." : "."}`, "Run again"];
    }
    if (state === "done" && panel.stale) return [null, "Changed, press Run.", null];
    if (state === "done" && view && view.flat && !panel.votes)
      return ["Not recognised here", "Nothing in this input looks to this layer as the examples of the concept do.", null];
    if (state === "done" && view && view.flat) return ["No evidence found", "Every cell of this map has the same value.", null];
    if (state === "done" && view && viewState.look.sign === "against" && !view.signed)
      return [null, "This method has no sign: nothing speaks against.", null];
    return null;
  }

  /** After a drawing: alt text and colour bar follow what is now on screen. */
  redrawn() {
    const { panel } = this;
    const { view, axes } = panel;
    const shown = Boolean(view) && !view.flat;
    this.bar.node.classList.toggle("ev-bar--idle", !shown);
    if (shown) this.bar.set(panel.style);
    const alt = describe.altText({
      title: this.heading.textContent,
      target: panel.target,
      field: view,
      axes: axes || panel.figure.axes,
      partial: panel.state !== "done",
    });
    const cells = panel.cell > 1 ? ` Averaged over cells of ${panel.cell} by ${panel.cell} pixels.` : "";
    panel.figure.canvas.setAttribute("aria-label", alt + cells + evidence.told(panel));
    evidence.show(this.known, panel, this.trust.region);
    this.listen.refresh();
    this.messageOf();
  }

  /** One passing sentence under the map. */
  warn(sentence) {
    this.listen.note(sentence);
    say(sentence);
  }

  destroy() {
    this.menu.destroy();
    this.listen.destroy();
  }
}
