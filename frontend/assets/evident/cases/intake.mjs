/* Many files, or a folder: each is sent by itself, so that one that cannot be read stops nothing; then they become cases of a list. */
import { callApi, Problem } from "../core/api.mjs";
import { toast } from "../core/dialog.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { trouble } from "../job/lines.mjs";
import * as words from "../maps/words.mjs";
import { filesOf, meant } from "../upload/dropped.mjs";
import { KINDS, kindOf, stated, stays } from "../upload/files.mjs";
import { Import } from "./import.mjs";

/** The kind that most of the files are. @param {{name: string, type: string}[]} files */
export function mainKind(files) {
  const counts = new Map();
  for (const file of files) {
    const kind = kindOf(file);
    if (kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "audio";
}

/** Where the files go and how long they stay. */
const whereabouts = (limits) =>
  `They go to the server that runs this page, nowhere else. Each keeps its file name in the list, and ${stays(limits)}.`;

const AGAIN =
  "Each file is in the list as soon as it is sent. If this window is closed, drop the same files again under the same title: it goes on, and nothing is added twice.";

/** The import that goes on, also while another page is looked at. @type {Import | null} */
let underway = null;

/** "37 cases added, 2 of 40 could not be read." @param {Import} work */
function sum({ failures, added, count, stopped, done }) {
  const until = stopped ? `Stopped after ${done} of ${count} files. ` : "";
  const not = failures.length ? `, ${failures.length} of ${count} could not be read` : "";
  return `${until}${added} ${added === 1 ? "case" : "cases"} added${not}.`;
}

/** The way in: a drop zone with its choices, then progress, then what could not be read. */
export class Intake {
  /** @type {any} */
  limits = {};
  /** @type {Import | null} */
  work = null;
  /** Dropped before the models were known. @type {File[] | null} */
  early = null;

  /**
   * @param {{models: () => any[], list: () => any, onList: (list: any, stay: boolean) => void}} page list: the open one, to add to; onList: a list is there, or has more;
   *   stay: something could not be read, which is to be seen first
   */
  constructor(page) {
    this.page = page;
    const picker = (more) => {
      const node = el("input", {
        type: "file",
        multiple: true,
        hidden: true,
        "aria-label": "Files",
        onchange: () => this.take([...node.files], node),
        ...more,
      });
      return node;
    };
    this.picker = picker({ accept: Object.values(KINDS).flat().join(",") });
    this.folder = picker({ webkitdirectory: true, "aria-label": "Folder" });
    const button = (glyph, text, act, kind = "") => el(`button.ev-button${kind}`, { type: "button", onclick: act }, icon(glyph), text);
    this.hint = el("p.ev-muted");
    this.where = el("p.ev-muted", {}, whereabouts({}));
    this.model = el("select.ev-text", { id: "ev-cases-model" });
    this.titled = el("input.ev-text", {
      id: "ev-cases-name",
      type: "text",
      maxLength: 80,
      placeholder: `Cases of ${new Date().toLocaleDateString("en-GB", { day: "numeric", month: "long" })}`,
    });
    this.blind = el("input", { type: "checkbox", checked: true });
    this.choices = el(
      "div.ev-cases-choices",
      {},
      el("label", { htmlFor: "ev-cases-name" }, "Title"),
      this.titled,
      el("label", { htmlFor: "ev-cases-model" }, "Model"),
      this.model,
      el(
        "label.ev-check.ev-cases-blind",
        {},
        this.blind,
        el("span", {}, "Judge first, then see the model", el("span.ev-muted", {}, " its answer stays hidden until you have said yours")),
      ),
    );
    this.wait = el("p", { role: "status" }, "One moment: the models are being loaded\u2026");
    this.buttons = [
      button("upload", "Choose files", () => this.picker.click(), ".ev-button--primary"),
      button("layers", "Choose a folder", () => this.folder.click()),
    ];
    this.zone = el(
      "div.ev-drop.ev-cases-drop",
      {
        ondragover: (event) => {
          event.preventDefault();
          this.zone.classList.add("ev-drop--over");
        },
        ondragleave: () => this.zone.classList.remove("ev-drop--over"),
        ondrop: (event) => this.drop(event),
      },
      el("strong", {}, "Drop recordings or a folder here"),
      this.hint,
      this.where,
      el("div.ev-row", {}, ...this.buttons),
      this.wait,
      this.picker,
      this.folder,
    );
    this.progress = el("div.ev-cases-progress", { hidden: true });
    this.node = el("div.ev-cases-intake", {}, this.zone, this.choices, this.progress);
    if (underway) this.own(underway);
    this.askLimits();
  }

  async askLimits() {
    try {
      this.limits = await callApi("/limits");
      this.hint.textContent = stated(this.limits);
      this.where.textContent = whereabouts(this.limits);
    } catch {
      // the server still checks every file itself
    }
  }

  refresh() {
    const models = this.page.models();
    const chosen = this.model.value;
    this.model.replaceChildren(...models.map(({ key, title }) => el("option", { value: key }, title)));
    const preferred = models.find(({ default_for: kinds }) => kinds?.includes("audio"));
    this.model.value = chosen || preferred?.key || models[0]?.key || "";
    this.choices.hidden = Boolean(this.page.list());
    this.wait.hidden = this.ready;
    this.drawButtons();
    if (!this.ready || !this.early) return;
    const { early } = this;
    this.early = null;
    this.take(early);
  }

  /** One import at a time. */
  drawButtons() {
    for (const node of this.buttons) node.disabled = !this.ready || this.busy;
  }

  get busy() {
    return Boolean(this.work && !this.work.over);
  }

  async drop(event) {
    event.preventDefault();
    this.zone.classList.remove("ev-drop--over");
    this.take(await filesOf(event.dataTransfer));
  }

  /** @param {File[]} files @param {HTMLInputElement} [picker] */
  async take(files, picker) {
    if (picker) picker.value = "";
    const wanted = meant(files);
    if (!wanted.length) return;
    if (this.busy) {
      toast("One after the other: these files can be added as soon as the others are sent.");
      return;
    }
    if (!this.ready) {
      this.early = wanted;
      return;
    }
    const list = this.page.list();
    const room = this.limits.worklist_cases - (list?.counts.total ?? 0);
    if (wanted.length > room) {
      this.refuse(wanted.length, room);
      return;
    }
    const into = list ? { worklist: list.id, model: list.model } : this.wanted(wanted);
    const work = new Import(wanted, into, this.limits, this);
    this.own(work);
    underway = work;
    work.run();
  }

  /** Before anything is sent. */
  refuse(count, room) {
    const most = this.limits.worklist_cases.toLocaleString("en");
    const detail = `A list holds at most ${most} cases, and these are ${count.toLocaleString("en")} files. Choose ${room.toLocaleString("en")} or fewer; the others can go into a second list.`;
    this.progress.hidden = false;
    renew(this.progress, trouble(new Problem({ title: "Too many files", detail })));
  }

  /** Shows an import that this page, or an earlier one, began. @param {Import} work */
  own(work) {
    this.work = work;
    work.page = this;
    this.tell();
  }

  /** Nothing is under way any more. */
  ended() {
    const { work } = this;
    underway = null;
    if (!work || work.refused) return;
    say(sum(work));
    if (work.list) this.page.onList(work.list, work.failures.length > 0);
  }

  /** Until the models are known there is nothing to make a list for. */
  get ready() {
    return Boolean(this.page.list()) || this.page.models().length > 0;
  }

  /** A list of photographs takes a model of photographs, unless another was chosen by hand. */
  wanted(files) {
    const kind = { image: "image", array: "spectrogram", audio: "audio" }[mainKind(files)] ?? "audio";
    const models = this.page.models();
    const chosen = models.find(({ key }) => key === this.model.value);
    const fits = (model) => Boolean(model?.modalities.includes(kind));
    const better = models.find((model) => fits(model) && model.default_for?.includes(kind)) ?? models.find(fits);
    const model = fits(chosen) || !better ? chosen : better;
    return { model: model?.key ?? "", title: this.titled.value.trim() || this.titled.placeholder, blind: this.blind.checked };
  }

  tell() {
    const { work } = this;
    this.progress.hidden = !work;
    if (!work) return;
    this.drawButtons();
    const { failures, over } = work;
    const line = work.refused ? this.again(work.refused) : over ? this.done(work) : this.doing(work);
    const why = el(
      "ul.ev-cases-failures",
      { tabIndex: 0, "aria-label": "Files that could not be read" },
      ...failures.map((failure) => el("li", {}, el("strong", {}, failure.name), ` ${failure.why}`)),
    );
    const open =
      over &&
      failures.length > 0 &&
      work.list &&
      el("button.ev-button.ev-button--primary", { type: "button", onclick: () => this.page.onList(work.list, false) }, "Open the list");
    renew(this.progress, ...[line, failures.length > 0 && why, open].filter(Boolean));
  }

  again(problem) {
    return trouble(problem, () => {
      underway = this.work;
      this.work?.run();
    });
  }

  done(work) {
    return el("p", { role: "status" }, icon(work.failures.length ? "warning" : "check"), ` ${sum(work)}`);
  }

  doing({ count, done, failures, remaining, away, stopped, list }) {
    const share = Math.round((100 * done) / count);
    const fill = el("i");
    fill.style.transform = `scaleX(${share / 100})`;
    const range = { "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(share) };
    const of = `${words.integer(done)} of ${words.integer(count)} files`;
    const not = failures.length ? `${failures.length} could not be read` : "";
    const left = words.left({ done, total: count, remaining });
    const here = this.page.list()?.id === list?.id;
    return el(
      "div.ev-cases-sending",
      {},
      el(
        "div.ev-row",
        {},
        el("div.ev-progress.ev-progress--inline", { role: "progressbar", "aria-label": "Sending", ...range }, fill),
        el("span.ev-muted", {}, [of, not, left].filter(Boolean).join(" \u00b7 ")),
        list && !here && el("button.ev-link", { type: "button", onclick: () => this.page.onList(list, false) }, "open the list"),
        el("button.ev-link", { type: "button", disabled: stopped, onclick: () => this.work?.stop() }, "stop"),
      ),
      away
        ? el("p", { role: "status" }, icon("warning"), ` ${away.message} It goes on by itself as soon as the server takes files again.`)
        : el("p.ev-muted", {}, AGAIN),
    );
  }

  /** What is under way goes on while other pages are looked at. */
  destroy() {
    const { work } = this;
    if (!work || work.page !== this) return;
    const ended = () => {
      underway = null;
      toast(work.refused ? `The files could not all be sent: ${work.refused.message}` : sum(work));
    };
    work.page = { tell: () => {}, ended };
  }
}
