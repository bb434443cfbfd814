/* The Measure page: which explanations are good ones, for this network and these inputs.

   measure: data-catalogue JSON {models, methods, metrics} · data-query JSON: the address · data-limit. Tells measure-shown its address. */
import { callApi, apiUrl } from "../core/api.mjs";
import { openDialog, toast } from "../core/dialog.mjs";
import { el, icon, parseJson, say } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { copyLink } from "../dash/address.mjs";
import { tellDash } from "../dash/tell.mjs";
import * as words from "../maps/words.mjs";
import { claimCard } from "./claim.mjs";
import * as choosing from "./choice.mjs";
import { Drill } from "./drill.mjs";
import { Fusion } from "./fusion.mjs";
import { Profile, rankPlot } from "./plots.mjs";
import * as reading from "./reading.mjs";
import { Session } from "./session.mjs";
import { Strip } from "./strip.mjs";
import { legend, ScoreTable } from "./table.mjs";

const ABOUT =
  "Which of these maps can be trusted for this network? A study scores methods on many inputs, next to two controls that look at nothing.";

const DROP = "Your own files can be dropped here, with a labels.csv (file, label) if their classes are known.";

/** Inputs of a first look. */
const FEW = 8;

class Measure {
  /** @type {Session | null} */
  session = null;

  /** Of the study that is drawn. */
  state = "";

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
  }

  /** @param {Set<string> | null} changed */
  update(changed) {
    if (changed === null || changed.has("query")) this.open();
  }

  open() {
    this.end();
    const { catalogue, query } = this.root.dataset;
    const start = { catalogue: parseJson(catalogue), query: parseJson(query, {}) };
    if (!start.catalogue) return;
    this.session = new Session(start, (what) => this.tell(what));
    this.fusion = new Fusion(this.session);
    this.strip = new Strip(this.session, this.fusion.button);
    this.strip.own.drops(this.root);
    this.table = new ScoreTable({
      onCell: (key) => this.session?.look({ cell: key === this.session.choice.cell ? null : key }),
      onSort: (metric) => this.sort(metric),
    });
    this.profile = new Profile();
    this.drill = new Drill(this.session);
    this.main = el("div.ev-measure-main");
    this.side = el("div.ev-measure-side");
    this.body = el("div.ev-measure-cards", {}, this.main, this.side);
    /** What of the study is drawn. @type {any} */
    this.drawn = undefined;
    this.root.replaceChildren(this.strip.node, this.fusion.node, this.body);
    this.strip.draw();
    this.draw();
    this.list();
  }

  /** A change of the session reaches those that show it. */
  tell(what) {
    if (!this.session || !this.strip) return;
    if (what === "choice") {
      this.strip.draw();
      this.fusion?.follow();
    }
    if (what === "offers") {
      this.strip.drawPresets();
      this.strip.drawSource();
    }
    if (what === "price") {
      this.strip.drawCost();
      this.strip.drawWork();
      if (!this.session.study) this.draw();
    }
    if (what === "study") {
      this.strip.drawWork();
      this.draw();
    }
    if (what === "cell") this.draw(true);
    if (what === "studies") this.list();
    tellDash("measure-shown", { data: choosing.toQuery(this.session.choice) });
  }

  async list() {
    try {
      const studies = await callApi("/evaluations");
      if (this.session && !this.session.ended) this.strip?.drawEarlier(studies);
    } catch {
      this.strip?.drawEarlier([]); // the strip says what is wrong with the server; a list is no reason for another message
    }
  }

  sort(metric) {
    const { session } = this;
    if (!session) return;
    session.worstFirst = session.choice.sort === metric && !session.worstFirst;
    session.look({ sort: metric });
  }

  draw(again = false) {
    const { session } = this;
    if (!session || !this.main || !this.side) return;
    const { study } = session;
    const result = study?.result;
    if (!study || !result?.metrics?.length) {
      this.drawn = null;
      renew(this.main, study && !study.problem ? this.waiting() : this.empty());
      this.side.replaceChildren();
      this.body?.classList.add("ev-measure-cards--empty");
      return;
    }
    if (result === this.drawn && study.job.state === this.state && !again) return;
    const first = !this.drawn;
    [this.drawn, this.state] = [result, study.job.state];
    this.body?.classList.remove("ev-measure-cards--empty");
    if (!session.choice.cell && !study.busy) session.choice = { ...session.choice, cell: firstCell(result) };
    const { cell, sort } = session.choice;
    const method = cell?.split(":")[0] ?? null;
    const verdicts = study.job.state === "done" ? (result.verdicts ?? []) : [];
    this.table?.show({ result, verdicts, chosen: cell, sort, worstFirst: session.worstFirst });
    if (first) renew(this.main, ...this.cards());
    if (this.sentence) renew(this.sentence, ...this.said(result));
    this.sorted?.replaceChildren(sortedBy(result, session));
    if (this.rank)
      renew(
        this.rank,
        rankPlot(result, method, (chosen) => this.chooseMethod(chosen)),
      );
    this.profile?.show(result, method);
    if (this.claim) renew(this.claim, ...(result.claim ? [claimCard(result.claim)] : []));
    this.drill?.draw();
    if (study.job.state === "done" && this.told !== study.id) {
      this.told = study.id;
      if (!first) say("The study has finished.");
    }
  }

  /** Cards that stay while their contents change. */
  cards() {
    const { session } = this;
    this.sentence = lasting(el("p", { role: "status" }));
    this.sorted = lasting(el("span.ev-muted.ev-small"));
    this.rank = lasting(el("div"));
    this.claim = lasting(el("div.ev-measure-claims"));
    const file = (name, text) =>
      el("a.ev-button.ev-button--small", { href: apiUrl(`${session?.study?.place}/${name}`), download: name }, icon("download"), text);
    const act = (glyph, text, onclick) => el("button.ev-button.ev-button--small", { type: "button", onclick }, icon(glyph), text);
    const scores = el(
      "section.ev-card.ev-measure-scores",
      { "aria-label": "Scores" },
      el(
        "header.ev-measure-head-line",
        {},
        el("h2.ev-inside-title", {}, "Scores"),
        this.sorted,
        el(
          "div.ev-row.ev-measure-files",
          {},
          file("scores.csv", "CSV"),
          file("study.json", "JSON"),
          act("file", "Methods paragraph", () => this.paragraph()),
          act("link", "Permalink", copyLink),
        ),
      ),
      this.table?.node,
      legend(),
    );
    this.side?.replaceChildren(
      card("Rank by family", "1 is best \u00b7 open: partial", this.rank),
      card("Profile", "outside is better", this.profile?.node),
      this.claim,
    );
    return [el("section.ev-card.ev-measure-sentence", { "aria-label": "In words" }, this.sentence), scores, this.drill?.node];
  }

  /** The sentence, whose parts lead to their cells. */
  said(result) {
    const { cell = null } = this.session?.choice ?? {};
    const parts = (result.sentence ?? []).map((part) => {
      const key = reading.targetOf(part, result, cell);
      return key ? this.link(key, part.text) : document.createTextNode(part.text);
    });
    return parts.length ? parts : [el("span.ev-muted", {}, "The sentence follows as results arrive.")];
  }

  /** A link of its own address, so that it breaks with the lines and can be opened elsewhere. */
  link(key, text) {
    const query = new URLSearchParams(choosing.toQuery({ .../** @type {Session} */ (this.session).choice, cell: key }));
    const follow = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.jump(key);
    };
    return el("a.ev-measure-jump", { href: `/measure?${query}`, onclick: follow }, text);
  }

  jump(key) {
    this.session?.look({ cell: key });
    const button = this.table?.button(key);
    button?.scrollIntoView({ block: "nearest", inline: "nearest" });
    button?.focus({ preventScroll: true });
  }

  chooseMethod(method) {
    const { session } = this;
    const metric = session?.choice.cell?.split(":")[1] ?? this.drawn?.metrics[0]?.key;
    session?.look({ cell: reading.keyOf(method, metric) });
  }

  paragraph() {
    const text = this.session?.study?.result?.paragraph ?? "";
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(text);
        toast("Paragraph copied.");
      } catch {
        toast("The browser did not allow copying. Select the text instead.");
      }
    };
    openDialog(
      "Methods paragraph",
      el("p.ev-measure-paragraph", {}, text),
      el("button.ev-button.ev-button--primary", { type: "button", onclick: copy }, icon("file"), "Copy"),
    );
  }

  waiting() {
    return card("Scores", "", el("p.ev-muted", {}, "The table fills as inputs are measured."));
  }

  /** What the page is for, and a study with one press. */
  empty() {
    const { session } = this;
    const offer = session && example(session);
    const start = () => {
      if (!session || !offer) return;
      session.set({ metrics: offer.metrics, count: offer.count });
      session.run();
    };
    return card(
      "Measure explanations",
      "",
      el("p", {}, ABOUT),
      el("p.ev-muted", {}, DROP),
      offer
        ? el(
            "div.ev-row",
            {},
            el("button.ev-button.ev-button--primary", { type: "button", onclick: start }, icon("play"), "Try it"),
            el("span.ev-muted", {}, this.offered(offer)),
          )
        : el("p.ev-muted", {}, "Choose inputs and methods above, then press Run."),
    );
  }

  /** What the example measures, and what it costs. */
  offered({ title, metrics, count }) {
    const { choice, inputs } = /** @type {Session} */ (this.session);
    const price = this.session?.quote({ metrics, count });
    const about = price?.seconds > 0 ? `: about ${words.duration(Math.max(1, Math.round(price.seconds))).replace(".0", "")}` : "";
    return `${count ?? inputs} ${title.toLowerCase()}, ${choice.methods.length} methods, ${metrics.length} quick metrics${about}`;
  }

  end() {
    this.session?.end();
    this.fusion?.leave();
    this.strip?.destroy();
    this.session = null;
  }

  destroy() {
    this.end();
  }
}

/** The bundled set of the model with the metrics that take seconds; null where there is none. */
function example(session) {
  const { chosenSet, choice, catalogue } = session;
  if (!chosenSet || !choice.methods.length) return null;
  const measurable = catalogue.metrics.filter((metric) => session.measurable(metric));
  return { title: chosenSet.title, metrics: choosing.quick(measurable), count: chosenSet.count > FEW ? FEW : null };
}

/** The best value of the first column that has one. */
const firstCell = (result) => {
  const best = result.table.find((cell) => cell.best) ?? result.table.find((cell) => typeof cell.mean === "number");
  return best ? reading.keyOf(best.method, best.metric) : null;
};

function sortedBy(result, { choice, worstFirst }) {
  const metric = result.metrics.find(({ key }) => key === choice.sort);
  const order = metric ? ` \u00b7 sorted by ${metric.title.toLowerCase()}${worstFirst ? ", worst first" : ""}` : "";
  return `mean and 95 % interval over inputs${order || " \u00b7 a head sorts, a value opens"}`;
}

const card = (title, aside, ...content) =>
  el(
    "section.ev-card",
    { "aria-label": title },
    el("header.ev-measure-head-line", {}, el("h2.ev-inside-title", {}, title), aside && el("span.ev-muted.ev-small", {}, aside)),
    ...content,
  );

declareWidget("measure", ["catalogue", "query"], (root) => new Measure(root));
