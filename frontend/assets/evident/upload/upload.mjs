/* Sending a file straight to the API: limits are stated and checked first.

   data-store · data-limits JSON of GET /limits · data-as auto|spectrogram · data-endpoint (/inputs) · data-file-field (file)
   data-fields JSON {form field: DOM id} · data-accept JSON list of extensions · data-max-bytes · data-compact "1" · data-word
   data-quiet "1": the card around it says formats, limits and where the file goes */
import { callApi } from "../core/api.mjs";
import { el, icon, isTyping, parseJson } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { addressRefusal, KINDS, listed, pasted, refusal, stated, stays } from "./files.mjs";
import { Sending } from "./sending.mjs";

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
    this.limits = parseJson(dataset.limits) || this.limits;
    this.accept = parseJson(dataset.accept);
    if (!this.limits) this.askLimits();
    this.button.replaceChildren(icon("upload"), dataset.word || "Upload");
    this.picker.accept = (this.accept || this.limits?.accept || Object.values(KINDS).flat()).join(",");
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
    const words = `It goes to the server that runs this page, nowhere else, and ${stays(this.limits || {})}.`;
    return [el("strong", {}, "Drop a file here, or paste a picture"), this.hint, el("p.ev-muted", {}, words)];
  }

  async askLimits() {
    this.limits = {};
    try {
      this.limits = await callApi("/limits");
      this.update();
    } catch {
      // the server still checks every file itself
    }
  }

  /** Drop on the zone (or the card around a compact button), paste anywhere outside text fields. */
  listen() {
    this.unlisten();
    const target = (this.compact && this.root.closest(".ev-card")) || this.zone;
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
      this.receive(event.dataTransfer);
    });
    on(document, "paste", (event) => {
      if (event.defaultPrevented || isTyping(event.target) || !event.clipboardData || !this.isFront()) return;
      if (this.receive(event.clipboardData)) event.preventDefault();
    });
  }

  /** Seen, and not behind a drawer that takes files itself. */
  isFront() {
    const over = [...document.querySelectorAll('[role="dialog"] [data-evident="upload"]')].filter((zone) => zone.checkVisibility());
    return this.root.checkVisibility() && (!over.length || over.includes(this.root));
  }

  /**
   * Files are taken; an address is answered in a sentence. Whether it was either.
   * @param {DataTransfer} data
   */
  receive(data) {
    const files = [...data.files].map(pasted);
    const why = files.length ? "" : addressRefusal(data.getData("text/plain"));
    this.take(files);
    if (why) this.sending.say(why);
    return files.length > 0 || Boolean(why);
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

const ATTRIBUTES = ["store", "limits", "as", "endpoint", "file-field", "fields", "accept", "max-bytes", "compact", "word", "quiet"];
declareWidget("upload", ATTRIBUTES, (root) => new Upload(root));
