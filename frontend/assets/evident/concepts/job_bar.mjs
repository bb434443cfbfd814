/* The bar of a running analysis.

   job-bar: data-path of the job · data-press changes to follow it anew · data-store told {id, state} when it ends · data-word what the units are */
import { callApi } from "../core/api.mjs";
import { el, say } from "../core/elements.mjs";
import { followJob } from "../core/jobs.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import * as words from "../maps/words.mjs";

class JobBar {
  constructor(root) {
    this.root = root;
    this.line = el("div.ev-job-fill");
    this.text = el("span.ev-muted");
    this.stop = el("button.ev-button", { type: "button", onclick: () => this.cancel() }, "Stop");
    root.append(
      el(
        "div.ev-job",
        {},
        el("div.ev-job-track", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, this.line),
        this.text,
        this.stop,
      ),
    );
    root.hidden = true;
  }

  update() {
    if (this.follower) this.follower.stop();
    const { path } = this.root.dataset;
    this.root.hidden = !path;
    if (!path) return;
    this.stop.hidden = false;
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
    if (job.state === "queued" || job.state === "running") return;
    this.root.hidden = job.state === "done";
    this.stop.hidden = true;
    if (job.state === "failed") this.say(job.error ? job.error.detail : "The analysis failed. Run it again.");
    if (job.state === "cancelled") this.say("Stopped. Run it again to continue.");
    say(job.state === "done" ? "The concept analysis is done." : this.text.textContent);
    tellDash(this.root.dataset.store, { data: { id: job.id, state: job.state } });
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

declareWidget("job-bar", ["path", "press", "store", "word"], (root) => new JobBar(root));
