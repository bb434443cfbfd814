/* What the reviewer thinks of the model's answer: of the prediction, of its explanation, in words. Saved, the next case follows. */
import { el, icon } from "../core/elements.mjs";
import { segments } from "../core/segments.mjs";

const PREDICTION = [
  ["plausible", "Plausible", "The prediction fits what you hear or see"],
  ["not_plausible", "Not plausible", "It does not"],
  ["cannot_say", "Cannot say", "Neither"],
];
const EXPLANATION = [
  ["useful", "Useful", "The maps show what the model used, and it makes sense"],
  ["misleading", "Misleading", "They lead astray"],
  ["cannot_say", "Cannot say", "Neither"],
];

export class VerdictCard {
  /** @param {import("./session.mjs").Session} session @param {() => any} shown what is on the screen */
  constructor(session, shown) {
    this.session = session;
    this.shown = shown;
    const choose = (name) => (value) => {
      session.say({ [name]: session.draft[name] === value ? null : value });
      this.refresh();
    };
    this.prediction = segments("Verdict on the prediction", PREDICTION, "", choose("prediction"));
    this.explanation = segments("Verdict on the explanation", EXPLANATION, "", choose("explanation"));
    this.note = el("textarea.ev-text.ev-cases-note", {
      rows: 2,
      maxLength: 4000,
      placeholder: "Note",
      "aria-label": "Note",
      oninput: () => session.say({ note: this.note.value }),
      onkeydown: (event) => this.key(event),
    });
    this.save = el("button.ev-button.ev-button--primary.ev-cases-save", { type: "button", onclick: () => this.send() }, "Save and next");
    this.before = el("p.ev-muted.ev-small");
    this.problem = el("p.ev-problem", { role: "alert", hidden: true });
    this.node = el(
      "section.ev-card.ev-cases-verdict",
      { "aria-label": "Your verdict" },
      el("h2.ev-card-title", {}, "Your verdict"),
      el("div.ev-cases-line-of", {}, el("span", {}, "Prediction"), this.prediction.node),
      el("div.ev-cases-line-of", {}, el("span", {}, "Explanation"), this.explanation.node),
      this.note,
      this.before,
      el("div.ev-cases-actions", {}, this.save, el("kbd", { title: "In the note too; Shift and Enter begins a line" }, "Enter")),
      this.problem,
    );
  }

  get ready() {
    const { draft, item, saving } = this.session;
    return Boolean(item?.revealed || !item?.blind) && !saving && Boolean(draft.prediction || draft.explanation || draft.note?.trim());
  }

  send() {
    if (this.ready) this.session.agree(this.shown());
  }

  key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    this.send();
  }

  refresh() {
    const { session } = this;
    const { draft, item } = session;
    if (!item) return;
    this.prediction.set(draft.prediction ?? "");
    this.explanation.set(draft.explanation ?? "");
    if (document.activeElement !== this.note || !draft.note) this.note.value = draft.note ?? "";
    const last = session.word;
    this.before.hidden = !last;
    if (last)
      this.before.textContent = `Saved before: ${[said(PREDICTION, last.prediction), said(EXPLANATION, last.explanation), last.note].filter(Boolean).join(", ")}. A further one is added.`;
    this.save.disabled = !this.ready;
    this.save.textContent = session.saving ? "Saving\u2026" : "Save and next";
    this.problem.hidden = !session.problem;
    if (session.problem) this.problem.replaceChildren(icon("warning"), el("span", {}, session.problem.message));
  }
}

const said = (options, key) => options.find(([value]) => value === key)?.[1].toLowerCase() ?? "";
