/* The strip of the Measure page: model, inputs, methods, metrics; what it costs; run, progress, stop. */
import { callApi } from "../core/api.mjs";
import { el, icon } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import { trouble } from "../job/lines.mjs";
import * as words from "../maps/words.mjs";
import * as choosing from "./choice.mjs";
import { earlierStudies, opener } from "./earlier.mjs";
import { OwnInputs } from "./own.mjs";
import { familiesOf } from "./reading.mjs";

const OWN = "own files";
const FOLDER = "own folder";
const UNFIT = "Part of this study is left out: a method does not fit the model, or these inputs have no known region.";
const UNMASKED = "Needs inputs whose evidence is known: another set, or own inputs with a drawn region.";

const unfit = (title, reason) => el("p.ev-measure-unfit", {}, el("span", {}, title), el("span.ev-small", {}, reason));

/** Found again by its key when it is drawn anew, so that it stays open. @param {string} key @param {HTMLElement} details */
function keyed(key, details) {
  details.dataset.key = key;
  return details;
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
    this.sending = el("p.ev-measure-sending.ev-small", { role: "status" });
    this.own = new OwnInputs(session, (text) => {
      this.sending.textContent = text;
    });
    this.methods = el("div.ev-measure-chips", { role: "group", "aria-label": "Methods" });
    this.metrics = el("div.ev-measure-chips", { role: "group", "aria-label": "Metrics" });
    this.cost = el("p.ev-measure-cost", { role: "status" });
    this.work = el("div.ev-measure-work");
    this.run = lasting(el("button.ev-button", { type: "button", onclick: () => session.run() }));
    this.stop = lasting(el("button.ev-button", { type: "button", onclick: () => session.study?.stop() }, icon("stop"), "Stop"));
    this.earlier = el("div.ev-measure-earlier");
    this.target = el("select.ev-inside-select", { "aria-label": "Class to explain", onchange: () => this.choseTarget() });
    this.presets = el("div.ev-measure-chips", { role: "group", "aria-label": "Presets" });
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
        row("Inputs", this.inputs, this.count, ...this.own.parts),
        row("Metrics", this.metrics),
        row("Explain", this.target, this.own.labels),
        row("Preset", this.presets),
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
    this.drawTarget();
    this.drawPresets();
    this.drawCost();
    this.drawWork();
  }

  drawTarget() {
    const { choice, chosenSet } = this.session;
    const nameless = chosenSet?.labelled === false;
    const option = (value, text, disabled = false) => el("option", { value, disabled, selected: value === String(choice.target) }, text);
    renew(
      this.target,
      option("predicted", "Predicted class"),
      option("label", "True class", nameless),
      ...(typeof choice.target === "number" ? [option(String(choice.target), `Class ${choice.target}`)] : []),
    );
    this.target.title = nameless ? "The true classes of these inputs are not known" : "";
  }

  choseTarget() {
    const { value } = this.target;
    this.session.set({ target: /^\d+$/.test(value) ? Number(value) : value });
  }

  drawPresets() {
    renew(this.presets, ...this.session.presets.map((preset) => this.presetButton(preset)));
  }

  /** Fills the strip as a study with a name has it; pressed while the choice is that. */
  presetButton(preset) {
    const wanted = this.session.presetChoice(preset);
    const on = !choosing.differs(this.session.choice, choosing.requestOf(wanted));
    const press = () => {
      this.session.set(this.session.presetChoice(preset));
      const lost = preset.methods.length + preset.metrics.length - wanted.methods.length - wanted.metrics.length;
      this.sending.textContent = lost ? UNFIT : "";
    };
    return chip(preset.title, on, press, preset.text);
  }

  drawSource() {
    const { choice, catalogue, sets } = this.session;
    renew(this.models, ...catalogue.models.map(({ key, title }) => el("option", { value: key, selected: key === choice.model }, title)));
    const own = choice.inputs.length;
    const options = sets.map(({ key, title, note }) =>
      el("option", { value: key, selected: key === choice.set, title: note ?? "" }, title),
    );
    const { collections } = this.session;
    const taken = choice.set ? null : collections.find(({ ids }) => choosing.sameSet(ids, choice.inputs));
    const lists = collections.map((each) =>
      el("option", { value: each.key, selected: each === taken }, `${each.title} (${each.ids.length})`),
    );
    const files = el(
      "option",
      { value: OWN, selected: !choice.set && !taken },
      own && !taken ? `${own} own ${own === 1 ? "input" : "inputs"}` : "Your own files \u2026",
    );
    const folder = el(
      "option",
      { value: FOLDER, title: "Folders inside it that are named like a class say what their files show" },
      "A folder of yours \u2026",
    );
    renew(this.inputs, ...options, ...lists, files, folder);
    const chosen = sets.find(({ key }) => key === choice.set);
    this.inputs.title = chosen?.note ?? "";
    this.count.hidden = !chosen;
    this.count.max = String(chosen?.count ?? "");
    this.count.placeholder = `of ${chosen?.count ?? ""}`;
    if (document.activeElement !== this.count) this.count.value = String(choice.count ?? "");
    this.own.draw();
  }

  async choseModel() {
    const { value } = this.models;
    this.sending.textContent = "";
    const labels = await this.own.labelsFor(value);
    if (this.models.value === value && !this.session.ended) this.session.setModel(value, labels);
  }

  choseInputs() {
    const { session } = this;
    const { value } = this.inputs;
    this.sending.textContent = "";
    const collection = session.collections.find(({ key }) => key === value);
    if (collection) {
      session.collect(collection);
      return;
    }
    const { inputs } = session.choice;
    const kept = session.collections.some(({ ids }) => choosing.sameSet(ids, inputs)) ? [] : inputs;
    const own = value === OWN || value === FOLDER;
    session.setInputs(own ? { set: null, count: null, inputs: kept } : { set: value, count: null });
    if (value === FOLDER || (own && !kept.length)) this.own.choose(value === FOLDER);
  }

  choseCount() {
    const most = Number(this.count.max) || 1;
    const count = Math.round(Number(this.count.value));
    this.session.set({ count: count >= 1 && count < most ? count : null });
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
    const more = rest.length ? [keyed("more", opener(`${rest.length} more`, `${rest.length} more methods`, ...list))] : [];
    renew(this.methods, ...chips, ...more);
  }

  box(title, checked, onchange, note = "") {
    const input = el("input", { type: "checkbox", checked, onchange });
    return el("label.ev-measure-box", {}, input, el("span", {}, title), note && el("span.ev-muted.ev-small", {}, note));
  }

  drawMetrics() {
    const { choice, catalogue } = this.session;
    const order = catalogue.metrics.map(({ key }) => key);
    const families = familiesOf(catalogue.metrics).map(({ key, title, metrics }) => {
      const own = metrics.filter((metric) => this.session.measurable(metric)).map((metric) => metric.key);
      if (!own.length) {
        const closed = keyed(key, opener(title, `${title}: not on these inputs`, unfit(title, UNMASKED)));
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
        { "data-key": key },
        chip(title, on.length > 0, whole, on.length ? `Leave ${key} out` : `Measure ${key}`),
        opener(count, `${count} metrics of ${key}: choose`, ...list),
      );
    });
    renew(this.metrics, ...families);
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
    const { run, stop, work } = this;
    const focused = work.contains(document.activeElement);
    renew(run, icon("play"), (!session.changed && again(study)) || "Run");
    run.classList.toggle("ev-button--primary", !busy && session.ready && (session.changed || !study));
    run.disabled = busy || !session.ready;
    stop.disabled = !busy;
    renew(work, ...this.progress(study, busy), run, stop, ...(study?.problem ? [trouble(study.problem, () => session.run())] : []));
    if (focused && !work.querySelector(":focus:enabled")) (busy ? stop : run).focus();
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
      const lost = state === "done" && result?.failed ? ` ${result.failed} ${result.failed === 1 ? "map" : "maps"} failed.` : "";
      const note = this.session.changed ? `${said}${lost} The choice has changed: press Run.` : `${said}${lost}`;
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
    const list = studies.length ? [earlierStudies(this.session, studies, (id) => this.drop(id))] : [];
    renew(this.earlier, ...list);
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

/** What another press does with a study that has ended; "" where it does nothing new. */
function again(study) {
  const { state, result } = study?.job ?? {};
  if (state === "cancelled") return "Go on";
  return state === "done" && result?.failed ? "Try failed maps again" : "";
}

/** What is asked for, and what it takes. */
function cost(inputs, { methods, metrics }, { seconds, cells, known }) {
  const count = (n, one) => `${words.integer(n)} ${one}${n === 1 ? "" : "s"}`;
  const what = [count(methods.length, "method"), count(metrics.length, "metric"), count(inputs, "input")].join(" \u00d7 ");
  if (cells && known === cells) return [what, ", all measured before"];
  const before = known ? `, ${words.integer(known)} of ${words.integer(cells)} maps are there` : "";
  return [what, `${seconds === null ? "" : `, about ${words.duration(Math.max(1, Math.round(seconds))).replace(".0", "")}`}${before}`];
}
