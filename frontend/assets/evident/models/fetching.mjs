/* The weights of one published network on their way to the server: how far, a way to stop, what came of it. */
import { callApi } from "../core/api.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { followJob } from "../core/jobs.mjs";
import { left, megabytes } from "../maps/words.mjs";

/** "54 MB of 87 MB, 4 s left" */
export function progressWords(job) {
  if (job.state === "queued") return "Waiting for a worker";
  const { done, total, unit } = job.progress;
  if (unit !== "bytes" || !total) return "Asking for the weights";
  const rest = left(job.progress);
  return `${megabytes(done)} of ${megabytes(total)}${rest ? `, ${rest}` : ""}`;
}

/** Links to what can be done with a model that is here. */
export function useLinks(key, word = "Explain with it") {
  const name = encodeURIComponent(key);
  return [
    el("a.ev-button", { href: `/models?open=${name}` }, "Card"),
    el("a.ev-button.ev-button--primary", { href: `/?model=${name}` }, word),
  ];
}

export class Fetching {
  /** Told when it ended without weights.
   * @type {(() => void) | undefined} */
  onEnd;

  /**
   * @param {string} key
   * @param {(info: any) => void} onDone told once, when the network can be used
   */
  constructor(key, onDone) {
    this.key = key;
    this.onDone = onDone;
    this.fill = el("i");
    this.track = el(
      "div.ev-progress.ev-progress--inline",
      { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": `Fetching ${key}` },
      this.fill,
    );
    this.words = el("span.ev-muted");
    this.halt = el("button.ev-button", { type: "button", onclick: () => this.stop() }, "Stop");
    this.line = el("div.ev-fetch-line", { hidden: true }, this.track, this.words, this.halt);
    this.problem = el("p.ev-problem", { role: "alert", hidden: true });
    this.done = el("div.ev-fetch-line.ev-fetch-done", { hidden: true });
    this.node = el("div.ev-fetch", {}, this.line, this.problem, this.done);
  }

  get active() {
    return !this.line.hidden;
  }

  async start() {
    this.complain("");
    this.line.hidden = false;
    this.path = "";
    this.unwanted = false;
    this.words.textContent = "Asking for the weights";
    try {
      const answer = await callApi("/models?wait=false", { method: "POST", json: { name: this.key } });
      if (answer.labels) this.finish();
      else this.follow(answer);
    } catch (problem) {
      this.end(problem.message);
    }
  }

  follow(job) {
    this.path = `/jobs/${job.id}`;
    this.follower = followJob(
      this.path,
      (now) => this.take(now),
      (problem, passing) => passing || this.end(problem.message),
    );
    if (this.unwanted) this.stop();
  }

  take(job) {
    const { done, total } = job.progress;
    const share = job.progress.unit === "bytes" && total ? done / total : 0;
    this.fill.style.transform = `scaleX(${share})`;
    this.track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.words.textContent = progressWords(job);
    if (job.state === "done") this.finish();
    else if (job.state === "failed") this.end(job.error?.detail || "It could not be fetched. Try again.");
    else if (job.state === "cancelled") this.end("Stopped. What was fetched is kept, and goes on from there.");
  }

  finish() {
    this.line.hidden = true;
    const said = `${this.key} is on this server.`;
    this.done.replaceChildren(icon("check"), el("span", {}, said), ...useLinks(this.key));
    this.done.hidden = false;
    say(said);
    this.onDone(this.key);
  }

  end(sentence) {
    this.line.hidden = true;
    this.complain(sentence);
    this.onEnd?.();
  }

  complain(sentence) {
    this.problem.hidden = !sentence;
    this.problem.replaceChildren(...(sentence ? [icon("warning"), el("span", {}, sentence)] : []));
  }

  /** Also before the server has answered with the job's name: then as soon as it has. */
  async stop() {
    this.unwanted = true;
    this.words.textContent = "Stopping";
    if (!this.path) return;
    try {
      await callApi(this.path, { method: "DELETE" });
    } catch (problem) {
      this.complain(problem.message);
    }
  }

  destroy() {
    this.follower?.stop();
  }
}
