/* The reviewer's own reading, before the model: a region on the recording, and one of the classes or "cannot say". */
import { el, icon } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { segments } from "../core/segments.mjs";
import { boundsOf } from "../whatif/cells.mjs";
import { Hand } from "../whatif/hand.mjs";
import * as region from "../whatif/region.mjs";
import * as reading from "./reading.mjs";

const TOOLS = [
  ["rectangle", "Rectangle", "Drag a rectangle; with Shift it is added"],
  ["brush", "Brush", "Paint freely"],
];
const FILTERED = 8;

export class Judge {
  /** @param {import("./session.mjs").Session} session @param {import("./recording.mjs").Recording} recording */
  constructor(session, recording) {
    this.session = session;
    this.recording = recording;
    this.hand = new Hand({
      input: () => session.item?.input ?? "",
      axes: () => recording.axes,
      ready: () => Boolean(recording.axes && session.item),
      fits: (figure) => figure === recording.figure && Boolean(recording.axes),
      drawing: () => this.says(),
      drawn: () => this.drawn(),
    });
    this.drawing = false;
    this.tools = segments("Drawing", TOOLS, this.hand.tool, (tool) => {
      this.hand.tool = tool;
      this.tools.set(tool);
    });
    const small = (text, title, act) => el("button.ev-button.ev-button--small", { type: "button", title, onclick: act }, text);
    this.pen = small("Draw", "Draw on the picture (B)", () => this.draw(!this.drawing));
    this.pen.prepend(icon("pencil"));
    this.undoer = small("Undo", "Take the last change back", () => this.hand.undo());
    this.clearer = small("Clear", "No region", () => this.hand.set(null));
    this.pad = el("div.ev-whatif-pad", {
      tabIndex: 0,
      role: "application",
      "aria-label": "Region: arrows move it, with Shift they change its size, Delete takes it away",
      onkeydown: (event) => this.key(event),
    });
    this.choice = el("div.ev-cases-classes", { role: "radiogroup", "aria-label": "Your reading" });
    this.before = el("p.ev-muted.ev-small");
    this.save = el("button.ev-button.ev-button--primary.ev-cases-save", { type: "button", onclick: () => this.send() });
    this.problem = el("p.ev-problem", { role: "alert", hidden: true });
    this.marking = el(
      "div.ev-cases-marking",
      {},
      el("p.ev-cases-label", {}, "What in it decides it for you?", el("span.ev-muted", {}, " optional")),
      el("div.ev-row", {}, this.pen, this.tools.node),
      el("div.ev-cases-padding", {}, this.pad, this.undoer, this.clearer),
    );
    this.node = el(
      "section.ev-card.ev-cases-judge",
      { "aria-label": "Mark and judge" },
      el("h2.ev-card-title", {}, "Mark and judge"),
      this.marking,
      el("p.ev-cases-label", {}, "What is it, for you?"),
      this.choice,
      this.before,
      el("div.ev-cases-actions", {}, this.save),
      this.problem,
    );
  }

  refresh() {
    const { session } = this;
    const { item, labels, list } = session;
    if (!item) return;
    const { first } = session;
    this.value = session.draft.reading ?? null;
    this.fill(labels);
    const told =
      first &&
      `You said ${reading.readingWord(first.reading, labels)} ${reading.clock(first.at)}. That stays; another reading is added to it.`;
    const hidden = list?.blind && !item.revealed ? "The model\u2019s score and maps stay hidden until you have judged." : "";
    this.before.textContent = told || hidden;
    this.before.hidden = !this.before.textContent;
    this.show();
  }

  fill(labels) {
    const key = `${labels.join("\n")}`;
    if (this.filled !== key) {
      this.filled = key;
      this.choice.replaceChildren(...(labels.length > FILTERED ? this.searched(labels) : this.buttons(labels)));
    }
    this.mark();
  }

  buttons(labels) {
    const option = (value, text) =>
      el(
        "button.ev-cases-class",
        {
          type: "button",
          role: "radio",
          "data-value": String(value),
          onclick: () => this.choose(value),
          onkeydown: (event) => this.turn(event),
        },
        text,
      );
    return [...labels.map((label, index) => option(index, label)), option("cannot_say", "Cannot say")];
  }

  /** Of a thousand classes one is typed. */
  searched(labels) {
    const list = el("datalist", { id: "ev-cases-classes" }, ...labels.map((label) => el("option", { value: label })));
    this.typed = el("input.ev-text", {
      type: "text",
      placeholder: "Type a class",
      "aria-label": "Class",
      onchange: () => {
        const index = labels.indexOf(this.typed.value);
        if (index >= 0) this.choose(index);
      },
    });
    this.typed.setAttribute("list", "ev-cases-classes");
    return [this.typed, list, ...this.buttons([])];
  }

  /** Arrows go from one answer to the next, as among radio buttons. */
  turn(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...this.choice.querySelectorAll("[role=radio]")];
    const next = all[(all.indexOf(event.target) + by + all.length) % all.length];
    next.click();
    next.focus();
  }

  choose(value) {
    this.value = value;
    this.session.say({ reading: value });
    this.mark();
    this.show();
  }

  mark() {
    const all = [...this.choice.querySelectorAll("[role=radio]")];
    const chosen = all.find((button) => button.dataset.value === String(this.value));
    for (const button of all) {
      button.setAttribute("aria-checked", String(button === chosen));
      button.tabIndex = button === (chosen ?? all[0]) ? 0 : -1;
    }
    if (this.typed) this.typed.value = typeof this.value === "number" ? (this.session.labels[this.value] ?? "") : "";
  }

  /** Records the reading; where one is recorded and no other chosen, goes on to the model. */
  send() {
    const { session } = this;
    if (this.value !== null && this.value !== undefined) session.judge();
    else if (session.first) session.setStep(3);
  }

  // ---- the region ----------------------------------------------------------------------------------------------------------------
  /** @param {boolean} on */
  draw(on) {
    if (on === this.drawing) return;
    this.drawing = on && Boolean(this.recording.axes);
    if (this.drawing) this.hand.on();
    else this.hand.off();
    this.pen.setAttribute("aria-pressed", String(this.drawing));
    this.show();
  }

  /** By key: with a rectangle that the arrows move. */
  byKey() {
    if (!this.recording.axes) return;
    this.draw(true);
    if (!viewState.drawn) this.hand.begin();
    this.pad.focus();
  }

  key(event) {
    if (event.key === "Escape") this.draw(false);
    else if (!this.hand.key(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** A press without a drag is no region. */
  drawn() {
    const [rows, cols] = this.hand.grid();
    const bounds = boundsOf(this.hand.cells, rows, cols);
    if (bounds && bounds.r1 - bounds.r0 < 1 && bounds.c1 - bounds.c0 < 1) {
      this.hand.undo();
      return;
    }
    this.session.say({ region: region.wire() });
    this.show();
  }

  get place() {
    const { item } = this.session;
    if (!item || viewState.drawn?.input !== item.input || !this.recording.axes) return "";
    return region.drawnPlace(this.recording.axes);
  }

  says() {
    this.pad.textContent =
      this.place || (this.recording.axes ? "No region. Drag on the picture, or use the arrow keys here." : "The picture is not there yet.");
  }

  show() {
    const { session } = this;
    this.marking.hidden = !session.input;
    this.undoer.disabled = !this.hand.past.length;
    this.clearer.disabled = !this.place;
    this.pen.disabled = !this.recording.axes;
    this.says();
    this.recording.tellRegion(this.place);
    const blind = session.list?.blind && !session.item?.revealed;
    const chosen = this.value !== null && this.value !== undefined;
    const word = blind ? "Save, then show the model" : chosen || !session.first ? "Save and go on" : "See the model";
    this.save.textContent = session.saving ? "Saving\u2026" : word;
    this.save.disabled = session.saving || (!chosen && !session.first);
    this.problem.hidden = !session.problem;
    if (session.problem) this.problem.replaceChildren(icon("warning"), el("span", {}, session.problem.message));
  }

  destroy() {
    this.draw(false);
  }
}
