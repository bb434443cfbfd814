/* The bar of a running analysis, and its table as far as it is known.

   job-bar: data-path of the job · data-press changes to follow it anew · data-store told {id, state} when it ends · data-word what the units are
   data-names {concepts, layers}: heads of the table that grows */
import { callApi } from "../core/api.mjs";
import { el, parseJson, say } from "../core/elements.mjs";
import { followJob } from "../core/jobs.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import { readNpy } from "../maps/npy.mjs";
import * as words from "../maps/words.mjs";

class JobBar {
  constructor(root) {
    this.root = root;
    this.line = el("div.ev-job-fill");
    this.text = el("span.ev-muted");
    this.stop = el("button.ev-button", { type: "button", onclick: () => this.cancel() }, "Stop");
    this.table = el("div", { hidden: true });
    root.append(
      el(
        "div.ev-job",
        {},
        el("div.ev-job-track", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, this.line),
        this.text,
        this.stop,
      ),
      this.table,
    );
    root.hidden = true;
  }

  update() {
    if (this.follower) this.follower.stop();
    const { path } = this.root.dataset;
    this.root.hidden = !path;
    if (!path) return;
    this.stop.hidden = false;
    this.table.hidden = true;
    this.partial = 0;
    this.follower = followJob(
      path,
      (job) => this.take(job),
      (problem) => this.say(problem.message),
    );
  }

  take(job) {
    const { done, total, remaining } = job.progress;
    const share = total ? done / total : 0;
    this.line.style.width = `${Math.round(100 * share)}%`;
    this.line.parentNode.setAttribute("aria-valuenow", Math.round(100 * share));
    const left = remaining == null ? "" : ` · ${words.duration(remaining)} left`;
    this.say(job.state === "queued" ? "Waiting for a worker" : `${done} of ${total || "?"} ${this.root.dataset.word || "steps"}${left}`);
    if (job.state === "running" && job.progress.partial > this.partial) this.grow(job.progress.partial);
    if (job.state === "queued" || job.state === "running") return;
    this.root.hidden = job.state === "done";
    this.stop.hidden = true;
    if (job.state === "failed") this.say(job.error ? job.error.detail : "The analysis failed. Run it again.");
    if (job.state === "cancelled") this.say("Stopped. Run it again to continue.");
    say(job.state === "done" ? "The concept analysis is done." : this.text.textContent);
    tellDash(this.root.dataset.store, { data: { id: job.id, state: job.state } });
  }

  /** The scores known so far; what they are worth is told when all are known, because the tests are adjusted together. */
  async grow(partial) {
    this.partial = partial;
    const { concepts, layers } = parseJson(this.root.dataset.names, { concepts: [], layers: [] });
    try {
      const { shape, data } = readNpy(await callApi(`${this.root.dataset.path}/table.npy`, { as: "bytes" }));
      if (partial < this.partial || shape[0] !== layers.length || shape[1] !== concepts.length) return;
      const cell = (row, col) => (Number.isNaN(data[col * concepts.length + row]) ? "" : data[col * concepts.length + row].toFixed(2));
      const head = el("tr", {}, el("th", { scope: "col" }, "Score so far"), ...layers.map((name) => el("th", { scope: "col" }, name)));
      const rows = concepts.map((name, row) =>
        el("tr", {}, el("th", { scope: "row" }, name), ...layers.map((_, col) => el("td", {}, cell(row, col)))),
      );
      this.table.replaceChildren(el("table.ev-job-table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
      this.table.hidden = false;
    } catch {
      // The next one may come, and the whole table follows.
    }
  }

  say(sentence) {
    this.text.textContent = sentence;
  }

  async cancel() {
    try {
      await callApi(this.root.dataset.path, { method: "DELETE" });
    } catch (problem) {
      this.say(problem.message);
    }
  }

  destroy() {
    if (this.follower) this.follower.stop();
  }
}

declareWidget("job-bar", ["path", "press", "store", "word", "names"], (root) => new JobBar(root));
