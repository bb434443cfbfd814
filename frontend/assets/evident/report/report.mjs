/* The report of what is on the page, and what a report claims recomputed: one dialog, opened by a press on [data-report] or by the key G,
   and from a case. */
import { apiUrl, callApi } from "../core/api.mjs";
import { on } from "../core/bus.mjs";
import { openDialog } from "../core/dialog.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { followJob } from "../core/jobs.mjs";
import { viewState } from "../core/state.mjs";
import { duration } from "../maps/words.mjs";
import { finishedPanels } from "../panel/panels.mjs";
import { recent } from "../upload/recent.mjs";
import { ofMaps, STATES, VERDICTS } from "./words.mjs";

/** What Compare shows now. A score that is withheld there is not told in the report. */
function comparison() {
  const panels = finishedPanels();
  const input = panels[0]?.job?.request.input;
  return ofMaps({
    ids: panels.map(({ id }) => String(id)),
    look: viewState.look,
    link: window.location.href,
    name: recent().find(({ id }) => id === input)?.name ?? "",
    asked: !document.querySelector("#prediction-card .ev-withheld"),
  });
}

/** Recomputing one report: progress, then each claim with its outcome. */
class Check {
  constructor() {
    this.node = el("div.ev-report-check", { "aria-live": "polite" });
    /** @type {{stop: () => void} | null} */
    this.follower = null;
  }

  /** @param {() => Promise<Blob>} take @param {string} name */
  async start(take, name) {
    this.stop();
    this.tell("Sending the report \u2026");
    try {
      const form = new FormData();
      form.append("file", await take(), name);
      const { id } = await callApi("/verifications", { method: "POST", form });
      this.follower = followJob(
        `/verifications/${id}`,
        (job) => this.show(/** @type {any} */ (job)),
        (problem, passing) => !passing && this.problem(problem.message),
      );
    } catch (error) {
      this.problem(error.message);
    }
  }

  stop() {
    this.follower?.stop();
    this.follower = null;
  }

  show({ state, progress, error, result, finished }) {
    if (state === "done" && result) this.outcome(result, finished);
    else if (state === "failed" || state === "cancelled") this.problem(error?.detail || "The check was stopped.");
    else if (state === "queued") this.tell("Waiting for a worker \u2026");
    else this.tell(`Recomputing: ${progress.done} of ${progress.total || "?"} results \u2026`);
  }

  tell(sentence) {
    this.node.replaceChildren(el("p.ev-muted", {}, sentence));
  }

  problem(sentence) {
    this.node.replaceChildren(el("p.ev-problem", { role: "alert" }, icon("warning"), sentence));
  }

  outcome({ state, words, items, notes, seconds }, finished) {
    const head = el("p.ev-report-verdict", {}, icon(VERDICTS[state].icon), words);
    head.dataset.state = state;
    const rows = items.map((item) => {
      const mark = el("span.ev-report-state", {}, icon(STATES[item.state].icon), STATES[item.state].word);
      mark.dataset.state = item.state;
      return el("li", {}, mark, el("span", {}, el("strong", {}, item.title), ": ", item.words));
    });
    const small = [...notes, `Recomputed ${new Date(finished).toLocaleString()}, in ${duration(seconds)}.`].join(" ");
    this.node.replaceChildren(head, el("ul.ev-report-items", {}, ...rows), el("p.ev-muted.ev-small", {}, small));
    say(words);
  }
}

/** @param {Check} check */
function chooser(check) {
  const input = el("input", {
    type: "file",
    accept: ".pdf,.html,.json",
    "aria-label": "A report to check",
    onchange: () => input.files?.[0] && take(input.files[0]),
  });
  /** @param {File} file */
  const take = (file) => check.start(async () => file, file.name);
  const zone = el(
    "label.ev-report-drop",
    {
      ondragover: (event) => event.preventDefault(),
      ondrop: (event) => {
        event.preventDefault();
        const file = event.dataTransfer?.files[0];
        if (file) take(file);
      },
    },
    icon("upload"),
    " Drop a report here, PDF or HTML, or choose one ",
    input,
  );
  return zone;
}

const file = (form, text, path) => el("a.ev-button", { href: apiUrl(path), download: `evident-report.${form}` }, icon("download"), text);

/** @param {() => import("./words.mjs").About} about what the report is of, asked anew when it is needed */
export function openReport(about = comparison) {
  if (document.querySelector(".ev-report")) return;
  const check = new Check();
  const words = el("p");
  const files = el("div.ev-report-files");
  const manifest = async () => new Blob([await callApi(about().path("json"), { as: "bytes" })]);
  const again = el(
    "button.ev-button",
    { type: "button", onclick: () => check.start(manifest, "report.json") },
    icon("reset"),
    `Reproduce & verify ${about().what}`,
  );
  /** Maps may still arrive while it is open. */
  const fill = () => {
    const { ready, words: told, path } = about();
    words.textContent = told;
    renew(files, ...(ready ? [file("pdf", "PDF", path("pdf")), file("html", "HTML with sounds", path("html"))] : []));
    again.disabled = !ready;
  };
  fill();
  const node = openDialog(
    "Report",
    words,
    files,
    el("h3", {}, "Reproduce & verify"),
    el("p.ev-muted", {}, "Every score and map is recomputed here and compared, number by number. The input must be on this server."),
    el("div.ev-report-files", {}, again),
    chooser(check),
    check.node,
  );
  node.classList.add("ev-report");
  const off = on("maps", fill);
  node.addEventListener("close", () => {
    off();
    check.stop();
  });
}

/** Called once, by main.mjs. */
export function listenForReports() {
  document.addEventListener("click", ({ target }) => target instanceof Element && target.closest("[data-report]") && openReport());
}
