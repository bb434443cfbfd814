/* The strip of the Measure page: model, inputs, methods, metrics; what it costs; run, progress, stop. */
import { callApi } from "../core/api.mjs";
import { el, icon } from "../core/elements.mjs";
import { trouble } from "../inside/parts.mjs";
import * as words from "../maps/words.mjs";
import { sendFile } from "../upload/sending.mjs";
import * as choosing from "./choice.mjs";
import { familiesOf } from "./reading.mjs";

const OWN = "own files";
const UNMASKED = "Needs inputs whose evidence is known: another set, or own inputs with a drawn region.";

const unfit = (title, reason) => el("p.ev-measure-unfit", {}, el("span", {}, title), el("span.ev-small", {}, reason));

/** A button that opens a panel below it; one at a time, closed by Escape or a press elsewhere. */
export function opener(label, name, ...content) {
  const summary = el("summary", { "aria-label": name }, label);
  const node = el("details.ev-measure-opener", {}, summary, el("div.ev-measure-panel", {}, ...content));
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !node.open) return;
    event.stopPropagation();
    node.open = false;
    summary.focus();
  });
  return node;
}

/** @param {HTMLElement} root */
function closeOthers(root, event) {
  for (const open of root.querySelectorAll("details.ev-measure-opener[open]"))
    if (!open.contains(event.target)) open.removeAttribute("open");
}

const chip = (text, on, onclick, title) =>
  el("button.ev-measure-chip", { type: "button", "aria-pressed": String(on), title, onclick }, on && icon("check"), el("span", {}, text));

export class Strip {
  /**
   * @param {import("./session.mjs").Session} session
   * @param {HTMLElement} bench the button of the fusion bench
   */
  constructor(session, bench) {
    this.session = session;
    this.models = el("select.ev-inside-select", { "aria-label": "Model", onchange: () => this.choseModel() });
    this.inputs = el("select.ev-inside-select", { "aria-label": "Inputs", onchange: () => this.choseInputs() });
    this.count = el("input.ev-measure-count", {
      type: "number",
      min: "1",
      "aria-label": "How many of the set, from its beginning",
      title: "How many of the set, from its beginning; empty: all",
      onchange: () => this.choseCount(),
    });
    this.file = el("input", { type: "file", multiple: true, hidden: true, onchange: () => this.send() });
    this.add = el(
      "button.ev-button.ev-button--small.ev-button--icon",
      { type: "button", title: "Measure on your own files", "aria-label": "Add your own files", onclick: () => this.file.click() },
      icon("upload"),
    );
    this.sending = el("p.ev-measure-sending.ev-small", { role: "status" });
    this.methods = el("div.ev-measure-chips", { role: "group", "aria-label": "Methods" });
    this.metrics = el("div.ev-measure-chips", { role: "group", "aria-label": "Metrics" });
    this.cost = el("p.ev-measure-cost", { role: "status" });
    this.work = el("div.ev-measure-work");
    this.earlier = el("div.ev-measure-earlier");
    const row = (label, ...parts) =>
      el("div.ev-measure-line-up", {}, el("span.ev-measure-label", { "aria-hidden": "true" }, label), ...parts);
    this.node = el(
      "section.ev-card.ev-measure-strip",
      { "aria-label": "What is measured" },
      el(
        "div.ev-measure-choices",
        {},
        row("Model", this.models),
        row("Methods", this.methods),
        row("Inputs", this.inputs, this.count, this.add, this.file),
        row("Metrics", this.metrics),
        this.sending,
      ),
      el("div.ev-measure-run", {}, this.cost, this.work, el("div.ev-measure-more", {}, bench, this.earlier)),
    );
    this.closing = (event) => closeOthers(this.node, event);
    document.addEventListener("click", this.closing);
  }

  draw() {
    this.drawSource();
    this.drawMethods();
    this.drawMetrics();
    this.drawCost();
    this.drawWork();
  }

  drawSource() {
    const { choice, catalogue, sets } = this.session;
    this.models.replaceChildren(
      ...catalogue.models.map(({ key, title }) => el("option", { value: key, selected: key === choice.model }, title)),
    );
    const own = choice.inputs.length;
    const options = sets.map(({ key, title, note }) =>
      el("option", { value: key, selected: key === choice.set, title: note ?? "" }, title),
    );
    const files = el(
      "option",
      { value: OWN, selected: !choice.set },
      own ? `${own} own ${own === 1 ? "input" : "inputs"}` : "Your own files \u2026",
    );
    this.inputs.replaceChildren(...options, files);
    const chosen = sets.find(({ key }) => key === choice.set);
    this.inputs.title = chosen?.note ?? "";
    this.count.hidden = !chosen;
    this.count.max = String(chosen?.count ?? "");
    this.count.placeholder = `of ${chosen?.count ?? ""}`;
    if (document.activeElement !== this.count) this.count.value = String(choice.count ?? "");
  }

  choseModel() {
    this.sending.textContent = "";
    this.session.setModel(this.models.value);
  }

  choseInputs() {
    const { session } = this;
    const own = this.inputs.value === OWN;
    this.sending.textContent = "";
    session.setInputs({ set: own ? null : this.inputs.value, count: null });
    if (own && !session.choice.inputs.length) this.file.click();
  }

  choseCount() {
    const most = Number(this.count.max) || 1;
    const count = Math.round(Number(this.count.value));
    this.session.set({ count: count >= 1 && count < most ? count : null });
  }

  /** One file after the other: what could not be read is named, the rest counts. */
  async send() {
    const files = [...(this.file.files ?? [])];
    this.file.value = "";
    /** @type {string[]} */
    const read = [];
    const refused = [];
    for (const [i, file] of files.entries()) {
      this.sending.textContent = `Reading ${i + 1} of ${files.length} \u2026`;
      const form = new FormData();
      form.append("file", file, file.name);
      try {
        read.push((await sendFile("/inputs", form, () => {}).done).id);
      } catch (problem) {
        refused.push(`${file.name}: ${problem?.message ?? "not sent"}`);
      }
    }
    this.sending.textContent = refused.join(" ");
    if (read.length) this.session.setInputs({ set: null, inputs: [...new Set([...this.session.choice.inputs, ...read])] });
  }

  drawMethods() {
    const { choice, catalogue, fits } = this.session;
    const order = catalogue.methods.map(({ key }) => key);
    const usual = ({ key, default_on }) => fits[key]?.ok && (default_on || choice.methods.includes(key));
    const toggle = (key) => this.session.set({ methods: choosing.toggled(choice.methods, key, order) });
    const chips = catalogue.methods
      .filter(usual)
      .map(({ key, title, summary }) => chip(title, choice.methods.includes(key), () => toggle(key), summary));
    const rest = catalogue.methods.filter((method) => !usual(method));
    const list = rest.map(({ key, title }) =>
      fits[key]?.ok
        ? this.box(title, false, () => toggle(key))
        : el(
            "p.ev-measure-unfit",
            {},
            el("span", {}, title),
            el("span.ev-muted.ev-small", {}, fits[key]?.reason || "does not fit this model"),
          ),
    );
    const more = rest.length ? [this.kept(this.methods, opener(`${rest.length} more`, `${rest.length} more methods`, ...list))] : [];
    this.methods.replaceChildren(...chips, ...more);
  }

  box(title, checked, onchange, note = "") {
    const input = el("input", { type: "checkbox", checked, onchange });
    return el("label.ev-measure-box", {}, input, el("span", {}, title), note && el("span.ev-muted.ev-small", {}, note));
  }

  /** A panel that stood open stays open when its content is drawn again. */
  kept(holder, details, key = "more") {
    details.dataset.key = key;
    const before = holder.querySelector(`details[data-key="${key}"][open]`);
    if (before) details.open = true;
    return details;
  }

  drawMetrics() {
    const { choice, catalogue } = this.session;
    const order = catalogue.metrics.map(({ key }) => key);
    const focused = /** @type {HTMLInputElement | null} */ (this.metrics.querySelector("input:focus"))?.value;
    const families = familiesOf(catalogue.metrics).map(({ key, title, metrics }) => {
      const own = metrics.filter((metric) => this.session.measurable(metric)).map((metric) => metric.key);
      if (!own.length) {
        const closed = this.kept(this.metrics, opener(title, `${title}: not on these inputs`, unfit(title, UNMASKED)), key);
        closed.classList.add("ev-measure-opener--unfit");
        return closed;
      }
      const on = own.filter((metric) => choice.metrics.includes(metric));
      const usual = metrics.filter((metric) => metric.default_on && own.includes(metric.key)).map((metric) => metric.key);
      const whole = () => {
        const others = choice.metrics.filter((metric) => !own.includes(metric));
        const next = on.length ? others : [...others, ...(usual.length ? usual : own)];
        this.session.set({ metrics: order.filter((metric) => next.includes(metric)) });
      };
      const list = metrics.map((metric) => {
        if (!own.includes(metric.key)) return unfit(metric.title, UNMASKED);
        const label = this.box(
          metric.title,
          choice.metrics.includes(metric.key),
          () => this.session.set({ metrics: choosing.toggled(choice.metrics, metric.key, order) }),
          metric.summary,
        );
        label.querySelector("input").value = metric.key;
        return label;
      });
      const count = `${on.length}/${own.length}`;
      return el(
        "span.ev-measure-family-chip",
        {},
        chip(title, on.length > 0, whole, on.length ? `Leave ${key} out` : `Measure ${key}`),
        this.kept(this.metrics, opener(count, `${count} metrics of ${key}: choose`, ...list), key),
      );
    });
    this.metrics.replaceChildren(...families);
    if (focused) [...this.metrics.querySelectorAll("input")].find((input) => input.value === focused)?.focus();
  }

  drawCost() {
    const { price, choice } = this.session;
    const lacking = choosing.missing(choice);
    if (lacking) this.cost.replaceChildren(el("span.ev-muted", {}, lacking));
    else if (price.problem) this.cost.replaceChildren(icon("warning"), ` ${price.problem.message}`);
    else if (!price.text) this.cost.replaceChildren(el("span.ev-muted", {}, "Asking what it costs \u2026"));
    else if (!price.fits) this.cost.replaceChildren(icon("warning"), ` ${price.text}`);
    else {
      const [what, rest] = cost(this.session.inputs, choice, price);
      this.cost.replaceChildren(el("strong", {}, what), el("span.ev-muted", {}, rest));
    }
    this.cost.title = price.text;
    this.cost.classList.toggle("ev-measure-cost--refused", Boolean(price.problem) || !price.fits);
  }

  drawWork() {
    const { session } = this;
    const { study } = session;
    const busy = Boolean(study?.busy);
    const run = el(
      "button.ev-button",
      { type: "button", disabled: busy || !session.ready, onclick: () => session.run() },
      icon("play"),
      study?.job?.state === "cancelled" && !session.changed ? "Go on" : "Run",
    );
    run.classList.toggle("ev-button--primary", !busy && session.ready && (session.changed || !study));
    const stop = el("button.ev-button", { type: "button", disabled: !busy, onclick: () => study?.stop() }, icon("stop"), "Stop");
    const focused = this.work.contains(document.activeElement);
    this.work.replaceChildren(...this.progress(study, busy), run, stop);
    if (focused) (busy ? stop : run).focus();
    if (study?.problem) this.work.append(trouble(study.problem, () => session.run()));
  }

  progress(study, busy) {
    if (!study?.job) return [el("span.ev-measure-state")];
    const { progress = { done: 0, total: 0 }, seconds_left, state, result } = study.job;
    const share = progress.total ? progress.done / progress.total : state === "done" ? 1 : 0;
    const percent = Math.floor(100 * share);
    if (!busy) {
      const took = result?.seconds ? `: ${words.duration(result.seconds)} of computing` : "";
      const said =
        { done: `Finished${took}.`, cancelled: `Stopped at ${percent} %. What is done is kept.`, failed: "Failed." }[state] ?? "";
      const note = this.session.changed ? `${said} The choice has changed: press Run.` : said;
      return [el("span.ev-measure-state.ev-muted", { role: "status" }, note)];
    }
    const fill = el("i");
    fill.style.transform = `scaleX(${share})`;
    const left =
      seconds_left === null || seconds_left === undefined
        ? ""
        : `${words.duration(Math.max(1, Math.round(seconds_left))).replace(".0", "")} left`;
    return [
      el(
        "div.ev-progress.ev-progress--inline",
        { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(percent), "aria-label": "Measuring" },
        fill,
      ),
      el(
        "span.ev-measure-percent",
        {},
        el("b", {}, `${percent} %`),
        el("span.ev-muted", {}, left ? ` ${left}` : state === "queued" ? " waiting" : ""),
      ),
    ];
  }

  /** @param {any[]} studies */
  drawEarlier(studies) {
    const { session } = this;
    if (!studies.length) {
      this.earlier.replaceChildren();
      return;
    }
    const titles = new Map(session.catalogue.models.map(({ key, title }) => [key, title]));
    const lines = studies.map(({ id, state, request, progress, created }) => {
      const count = (list, one) => `${list.length} ${one}${list.length === 1 ? "" : "s"}`;
      const set = session.sets.find(({ key }) => key === request.set)?.title.toLowerCase() ?? request.set;
      const inputs = request.set ? [request.count, set].filter(Boolean).join(" ") : count(request.inputs ?? [], "own input");
      const open = el(
        "button.ev-link",
        { type: "button", "aria-current": id === session.choice.study ? "true" : null, onclick: () => session.open(id) },
        `${titles.get(request.model) ?? request.model} \u00b7 ${inputs}`,
      );
      const detail = [count(request.methods, "method"), count(request.metrics, "metric"), stateOf(state, progress), when(created)]
        .filter(Boolean)
        .join(" \u00b7 ");
      const drop = el(
        "button.ev-icon-button",
        {
          type: "button",
          "aria-label": "Delete this study",
          "data-confirm": "The study and its numbers are deleted from this machine.",
          onclick: () => this.drop(id),
        },
        icon("trash"),
      );
      const row = el("li", {}, el("span", {}, open, el("span.ev-muted.ev-small", {}, detail)));
      if (!["queued", "running"].includes(state)) row.append(drop);
      return row;
    });
    const details = opener(
      `Earlier studies (${studies.length})`,
      `Earlier studies: ${studies.length}`,
      el("ul.ev-measure-list", {}, ...lines),
    );
    this.earlier.replaceChildren(this.kept(this.earlier, details));
  }

  async drop(id) {
    try {
      await callApi(`/evaluations/${encodeURIComponent(id)}`, { method: "DELETE" });
    } catch (problem) {
      this.sending.textContent = problem.message;
    }
    this.session.dropped(id);
  }

  destroy() {
    document.removeEventListener("click", this.closing);
  }
}

/** What is asked for, and what it takes. */
function cost(inputs, { methods, metrics }, { seconds, cells, known }) {
  const count = (n, one) => `${words.integer(n)} ${one}${n === 1 ? "" : "s"}`;
  const what = [count(methods.length, "method"), count(metrics.length, "metric"), count(inputs, "input")].join(" \u00d7 ");
  if (cells && known === cells) return [what, ", all measured before"];
  const before = known ? `, ${words.integer(known)} of ${words.integer(cells)} maps are there` : "";
  return [what, `${seconds === null ? "" : `, about ${words.duration(Math.max(1, Math.round(seconds))).replace(".0", "")}`}${before}`];
}

/** "22 Nov, 08:31"; "" where it is not known. */
function when(created) {
  const at = new Date(created ?? "");
  const shown = /** @type {const} */ ({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleString("en-GB", shown);
}

const stateOf = (state, progress) => {
  if (state === "done") return "finished";
  const share = progress?.total ? Math.floor((100 * progress.done) / progress.total) : 0;
  return { queued: "waiting", running: `${share} %`, cancelled: `stopped at ${share} %`, failed: "failed" }[state] ?? state;
};
