/* Sending a file straight to the API: limits are stated and checked first, progress and a way out while it goes, refusals in plain words.

   data-store · data-limits JSON of GET /limits · data-as auto|spectrogram · data-endpoint (/inputs) · data-file-field (file)
   data-fields JSON {form field: DOM id} · data-accept JSON list of extensions · data-max-bytes · data-compact "1" · data-word
   data-quiet "1": the card around it says formats, limits and where the file goes */
(() => {
  "use strict";
  const { evident } = window;
  const { el, icon, words } = evident;
  const KINDS = {
    image: [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"],
    audio: [".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".webm"],
    array: [".npy"],
  };
  const NOUNS = { image: "A picture", audio: "A recording", array: "An array", file: "A file" };

  const extension = (name) => (/\.[a-z0-9]+$/i.exec(name) || [""])[0].toLowerCase();

  /** "image", "audio" or "array" of a file, by its extension and else by what the browser says it is. */
  function kindOf({ name, type }) {
    const end = extension(name);
    const known = Object.keys(KINDS).find((kind) => KINDS[kind].includes(end));
    return known || ["image", "audio"].find((kind) => (type || "").startsWith(`${kind}/`)) || null;
  }

  const listed = (endings) => endings.map((end) => end.replace(/^\./, "").toUpperCase()).join(", ");

  /** Why a file cannot be sent, in one sentence, or null. limits: GET /limits; rules: {accept, maxBytes} override them. */
  function refusal(file, limits, { accept = null, maxBytes = null } = {}) {
    const allowed = accept || limits.accept || Object.values(KINDS).flat();
    const end = extension(file.name);
    const kind = kindOf(file);
    if (file.size === 0) return "This file is empty. Choose another one.";
    const named = end !== "" && allowed.some((item) => item.toLowerCase().replace(/^\.?/, ".") === end);
    if (!named && (accept || end !== "" || !kind)) return `Files of this type are not accepted. Accepted: ${listed(allowed)}.`;
    const limit = maxBytes || limits[`${kind}_bytes`];
    if (limit && file.size > limit) {
      return `${NOUNS[kind] || NOUNS.file} may have at most ${words.bytes(limit)}; this one has ${words.bytes(file.size)}. Choose a smaller file or cut it.`;
    }
    return null;
  }

  /** One sentence on what may be dropped here. */
  function stated(limits) {
    const parts = [];
    if (limits.image_bytes) parts.push(`pictures (PNG, JPEG, WebP, TIFF) up to ${words.bytes(limits.image_bytes)}`);
    if (limits.audio_bytes) parts.push(`recordings (WAV, FLAC, OGG, MP3, M4A, WebM) up to ${words.bytes(limits.audio_bytes)}${limits.audio_seconds ? ` or ${Math.round(limits.audio_seconds / 60)} minutes` : ""}`);
    if (limits.array_bytes) parts.push(`spectrograms (NPY or a picture) up to ${words.bytes(limits.array_bytes)}`);
    const text = parts.join(", ");
    return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
  }

  /** Multipart POST with progress. Returns {done: Promise of the JSON answer, cancel()}; rejects with Problem, or null when cancelled. */
  evident.send = (path, form, onProgress) => {
    const xhr = new XMLHttpRequest();
    const done = new Promise((resolve, reject) => {
      xhr.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
      xhr.addEventListener("load", () => {
        const answer = xhr.status < 300 ? evident.parse(xhr.responseText) : null;
        if (answer) resolve(answer);
        else reject(evident.problemOf(xhr.status, xhr.responseText, xhr.getResponseHeader("X-Request-ID") || ""));
      });
      xhr.addEventListener("error", () => reject(new evident.Problem({ detail: "The file could not be sent: the server does not answer. Check that Evident is running, then try again." })));
      xhr.addEventListener("abort", () => reject(null));
    });
    xhr.open("POST", evident.url(path));
    xhr.setRequestHeader("Accept", "application/json");
    xhr.send(form);
    return { done, cancel: () => xhr.abort() };
  };

  /** Progress line, cancel and the answer of one sending; used by upload and record. */
  class Sending {
    constructor(root) {
      this.root = root;
      this.fill = el("i");
      this.track = el("div.ev-progress.ev-progress--inline", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "Sending" }, this.fill);
      this.label = el("span.ev-muted");
      this.quit = el("button.ev-link", { type: "button", onclick: () => this.running && this.running.cancel() }, "cancel");
      this.line = el("div.ev-sending", { hidden: true }, this.track, this.label, this.quit);
      this.problem = el("p.ev-problem", { role: "alert", hidden: true });
      this.node = el("div.ev-sending-holder", {}, this.line, this.problem);
    }

    say(sentence, requestId = "") {
      this.problem.hidden = !sentence;
      this.problem.replaceChildren(...(sentence ? [icon("warning"), el("span", {}, sentence, requestId ? ` (request ${requestId.slice(0, 8)})` : "")] : []));
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
      for (const [field, id] of Object.entries(evident.parse(dataset.fields, {}))) {
        const node = document.getElementById(id);
        if (node && node.value) form.append(field, node.value);
      }
      this.line.hidden = false;
      this.progress(0);
      const sending = evident.send(dataset.endpoint || "/inputs", form, (share) => this.progress(share));
      this.running = sending;
      try {
        const answer = await sending.done;
        evident.tell(dataset.store || "input-store", { data: answer });
        evident.say(`${file.name} was read.`);
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

  class Upload {
    constructor(root) {
      this.root = root;
      this.sending = new Sending(root);
      this.picker = el("input", { type: "file", hidden: true, "aria-label": "File", onchange: () => this.take([...this.picker.files]) });
      this.button = el("button.ev-button", { type: "button", onclick: () => this.picker.click() });
      this.hint = el("p.ev-muted");
      this.zone = el("div.ev-drop");
      root.append(this.zone);
      this.offs = [];
    }

    get compact() {
      return this.root.dataset.compact === "1";
    }

    update() {
      const { dataset } = this.root;
      this.limits = evident.parse(dataset.limits) || this.limits;
      this.accept = evident.parse(dataset.accept);
      if (!this.limits) this.askLimits();
      this.button.replaceChildren(icon("upload"), dataset.word || "Upload");
      this.picker.accept = (this.accept || (this.limits || {}).accept || Object.values(KINDS).flat()).join(",");
      this.hint.textContent = this.accept ? `${listed(this.accept)}.` : stated(this.limits || {});
      this.zone.classList.toggle("ev-drop--compact", this.compact);
      this.zone.replaceChildren(...this.stating(), this.button, this.picker, this.sending.node);
      this.button.title = this.compact ? this.hint.textContent : "";
      this.listen();
    }

    /** What stands above the button of the large form. */
    stating() {
      if (this.compact) return [];
      if (this.root.dataset.quiet === "1") return [el("p.ev-muted", {}, "Drop it here, paste it, or")];
      const stays = el("p.ev-muted", {}, "It goes to the server that runs this page, nowhere else, and stays until it is deleted.");
      return [el("strong", {}, "Drop a file here"), this.hint, stays];
    }

    async askLimits() {
      this.limits = {};
      try {
        this.limits = await evident.request("/limits");
        this.update();
      } catch {
        // the server still checks every file itself
      }
    }

    /** Drop on the zone (or the card around a compact button), paste anywhere outside text fields. */
    listen() {
      this.unlisten();
      const target = (this.compact && this.root.closest(".card")) || this.zone;
      const on = (node, name, fn) => {
        node.addEventListener(name, fn);
        this.offs.push(() => node.removeEventListener(name, fn));
      };
      on(target, "dragover", (event) => {
        event.preventDefault();
        target.classList.add("ev-drop--over");
      });
      on(target, "dragleave", (event) => !target.contains(event.relatedTarget) && target.classList.remove("ev-drop--over"));
      on(target, "drop", (event) => {
        event.preventDefault();
        target.classList.remove("ev-drop--over");
        this.take([...event.dataTransfer.files]);
      });
      on(document, "paste", (event) => {
        if (evident.typing(event.target) || !event.clipboardData || !this.root.offsetParent) return;
        const files = [...event.clipboardData.files];
        if (files.length) this.take(files);
      });
    }

    unlisten() {
      for (const off of this.offs) off();
      this.offs = [];
    }

    take(files) {
      this.picker.value = "";
      if (!files.length) return;
      const rules = { accept: this.accept, maxBytes: Number(this.root.dataset.maxBytes) || null };
      const why = files.length > 1 ? "Only one file at a time. Drop one file." : refusal(files[0], this.limits || {}, rules);
      if (why) this.sending.say(why);
      else this.sending.post(files[0]);
    }

    destroy() {
      this.unlisten();
      this.sending.destroy();
    }
  }

  evident.Sending = Sending;
  evident.upload = { kindOf, refusal, stated };
  const ATTRIBUTES = ["store", "limits", "as", "endpoint", "file-field", "fields", "accept", "max-bytes", "compact", "word", "quiet"];
  evident.widget("upload", ATTRIBUTES, (root) => new Upload(root));
})();
