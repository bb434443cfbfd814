/* Beside a case: what happened to it so far, and how to take it along. And how far reviewers agree with each other and with the model. */
import { apiUrl, callApi } from "../core/api.mjs";
import { openDialog } from "../core/dialog.mjs";
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { copyLink } from "../dash/address.mjs";
import { trouble } from "../job/lines.mjs";
import { openReport } from "../report/report.mjs";
import { ofCase } from "../report/words.mjs";
import * as reading from "./reading.mjs";

const path = encodeURIComponent;

export class HistoryCard {
  constructor(session) {
    this.session = session;
    this.node = el("section.ev-card.ev-cases-history", { "aria-label": "History" });
  }

  refresh() {
    const { item } = this.session;
    const history = item?.history ?? [];
    this.node.hidden = !history.length;
    const people = new Set(history.map(({ reviewer }) => reviewer));
    const lines = history.map(({ at, reviewer, words }) =>
      el("li", {}, el("time", { dateTime: at }, reading.clock(at)), el("span", {}, people.size > 1 ? `${reviewer}: ` : "", words)),
    );
    renew(this.node, el("h2.ev-card-title", {}, "History"), el("ol.ev-cases-events", { tabIndex: 0 }, ...lines));
  }
}

export class Takeaway {
  constructor(session) {
    this.session = session;
    this.report = el("a.ev-button", { target: "_blank", rel: "noreferrer" }, icon("file"), "Report");
    this.page = el(
      "a.ev-button",
      { target: "_blank", rel: "noreferrer", title: "One page with playable sound" },
      icon("sound"),
      "As a page",
    );
    const link = el("button.ev-button", { type: "button", onclick: copyLink }, icon("link"), "Copy link");
    this.check = el(
      "button.ev-button.ev-cases-verify",
      { type: "button", title: "Recompute every score and map of this case (G)", onclick: () => this.verify() },
      icon("reset"),
      "Reproduce & verify",
    );
    this.compare = el("a.ev-button", { title: "All methods on this input" }, icon("layers"), "Compare");
    this.why = el("p.ev-muted.ev-small", { hidden: true }, "The report follows once you have judged.");
    this.drop = el("button.ev-link.ev-cases-drop-case", { type: "button", onclick: () => removeCase(session) }, "Delete this case");
    this.node = el("div.ev-cases-take", {}, this.report, this.page, this.why, this.check, link, this.compare, this.drop);
  }

  refresh() {
    const { item } = this.session;
    this.node.hidden = !item;
    if (!item) return;
    const { ready, path } = this.about();
    for (const [node, form] of /** @type {const} */ ([
      [this.report, "pdf"],
      [this.page, "html"],
    ])) {
      // a link without an address cannot be followed; why stands beside it
      if (ready) node.href = apiUrl(path(form));
      else node.removeAttribute("href");
      node.setAttribute("aria-disabled", String(!ready));
    }
    this.why.hidden = ready;
    this.drop.hidden = !this.session.list?.deletable;
    this.compare.hidden = !item.revealed || item.gone;
    this.compare.href = `/?${new URLSearchParams({ model: item.model, input: item.input })}`;
  }

  /** What the report of the open case is of. */
  about() {
    const { item, asked } = this.session;
    return ofCase(item, window.location.href, asked.has(item.id));
  }

  verify() {
    if (this.session.item) openReport(() => this.about());
  }
}

/** Asks first: with the case what was said of it goes. */
function removeCase(session) {
  const { item } = session;
  const problem = el("div");
  const drop = async () => {
    try {
      await callApi(`/cases/${path(item.id)}`, { method: "DELETE" });
      dialog.close();
      session.dropped(item);
    } catch (error) {
      problem.replaceChildren(trouble(error));
    }
  };
  const dialog = openDialog(
    "Delete this case?",
    el("p", {}, `${item.name} leaves the list with every verdict on it. The file itself stays on the server. This cannot be undone.`),
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

/** How far two reviewers, and reviewers and the model, agree. */
export async function showAgreement(list) {
  const body = el("div.ev-cases-agreement", {}, el("p.ev-muted", { role: "status" }, "Counting\u2026"));
  const dialog = openDialog(`Agreement in ${list.title}`, body);
  try {
    const told = await callApi(`/worklists/${path(list.id)}/agreement`);
    body.replaceChildren(...agreement(told));
  } catch (problem) {
    body.replaceChildren(trouble(problem));
  }
  return dialog;
}

function agreement({ reviewers = [], pairs = [], model = [], words = "" }) {
  const rows = [
    ...pairs.map((pair) => [`${pair.a} and ${pair.b}`, pair]),
    ...model.map((each) => [`${each.reviewer} and the model`, each]),
  ];
  const head = el("tr", {}, ...["Who", "Same answer", "Cohen\u2019s kappa"].map((text) => el("th", { scope: "col" }, text)));
  const lines = rows.map(([who, of]) =>
    el("tr", {}, el("th", { scope: "row" }, who), el("td", {}, reading.sameWords(of)), el("td", {}, reading.kappaLine(of))),
  );
  const judged = reviewers.map(({ name, judged: n }) => `${name} ${n}`).join(", ");
  return [
    words && el("p", {}, words),
    judged && el("p.ev-muted", {}, `Judged: ${judged}.`),
    rows.length
      ? el("table.ev-data-table", {}, el("thead", {}, head), el("tbody", {}, ...lines))
      : el("p.ev-muted", {}, "Nothing to compare yet: a second reviewer, or cases with the model shown, are missing."),
    el(
      "p.ev-muted.ev-small",
      {},
      "Of each reviewer the first reading counts. Left out: cases on which one of the two names no class (cannot say, undecided, withheld). Kappa is agreement beyond chance, with its 95 % interval: 0 is chance, 1 is always the same answer; words after Landis and Koch (1977).",
    ),
  ].filter(Boolean);
}
