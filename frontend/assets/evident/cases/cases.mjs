/* The Cases page: a list of recordings or pictures, gone through one by one in four steps.

   cases: data-query JSON: the address and, after Back or a link, `asked` · data-models JSON {models} or {problem}, when they are known. Tells cases-shown its address. */
import { openDialog, toast } from "../core/dialog.mjs";
import { el, icon, parseJson } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import { trouble } from "../job/lines.mjs";
import { pageKeys } from "../keyboard.mjs";
import { HistoryCard, Takeaway } from "./aside.mjs";
import * as choosing from "./choice.mjs";
import { Further } from "./further.mjs";
import { Home } from "./home.mjs";
import { Intake } from "./intake.mjs";
import { Judge } from "./judge.mjs";
import { List } from "./list.mjs";
import { listMenu } from "./list_menu.mjs";
import { Maps } from "./maps.mjs";
import * as reading from "./reading.mjs";
import { Recording } from "./recording.mjs";
import { FitCard, ScoreCard } from "./score.mjs";
import { Session } from "./session.mjs";
import { VerdictCard } from "./verdict.mjs";

const HELP = [
  ["J  K", "next, previous case"],
  ["1 \u2026 4", "step: listen, judge, see the model, agree or not"],
  ["Space", "play or pause"],
  ["L  H", "loop, half speed"],
  ["B", "draw a region"],
  ["G", "report of this case; check a report"],
  ["Enter", "save, and the next case"],
];

class Cases {
  /** @type {Session | null} */
  session = null;
  /** The parts on the page. @type {any} */
  parts = null;
  asked;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.live = true;
    this.unkey = pageKeys(
      {
        j: () => this.session?.move(1),
        k: () => this.session?.move(-1),
        l: () => this.parts?.recording?.turnLoop(),
        h: () => this.parts?.recording?.turnSlow(),
        " ": () => this.parts?.recording?.toggle(),
        b: () => this.pen(),
        g: () => this.parts?.take?.verify(),
        Enter: (event) => this.enter(event),
        ArrowDown: (event) => this.arrow(event, 1),
        ArrowUp: (event) => this.arrow(event, -1),
        ...Object.fromEntries([1, 2, 3, 4].map((step) => [String(step), () => this.session?.setStep(step)])),
      },
      HELP,
    );
  }

  /** @param {Set<string> | null} changed */
  update(changed) {
    if (changed === null || changed.has("query")) this.open(parseJson(this.root.dataset.query, {}));
    if (changed?.has("models")) this.parts?.home?.know(this.models);
  }

  get models() {
    return parseJson(this.root.dataset.models, null);
  }

  /** What an address asks for. Within the open list nothing is built anew. */
  open({ asked, ...query }) {
    this.asked = asked;
    const choice = choosing.fromQuery(query);
    const { session } = this;
    if (session?.list && choice.list === session.list.id && !session.problem) {
      const rows = choosing.otherRows(choice, session.choice);
      session.choice = choice;
      if (rows) session.filter({});
      if (choice.case && choice.case !== session.item?.id) session.open(choice.case, choice.step);
      else this.tell("step");
      return;
    }
    this.end();
    const opened = new Session(choice, (what) => this.session === opened && this.tell(what));
    this.session = opened;
    viewState.withheld = false;
    this.build();
    opened.begin();
  }

  /** Another list, or "" for all of them. */
  go(list) {
    this.open({ asked: this.asked, list });
    this.publish();
  }

  publish() {
    if (this.session)
      tellDash("cases-shown", {
        data: { ...choosing.toQuery(this.session.choice), ...(this.asked === undefined ? {} : { asked: this.asked }) },
      });
  }

  // ---- what stands there -----------------------------------------------------------------------------------------------------------
  build() {
    const session = /** @type {Session} */ (this.session);
    if (!session.choice.list) {
      this.parts = { home: new Home(session, (id) => this.go(id)) };
      this.parts.home.know(this.models);
      this.root.replaceChildren(this.parts.home.node);
      return;
    }
    const list = new List(session, { more: () => [this.menu()] });
    const recording = new Recording(session);
    const judge = new Judge(session, recording);
    const maps = new Maps(session);
    const further = new Further(session);
    const verdict = new VerdictCard(session, () => maps.shown);
    const score = new ScoreCard(session, () => this.tell("case"));
    const [fit, history, take] = [new FitCard(session), new HistoryCard(session), new Takeaway(session)];
    this.steps = el("nav.ev-card.ev-cases-steps", { "aria-label": "Steps" });
    this.trouble = el("div");
    this.hidden = el(
      "p.ev-muted.ev-cases-hidden",
      {},
      icon("hidden"),
      el("span", {}, "The model\u2019s score and maps stay hidden until you have judged."),
    );
    this.foot = el("div.ev-cases-bottom");
    this.parts = { list, recording, judge, maps, further, verdict, score, fit, history, take };
    const main = el("div.ev-cases-main", {}, this.steps, this.trouble, recording.node, maps.node, further.node, this.hidden);
    const side = el("div.ev-cases-side", {}, judge.node, fit.node, score.node, verdict.node, history.node, take.node);
    this.page = el("div.ev-cases.ev-cases--none", { "data-step": session.choice.step }, list.node, main, side, this.foot);
    this.root.replaceChildren(this.page);
    this.draw(false);
  }

  menu() {
    const act = (glyph, title, run) =>
      el("button.ev-icon-button", { type: "button", title, "aria-label": title, onclick: run }, icon(glyph));
    return el(
      "span.ev-cases-menu",
      {},
      act("upload", "Add files to this list", () => this.add()),
      act("table", "Agreement, files and more", () => this.more()),
      act("layers", "All lists", () => this.go("")),
    );
  }

  add() {
    const session = /** @type {Session} */ (this.session);
    const intake = new Intake({
      models: () => [],
      list: () => session.list,
      onList: (_, stay) => {
        session.recount();
        if (!stay) dialog.close();
      },
    });
    intake.refresh();
    const dialog = openDialog(`Add to ${session.list.title}`, intake.node);
    dialog.addEventListener("close", () => intake.destroy());
  }

  more() {
    const { list } = /** @type {Session} */ (this.session);
    listMenu(list, { onRenamed: () => this.tell("rows"), onRemoved: () => this.go("") });
  }

  // ---- changes ---------------------------------------------------------------------------------------------------------------------
  /** @param {string} what */
  tell(what) {
    const { session, parts } = this;
    if (!session || !parts) return;
    if (parts.home) {
      parts.home.refresh();
      this.publish();
      return;
    }
    if (what === "lists" || what === "rows") parts.list.refresh();
    if (what === "told") parts.history.refresh();
    if (what === "end") toast(this.ending());
    if (what === "draft") {
      parts.judge.show();
      parts.verdict.refresh();
      this.drawFoot();
    }
    if (what === "lists" || what === "case" || what === "step") this.draw(what === "case");
    this.publish();
  }

  /** No further case in this direction. */
  ending() {
    const { counts, total } = /** @type {any} */ (/** @type {Session} */ (this.session).rows);
    if (!total) return "No case fits the search or the filter.";
    return counts.todo
      ? `The list ends here. ${counts.todo} ${counts.todo === 1 ? "case is" : "cases are"} still to do.`
      : "The list ends here. Every case is judged.";
  }

  /** What stands in the place of a case that is not there. */
  instead(problem, rows) {
    const { item, choice } = /** @type {Session} */ (this.session);
    if (item) return [];
    if (problem) return [trouble(problem, () => this.again())];
    const narrowed = choice.search || choice.state || choice.verdict || choosing.ranged(choice);
    const none = Boolean(rows?.asked.size && rows.known && rows.total === 0 && !choice.case);
    const said = none
      ? narrowed
        ? "No case fits the search or the filter."
        : "This list has no cases. Add files to it."
      : "Opening the list\u2026";
    return [el("p.ev-card.ev-muted", { role: "status" }, said)];
  }

  draw(other) {
    const session = /** @type {Session} */ (this.session);
    const { parts } = this;
    const { item, problem, choice, rows } = session;
    renew(this.trouble, ...this.instead(problem, rows));
    this.page.dataset.step = String(choice.step);
    this.page.classList.toggle("ev-cases--none", !item);
    if (!item) return;
    viewState.withheld = session.withheld;
    if (other) {
      parts.recording.refresh();
      parts.judge.refresh();
      for (const part of [parts.fit, parts.score, parts.history, parts.take, parts.verdict]) part.refresh();
      parts.list.refresh();
      parts.list.follow();
    }
    const seeing = choice.step >= 3 || (!item.blind && choice.step >= 1 && item.revealed);
    parts.maps.refresh(seeing);
    parts.further.refresh(seeing);
    parts.judge.node.hidden = choice.step > 2;
    parts.verdict.node.hidden = !item.revealed && item.blind;
    this.hidden.hidden = item.revealed || !item.blind;
    parts.judge.draw(choice.step === 2);
    parts.judge.show();
    this.drawSteps(item);
    this.drawFoot();
  }

  again() {
    const { session } = this;
    if (!session) return;
    this.go(session.choice.list);
  }

  drawSteps(item) {
    const session = /** @type {Session} */ (this.session);
    const last = choosing.farthest(item);
    const done = [
      Boolean(item.history?.some(({ kind }) => kind === "listened")) || session.choice.step > 1,
      item.reading !== null && item.reading !== undefined,
      item.revealed && session.choice.step > 3,
      Boolean(session.word),
    ];
    renew(
      this.steps,
      el(
        "ol.ev-cases-step-list",
        {},
        ...choosing.STEPS.map((name, i) => {
          const here = session.choice.step === i + 1;
          return el(
            "li",
            {},
            el(
              "button.ev-cases-step",
              {
                type: "button",
                disabled: i + 1 > last,
                "aria-current": here ? "step" : null,
                title: i + 1 > last ? "Judge first, then see the model" : null,
                onclick: () => session.setStep(i + 1),
              },
              el("span.ev-cases-step-number", {}, String(i + 1)),
              el("span.ev-cases-step-name", {}, i === 0 && item.modality !== "audio" ? "Look" : name),
              done[i] && !here && icon("check"),
              done[i] && el("span.ev-visually-hidden", {}, " done"),
            ),
          );
        }),
      ),
    );
  }

  /** At the foot of a phone's screen: the way on. */
  drawFoot() {
    const session = /** @type {Session} */ (this.session);
    const { step } = session.choice;
    const { item, rows } = session;
    if (!item || !this.foot) return;
    const button = (kind, text, run, disabled = false) => el(`button.ev-button${kind}`, { type: "button", onclick: run, disabled }, text);
    const back = step === 1 ? button("", "Skip", () => session.move(1)) : button("", "Back", () => session.setStep(step - 1));
    const { judge, verdict } = this.parts;
    const on = [
      () => button(".ev-button--primary", "Next: mark and judge", () => session.setStep(2)),
      () => button(".ev-button--primary", judge.save.textContent, () => judge.save.click(), judge.save.disabled),
      () => button(".ev-button--primary", "Next: agree or not", () => session.setStep(4)),
      () => button(".ev-button--primary", verdict.save.textContent, () => verdict.send(), !verdict.ready),
    ][step - 1]();
    const where = button(".ev-cases-where", rows ? reading.position(session.place, rows.total).replace("case ", "") : "", () =>
      this.page.classList.toggle("ev-cases--listing"),
    );
    where.append(el("span.ev-visually-hidden", {}, ": show the list"));
    where.setAttribute("aria-expanded", String(this.page.classList.contains("ev-cases--listing")));
    renew(this.foot, where, back, on);
  }

  // ---- keys ------------------------------------------------------------------------------------------------------------------------
  pen() {
    const { session, parts } = this;
    if (!session?.item || !parts.judge) return;
    session.setStep(2);
    parts.judge.byKey();
  }

  /** Enter where nothing has the focus that takes it. */
  enter(event) {
    const { session, parts } = this;
    if (!session?.item || event.target.closest("button, a, summary, input, select, [role=application], [role=img]")) return false;
    if (session.choice.step <= 2) {
      if (session.choice.step === 1) session.setStep(2);
      else parts.judge.save.click();
    } else parts.verdict.send();
    return true;
  }

  /** In the list arrows go from case to case; elsewhere they do what they do. */
  arrow(event, by) {
    if (!event.target.closest(".ev-cases-list") || event.target.closest("select, input")) return false;
    this.session?.move(by);
    return true;
  }

  end() {
    this.session?.end();
    for (const part of Object.values(this.parts ?? {})) part.destroy?.();
    this.session = null;
    this.parts = null;
  }

  destroy() {
    this.unkey();
    this.end();
    viewState.withheld = false;
  }
}

declareWidget("cases", ["query", "models"], (root) => new Cases(root));
