/* One file on its way to the API: progress, a way out, refusals in plain words. */
import { apiUrl, Problem, problemOf } from "../core/api.mjs";
import { el, icon, parseJson, say } from "../core/elements.mjs";
import { reviewerHeaders } from "../core/reviewer.mjs";
import { tellDash } from "../dash/tell.mjs";

/** Multipart POST with progress. Returns {done: Promise of the JSON answer, cancel(), place()}; rejects with Problem, or null when cancelled.
    place: address of what was or will be made, as the answer names it. */
export function sendFile(path, form, onProgress) {
  const xhr = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    xhr.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    xhr.addEventListener("load", () => {
      const answer = xhr.status < 300 ? parseJson(xhr.responseText) : null;
      if (answer) resolve(answer);
      else reject(problemOf(xhr.status, xhr.responseText, xhr.getResponseHeader("X-Request-ID") || ""));
    });
    xhr.addEventListener("error", () =>
      reject(
        new Problem({ detail: "The file could not be sent: the server does not answer. Check that Evident is running, then try again." }),
      ),
    );
    xhr.addEventListener("abort", () => reject(null));
  });
  xhr.open("POST", apiUrl(path));
  xhr.setRequestHeader("Accept", "application/json");
  for (const [name, value] of Object.entries(reviewerHeaders())) xhr.setRequestHeader(name, value);
  xhr.send(form);
  return { done, cancel: () => xhr.abort(), place: () => xhr.getResponseHeader("Location") || "" };
}

/** Progress line, cancel and the answer of one sending; used by upload and record. */
export class Sending {
  constructor(root) {
    this.root = root;
    this.fill = el("i");
    this.track = el(
      "div.ev-progress.ev-progress--inline",
      { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "Sending" },
      this.fill,
    );
    this.label = el("span.ev-muted");
    this.quit = el("button.ev-link", { type: "button", onclick: () => this.running?.cancel() }, "cancel");
    this.line = el("div.ev-sending", { hidden: true }, this.track, this.label, this.quit);
    this.problem = el("p.ev-problem", { role: "alert", hidden: true });
    this.node = el("div.ev-sending-holder", {}, this.line, this.problem);
  }

  say(sentence, requestId = "") {
    this.problem.hidden = !sentence;
    this.problem.replaceChildren(
      ...(sentence ? [icon("warning"), el("span", {}, sentence, requestId ? ` (request ${requestId.slice(0, 8)})` : "")] : []),
    );
  }

  progress(share) {
    this.fill.style.transform = `scaleX(${share})`;
    this.track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.label.textContent = share < 1 ? `Sending ${Math.round(100 * share)} %` : "Reading the file \u2026";
  }

  /** Sends one file; a second one while the first is on its way replaces it. */
  async post(file) {
    const { dataset } = this.root;
    if (this.running) this.running.cancel();
    this.say("");
    const form = new FormData();
    form.append(dataset.fileField || "file", file, file.name);
    if (dataset.as && dataset.as !== "auto") form.append("as", dataset.as);
    for (const [field, id] of Object.entries(parseJson(dataset.fields, {}))) {
      const node = /** @type {HTMLInputElement | null} */ (document.getElementById(id));
      if (node?.value) form.append(field, node.value);
    }
    this.line.hidden = false;
    this.progress(0);
    const sending = sendFile(dataset.endpoint || "/inputs", form, (share) => this.progress(share));
    this.running = sending;
    try {
      const answer = await sending.done;
      tellDash(dataset.store || "input-store", { data: answer });
      say(`${file.name} was read.`);
    } catch (problem) {
      if (problem) this.say(problem.message, problem.requestId);
    }
    if (this.running !== sending) return;
    this.running = null;
    this.line.hidden = true;
  }

  destroy() {
    if (this.running) this.running.cancel();
  }
}
