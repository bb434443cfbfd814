/* Before a list is open: what the page is for, the lists that are there, the way in, and a list of generated coughs to try it with. */
import { callApi, Problem } from "../core/api.mjs";
import { openDialog } from "../core/dialog.mjs";
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { trouble } from "../job/lines.mjs";
import { Intake } from "./intake.mjs";
import * as reading from "./reading.mjs";

const ABOUT =
  "Go through a list of recordings, or pictures, one by one: hear it, say what it is for you, then see what the model says and what it used, and say whether you agree. Nothing that was said is overwritten.";
const SAMPLES = "Generated coughs";

export class Home {
  /** @type {any[]} */
  models = [];

  /** @param {import("./session.mjs").Session} session @param {(id: string) => void} onOpen */
  constructor(session, onOpen) {
    this.session = session;
    this.onOpen = onOpen;
    this.intake = new Intake({
      models: () => this.models,
      list: () => null,
      onList: (list, stay) => (stay ? session.listAll().catch(() => {}) : onOpen(list.id)),
    });
    this.lists = el("div.ev-cases-lists");
    this.trial = el("button.ev-button", { type: "button", onclick: () => this.tryIt() }, icon("play"), "Try it with generated coughs");
    this.trouble = el("div");
    this.node = el(
      "div.ev-cases-home",
      {},
      el(
        "section.ev-card.ev-cases-intro",
        { "aria-label": "New list" },
        el("h2.ev-cases-title", {}, "Review cases"),
        el("p", {}, ABOUT),
        this.intake.node,
        el("div.ev-row.ev-cases-try", {}, this.trial, el("span.ev-muted", {}, "made by a program; nobody\u2019s voice")),
        this.trouble,
      ),
      this.lists,
    );
    this.know(null);
  }

  /** What the page was told: models, or why there are none; null while the server is still loading them. @param {any} told */
  know(told) {
    if (told?.problem) this.fail(new Problem(told.problem));
    this.models = told?.models ?? [];
    this.trial.disabled = !this.models.length;
    this.intake.refresh();
  }

  fail(problem) {
    this.trouble.replaceChildren(trouble(problem));
  }

  refresh() {
    const { lists, problem } = this.session;
    if (problem) this.fail(problem);
    else this.trouble.replaceChildren();
    this.lists.hidden = !lists?.length;
    if (!lists) return;
    renew(
      this.lists,
      el(
        "section.ev-card",
        { "aria-label": "Lists" },
        el("h2.ev-card-title", {}, "Lists"),
        el("ul.ev-cases-listing", {}, ...lists.map((list) => this.line(list))),
      ),
    );
  }

  line(list) {
    const { todo, judged, disagree, total } = list.counts;
    const open = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.onOpen(list.id);
    };
    const counts = [
      `${total} ${total === 1 ? "case" : "cases"}`,
      `${todo} to do`,
      `${judged} judged`,
      disagree ? `${disagree} disagree` : "",
    ]
      .filter(Boolean)
      .join(" \u00b7 ");
    return el(
      "li",
      {},
      el(
        "a.ev-cases-listed",
        { href: `/cases?list=${encodeURIComponent(list.id)}`, onclick: open },
        el("strong", {}, list.title),
        el("span.ev-muted", {}, `${list.model_title} \u00b7 ${reading.clock(list.created)}`),
        el("span.ev-muted", {}, counts),
      ),
      list.deletable &&
        el(
          "button.ev-icon-button",
          { type: "button", title: "Delete the list", "aria-label": `Delete ${list.title}`, onclick: () => this.remove(list) },
          icon("trash"),
        ),
    );
  }

  remove(list) {
    removeList(list, async () => {
      try {
        await this.session.listAll();
      } catch (problem) {
        this.fail(problem);
      }
    });
  }

  /** The bundled sound samples as a list of their own. */
  async tryIt() {
    this.trial.disabled = true;
    try {
      const samples = (await callApi("/samples")).filter(({ group }) => group === "sounds");
      const inputs = samples.map(({ input }) => input);
      const names = Object.fromEntries(samples.map(({ input, title }) => [input, title + reading.GENERATED]));
      const model = this.models.find(({ key }) => key === "cnnexplain")?.key ?? samples[0]?.model;
      const { worklist } = await callApi("/cases", { method: "POST", json: { inputs, model, title: SAMPLES, names } });
      this.onOpen(worklist.id);
    } catch (problem) {
      this.fail(problem);
    } finally {
      this.trial.disabled = false;
    }
  }

  destroy() {
    this.intake.destroy();
  }
}

/** Asks first: with the list its verdicts go, and the files where nothing else holds them. */
export function removeList(list, onDone) {
  const files = el("input", { type: "checkbox", checked: true });
  const problem = el("div");
  const drop = async () => {
    try {
      await callApi(`/worklists/${encodeURIComponent(list.id)}${files.checked ? "?inputs=true" : ""}`, { method: "DELETE" });
      dialog.close();
      onDone();
    } catch (error) {
      problem.replaceChildren(trouble(error));
    }
  };
  const n = list.counts.total;
  const dialog = openDialog(
    `Delete ${list.title}?`,
    el(
      "p",
      {},
      `${n} ${n === 1 ? "case" : "cases"} with every verdict and history of ${n === 1 ? "it" : "them"} go. This cannot be undone.`,
    ),
    el("label.ev-check", {}, files, " Delete the files from the server too, where nothing else holds them"),
    problem,
    el(
      "div.ev-confirm-actions",
      {},
      el("button.ev-button", { type: "button", onclick: () => dialog.close() }, "Keep"),
      el("button.ev-button.ev-button--primary", { type: "button", onclick: drop }, "Delete"),
    ),
  );
  dialog.classList.add("ev-dialog--narrow");
}
