/* A file of weights of one's own: its architecture is told from its header before anything is sent, its classes get names.

   weights: data-store a counter, told when a network was added · data-max-bytes · data-downloads */
import { apiUrl, callApi, problemOf } from "../core/api.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { followJob } from "../core/jobs.mjs";
import { reviewerHeaders } from "../core/reviewer.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import { integer, megabytes, millions } from "../maps/words.mjs";
import { sendFile } from "../upload/sending.mjs";
import { useLinks } from "./fetching.mjs";
import { readHeader } from "./safetensors.mjs";

const LABEL_BYTES = 1048576;
const FROM = { imagenet: "ImageNet names", file: "names from the file", numbers: "numbers for names", sent: "names from your list" };

/** "cat, dog, hen and 4 more" */
export function someOf(labels, most = 3) {
  const rest = labels.length - most;
  return rest > 0 ? `${labels.slice(0, most).join(", ")} and ${integer(rest)} more` : labels.join(", ");
}

class Weights {
  constructor(root) {
    this.root = root;
    this.picker = this.input(".safetensors", "File of weights", (file) => this.take(file));
    this.labelPicker = this.input(".txt,.json,.csv", "File of labels", (file) => this.takeLabels(file));
    this.zone = el("div.ev-weights-drop");
    this.state = el("div.ev-weights-state");
    this.problem = el("p.ev-problem", { role: "alert", hidden: true });
    root.append(this.zone, this.picker, this.labelPicker, this.state, this.problem);
    this.listen();
  }

  input(accept, label, take) {
    const node = el("input", { type: "file", accept, hidden: true, "aria-label": label });
    node.addEventListener("change", () => {
      const [file] = node.files;
      node.value = "";
      if (file) take(file);
    });
    return node;
  }

  update() {
    const most = Number(this.root.dataset.maxBytes);
    const choose = el("button.ev-button", { type: "button", onclick: () => this.picker.click() }, icon("upload"), "Choose");
    const words = el("div", {}, el("strong", {}, "Drop a .safetensors here"));
    words.append(el("p.ev-muted", {}, `${most ? `Up to ${megabytes(most)}. ` : ""}It stays on this server until you delete it.`));
    this.zone.replaceChildren(words, choose);
  }

  listen() {
    const over = (event, on) => {
      event.preventDefault();
      this.zone.classList.toggle("ev-drop--over", on);
    };
    this.zone.addEventListener("dragover", (event) => over(event, true));
    this.zone.addEventListener("dragleave", (event) => over(event, false));
    this.zone.addEventListener("drop", (event) => {
      over(event, false);
      const files = [...(event.dataTransfer?.files || [])];
      if (files.length > 1) this.complain("One file at a time. Drop one file.");
      else if (files.length) this.take(files[0]);
    });
  }

  complain(sentence) {
    this.problem.hidden = !sentence;
    this.problem.replaceChildren(...(sentence ? [icon("warning"), el("span", {}, sentence)] : []));
  }

  /** A chosen file: weights, or the labels of weights that wait. */
  async take(file) {
    this.complain("");
    if (/\.(txt|json|csv)$/i.test(file.name) && this.known) {
      await this.takeLabels(file);
      return;
    }
    this.running?.cancel();
    this.follower?.stop();
    this.state.replaceChildren();
    this.known = null;
    this.file = file;
    const most = Number(this.root.dataset.maxBytes);
    if (most && file.size > most) {
      this.complain(`The file has ${megabytes(file.size)}; this server takes up to ${megabytes(most)}.`);
      return;
    }
    try {
      const header = await readHeader(file);
      const known = await callApi(`/hub/recognise?name=${encodeURIComponent(file.name.slice(0, 200))}`, { method: "POST", json: header });
      if (this.file !== file) return;
      this.known = known;
      this.labels = null;
      this.show();
      say(`Recognised: ${known.candidates[0].key}.`);
    } catch (problem) {
      if (this.file === file) this.complain(problem.message);
    }
  }

  async takeLabels(file) {
    this.complain("");
    if (file.size > LABEL_BYTES) {
      this.complain("The file of labels is larger than 1 MB; one name per class is enough.");
      return;
    }
    try {
      const path = `/hub/labels?outputs=${this.known.outputs}`;
      const answer = await fetch(apiUrl(path), {
        method: "POST",
        headers: { "Content-Type": "text/plain", ...reviewerHeaders() },
        body: await file.arrayBuffer(),
      });
      if (!answer.ok) throw problemOf(answer.status, await answer.text());
      this.labels = (await answer.json()).labels;
      this.show();
      say(`${integer(this.labels.length)} labels were read.`);
    } catch (problem) {
      this.complain(problem.message);
    }
  }

  /** What was recognised, and what can be changed before it is added. */
  show() {
    const { known, file } = this;
    const { candidates, outputs, tensors } = known;
    const labels = this.labels || known.labels;
    const facts = el("span.ev-muted", {}, `${megabytes(file.size)}, all ${integer(tensors)} tensors fit`);
    const names = `${integer(outputs)} ${outputs === 1 ? "output" : "outputs"}, ${FROM[this.labels ? "sent" : known.labels_from]}: ${someOf(labels)}`;
    const change = el("button.ev-button", { type: "button", onclick: () => this.labelPicker.click() }, "Labels");
    change.title = "One per line, JSON or CSV, in the order of the outputs";
    const add = el("button.ev-button.ev-button--primary", { type: "button", onclick: () => this.send() }, "Add it");
    this.state.replaceChildren(
      el("div.ev-weights-file", {}, icon("file"), el("span.ev-weights-name", {}, file.name), facts),
      el(
        "div.ev-weights-found",
        {},
        icon("check"),
        el("div", {}, el("strong", {}, "Recognised: "), this.choice(candidates), el("p.ev-muted.ev-small", {}, names)),
        el("div.ev-weights-actions", {}, change, add),
      ),
    );
  }

  /** One name, or a choice among those that the same tensors fit. */
  choice(candidates) {
    this.architecture = candidates[0].key;
    if (candidates.length === 1) return el("strong", {}, candidates[0].key);
    const options = candidates.map(({ key, parameters }) => el("option", { value: key }, `${key} (${millions(parameters)})`));
    const select = el("select.ev-select", { "aria-label": "Architecture" }, ...options);
    select.addEventListener("change", () => {
      this.architecture = select.value;
    });
    const why = el(
      "p.ev-muted.ev-small",
      {},
      `${integer(candidates.length)} networks have these tensors; they differ in how a picture is prepared.`,
    );
    return el("span", {}, select, why);
  }

  async send() {
    const { file } = this;
    const form = new FormData();
    form.append("weights", file, file.name);
    form.append("architecture", this.architecture);
    if (this.labels) form.append("labels", JSON.stringify(this.labels));
    const fill = el("i");
    const track = el(
      "div.ev-progress.ev-progress--inline",
      { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "Sending" },
      fill,
    );
    const words = el("span.ev-muted");
    const quit = el("button.ev-button", { type: "button", onclick: () => this.running?.cancel() }, "Stop");
    this.complain("");
    this.state.replaceChildren(el("div.ev-fetch-line", {}, track, words, quit));
    const sending = sendFile("/models", form, (share) => {
      fill.style.transform = `scaleX(${share})`;
      track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
      words.textContent = share < 1 ? `Sending ${Math.round(100 * share)} %` : "Trying it once";
      quit.hidden = share >= 1;
    });
    this.running = sending;
    try {
      const model = await sending.done;
      if (this.file !== file) return;
      if (model.labels) this.added(model);
      else this.follow(`/jobs/${model.id}`, sending.place());
    } catch (problem) {
      if (this.file !== file) return;
      this.show();
      if (problem) this.complain(problem.message);
    }
  }

  /** The server is still trying the network. place: address of the model once it is there. */
  follow(path, place) {
    const words = el("span.ev-muted", {}, "Trying it once");
    this.state.replaceChildren(el("div.ev-fetch-line", {}, words));
    const { file } = this;
    const take = (job) => {
      if (this.file !== file) return;
      words.textContent = job.state === "queued" ? "Waiting for a worker" : "Trying it once";
      if (job.state === "done") this.look(place, file);
      else if (job.state === "failed" || job.state === "cancelled") this.refused(job.error?.detail || "It was stopped.");
    };
    this.follower = followJob(path, take, (problem, passing) => passing || this.refused(problem.message));
  }

  /** Asks for the model that was added until the server has described it. */
  async look(place, file) {
    try {
      const model = await callApi(place);
      if (this.file === file) this.added(model);
    } catch (problem) {
      if (this.file !== file) return;
      if (problem.status === 503) this.timer = setTimeout(() => this.look(place, file), 2000);
      else this.refused(problem.message);
    }
  }

  refused(sentence) {
    this.show();
    this.complain(sentence);
  }

  added(model) {
    const said = `${model.title} was added: ${integer(model.labels.length)} classes.`;
    const line = el(
      "div.ev-weights-found",
      {},
      icon("check"),
      el("div", {}, el("strong", {}, model.title), el("p.ev-muted.ev-small", {}, said)),
    );
    line.append(el("div.ev-weights-actions", {}, ...useLinks(model.key)));
    this.state.replaceChildren(line);
    say(said);
    tellDash(this.root.dataset.store, { data: Date.now() });
  }

  destroy() {
    clearTimeout(this.timer);
    this.follower?.stop();
    this.running?.cancel();
  }
}

declareWidget("weights", ["max-bytes"], (root) => new Weights(root));
