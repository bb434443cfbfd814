/* A training, epoch by epoch. The server is asked for the recording once, again every two seconds while its training goes on, and for the
   kernels of an epoch; everything else happens here.

   training: data-bar id of the element that takes the controls · data-run key · data-epoch number · data-shown the address's other parts ·
   data-store told the address that shows the same */
import { apiUrl, callApi } from "../../core/api.mjs";
import { on } from "../../core/bus.mjs";
import { el, icon, parseJson, say } from "../../core/elements.mjs";
import { lasting, renew } from "../../core/renew.mjs";
import { declareWidget } from "../../core/widgets.mjs";
import { tellDash } from "../../dash/tell.mjs";
import { Charts } from "./charts.mjs";
import { epochOpener } from "./epoch.mjs";
import { Heat } from "./heat.mjs";
import { Kernels } from "./kernels.mjs";
import { compared, firstMeasure, firstOf, MEASURES, scaleOf, sentence, written } from "./reading.mjs";

const LIVE = 2000;
const LIST = 8000;
const STEP = 450;
const TOLD = 300;
const HOW =
  "with backend.Recorder(net, calibration, folder) around your own training, and evident serve --recordings FOLDER to watch it here";

/** A card with a heading, as ui/common.py makes it. */
function card(title, aside, ...children) {
  const heading = el("h2.ev-training-title", {}, title);
  return el("section.ev-card", { "aria-label": title }, el("div.ev-training-head", {}, heading, aside), ...children);
}

class Training {
  constructor(root) {
    this.root = root;
    this.measure = "agreement";
    /** @type {any} the recording on show */
    this.history = null;
    this.key = "";
    /** Number of the epoch that the address asks for. @type {number | null} */
    this.wanted = null;
    this.offered = "";
    this.gone = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.listing = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.following = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.telling = undefined;
    /** @type {ReturnType<typeof setInterval> | null} */
    this.playing = null;
    this.at = 0;
    const choose = (row) => this.go(row);
    this.heat = new Heat(choose);
    this.kernels = new Kernels();
    this.charts = new Charts(choose);
    this.build();
    this.buildBar();
    this.resized = new ResizeObserver(() => this.drawAll());
    this.resized.observe(root);
    this.leave = on("theme", () => this.drawAll());
  }

  build() {
    this.said = el("p.ev-training-said", { "aria-live": "polite" });
    this.choice = el("select.ev-select", { "aria-label": "What the colours show", onchange: () => this.recolour() });
    for (const [key, { name }] of Object.entries(MEASURES)) this.choice.append(el("option", { value: key }, name));
    this.legend = el("div.ev-training-legend");
    this.tau = el("span.ev-muted.ev-small", {}, "Kendall tau to the last epoch");
    this.deadWords = el("span.ev-muted.ev-small");
    this.kernelWords = el("span.ev-muted.ev-small");
    this.rows = el("tbody");
    this.heading = el("th", { scope: "col" });
    this.about = el("div.ev-training-about");
    this.links = el("div.ev-row");
    const hint = (text) => el("span.ev-muted.ev-small", {}, text);
    const table = el(
      "table.ev-training-table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", { scope: "col" }, el("span.ev-visually-hidden", {}, "Measure")),
          this.heading,
          el("th", { scope: "col" }, "last epoch"),
        ),
      ),
      this.rows,
    );
    const main = el(
      "div.ev-training-main",
      {},
      el("div.ev-training-wide", {}, card("When did each layer decide", this.choice, this.said, this.heat.node, this.legend)),
      card("Decision depth", hint("the layer where answers settle"), this.charts.plots.depth.node),
      card("Likeness to the last epoch", hint("linear CKA per layer"), this.charts.plots.cka.node),
      card("Dead filters", this.deadWords, this.charts.plots.dead.node),
      card("Same filters important?", this.tau, this.charts.plots.tau.node),
      card("Learning", hint("right answers, and the loss"), this.charts.plots.learning.node),
      card("Effective dimension", hint("of the filters' correlations"), this.charts.plots.dimension.node),
    );
    const side = el(
      "div.ev-training-side",
      {},
      card("First-layer kernels", this.kernelWords, this.kernels.node),
      card("This epoch", null, table, this.about, this.links),
    );
    this.body = el("div.ev-training", {}, main, side);
    this.message = el("div.ev-training-message", { role: "status" });
    this.root.append(this.message, this.body);
    this.body.hidden = true;
  }

  buildBar() {
    this.select = el("select.ev-select.ev-training-select", {
      "aria-label": "Recording",
      onchange: () => this.open(this.select.value, null),
    });
    this.play = el("button.ev-button", { type: "button", onclick: () => this.toggle() });
    this.label = el("span.ev-training-epoch");
    this.slider = el("input.ev-training-slider", {
      type: "range",
      min: 0,
      max: 0,
      value: 0,
      step: 1,
      "aria-label": "Epoch",
      oninput: () => this.go(Number(this.slider.value)),
    });
    this.state = el("span.ev-chip", { hidden: true });
    this.by = el(
      "span.ev-muted.ev-small.ev-training-by",
      { title: HOW },
      "Recorded by ",
      el("code", {}, "Recorder(model, calibration, folder)"),
    );
    this.bar = el("div.ev-training-bar", {}, this.select, this.play, this.label, this.slider, this.state, this.by);
    this.icons(false);
  }

  update() {
    const { bar, run, epoch } = this.root.dataset;
    document.getElementById(bar || "")?.append(this.bar);
    this.wanted = epoch === undefined || epoch === "" ? null : Number(epoch);
    this.list(run || "");
  }

  /**
   * The recordings there are; where none of them was asked for, the one that fits best is opened.
   * @param {string | undefined} run undefined where one is open already
   */
  async list(run) {
    clearTimeout(this.listing);
    try {
      const all = await callApi("/recordings");
      if (this.gone) return;
      this.offer(all);
      const key = firstOf(all, run ?? "", parseJson(this.root.dataset.shown, {}).model);
      if (!all.length) this.tell("No training is recorded on this server yet.");
      else if (run !== undefined && key !== this.key) this.open(key, run === key ? this.wanted : null);
    } catch (problem) {
      if (!this.history) this.tell(problem.message);
    }
    this.listing = setTimeout(() => this.list(undefined), LIST);
  }

  offer(all) {
    const text = JSON.stringify(all);
    if (this.offered === text) return;
    this.offered = text;
    renew(this.select, ...all.map((one) => el("option", { value: one.key }, optionOf(one))));
    if (this.key) this.select.value = this.key;
    const mine = all.find((one) => one.key === this.key);
    if (mine?.live && !this.history?.live) this.load(true);
  }

  open(key, epoch) {
    this.stop();
    [this.key, this.wanted, this.history] = [key, epoch, null];
    this.select.value = key;
    this.load(false);
  }

  /** again: a recording on show that may have grown. Whoever looks at its last epoch stays at the last. */
  async load(again) {
    clearTimeout(this.following);
    const key = this.key;
    try {
      const history = await callApi(`/recordings/${encodeURIComponent(key)}`);
      if (this.gone || key !== this.key) return;
      const before = this.history;
      const last = history.epochs.length - 1;
      const atEnd = !before || this.at === before.epochs.length - 1;
      this.history = history;
      const place = history.epochs.findIndex((row) => row.epoch === this.wanted);
      if (!again || !before) this.at = this.wanted === null || place < 0 ? last : place;
      else if (atEnd) this.at = last;
      this.at = Math.max(0, Math.min(this.at, last));
      if (again && before && before.epochs.length !== history.epochs.length) say(`Epoch ${history.epochs[last].epoch} is recorded.`);
      const option = [...this.select.options].find(({ value }) => value === key);
      if (option) option.textContent = optionOf({ ...history, readable: true, epochs: history.epochs.length });
      this.tell("");
      if (MEASURES[this.measure].lens && firstMeasure(history) !== "agreement") this.choice.value = this.measure = firstMeasure(history);
      this.drawAll();
      this.remember();
      if (history.live) this.following = setTimeout(() => this.load(true), LIVE);
    } catch (problem) {
      if (this.gone || key !== this.key) return;
      if (again && this.history) this.following = setTimeout(() => this.load(true), LIVE);
      else this.tell(problem.message);
    }
  }

  tell(sentence) {
    this.message.replaceChildren(...(sentence ? [el("div.ev-notice", {}, icon("info"), el("div", {}, sentence))] : []));
    this.body.hidden = Boolean(sentence);
  }

  go(row) {
    const last = (this.history?.epochs.length ?? 1) - 1;
    this.at = Math.max(0, Math.min(last, row));
    this.drawAll();
    this.remember();
  }

  icons(running) {
    renew(this.play, icon(running ? "pause" : "play"), el("span.ev-visually-hidden", {}, running ? "Pause" : "Play the training"));
  }

  toggle() {
    if (this.playing) return this.stop();
    if (!this.history) return undefined;
    if (this.at >= this.history.epochs.length - 1) this.go(0);
    this.icons(true);
    this.playing = setInterval(() => {
      if (!this.history || this.at >= this.history.epochs.length - 1) this.stop();
      else this.go(this.at + 1);
    }, STEP);
    return undefined;
  }

  stop() {
    if (this.playing) clearInterval(this.playing);
    this.playing = null;
    this.icons(false);
  }

  recolour() {
    this.measure = this.choice.value;
    this.drawAll();
  }

  drawAll() {
    const { history, at } = this;
    if (!history || this.body.hidden) return;
    const row = history.epochs[at];
    this.slider.max = String(Math.max(0, history.epochs.length - 1));
    this.slider.value = String(at);
    this.slider.setAttribute("aria-valuetext", row ? `epoch ${row.epoch}` : "no epoch yet");
    this.slider.disabled = history.epochs.length < 2;
    this.play.disabled = history.epochs.length < 2;
    const last = history.epochs[history.epochs.length - 1];
    this.label.replaceChildren(
      ...(row ? ["Epoch ", el("strong", {}, String(row.epoch)), ` of ${last.epoch}${history.live ? " so far" : ""}`] : ["Not begun"]),
    );
    this.drawState();
    this.said.textContent = sentence(history, at);
    this.heat.show(history, this.measure, at);
    this.drawLegend();
    this.charts.show(history, at);
    this.deadWords.textContent = `the same for all ${history.calibration.count} inputs`;
    this.kernels.show(history, at);
    const [count, , height, width] = history.kernels_shape ?? [];
    this.kernelWords.textContent = row && count ? `${count} of ${height} × ${width}, epoch ${row.epoch}` : "";
    this.drawTable(row, last);
  }

  drawState() {
    const { history } = this;
    const stopped = !history.live && !history.finished;
    this.state.hidden = !history.live && !stopped;
    this.state.className = `ev-chip ${history.live ? "ev-chip--ok" : "ev-chip--warning"}`;
    const words = history.live ? "training goes on" : stopped ? "stopped before its end" : "";
    if (this.state.textContent !== words) this.state.replaceChildren(icon(history.live ? "record" : "warning"), words);
  }

  drawLegend() {
    const { history, measure } = this;
    const { legend, signed, lens } = MEASURES[measure];
    const [low, high] = scaleOf(history, measure).map((value) => written(value, measure));
    const unit = MEASURES[measure].digits === "percent" ? " %" : "";
    const of = measure === "agreement" || measure === "settled" ? ` of ${history.calibration.held_out} held-out inputs` : "";
    this.legend.replaceChildren(
      el(`span.ev-training-scale${signed ? "" : ".ev-training-scale--cividis"}`, { "aria-hidden": "true" }),
      el("span", {}, `${legend}, ${low} to ${high}${unit}${of}`),
      el(
        "span.ev-training-keys",
        {},
        lens &&
          el(
            "span.ev-training-key",
            {},
            el("span.ev-training-key-box", { "aria-hidden": "true" }),
            "decided here: 95 % of the inputs keep their answer",
          ),
        lens &&
          history.epochs.some((row) => row.one_answer) &&
          el(
            "span.ev-training-key",
            {},
            el("span.ev-training-key-box.ev-training-key-box--hatched", { "aria-hidden": "true" }),
            "one answer for ≥ 95 % of inputs",
          ),
      ),
    );
  }

  drawTable(row, last) {
    const { history } = this;
    this.heading.textContent = row ? `epoch ${row.epoch}` : "";
    this.rows.replaceChildren(
      ...compared(history, this.at).map(([name, now, end]) =>
        el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, el("strong", {}, now)), el("td.ev-muted", {}, end)),
      ),
    );
    const where = { training: "as the training told it", calibration: "of the held-out inputs", none: "" }[history.accuracy_of];
    const told = last?.accuracy != null && where ? ` Right answers: ${where}.` : "";
    this.about.replaceChildren(
      ...[
        history.note,
        `Every epoch is judged on the same inputs: ${history.calibration.title}.${told}`,
        `Importance: ${history.importance}.`,
      ]
        .filter(Boolean)
        .map((text) => el("p.ev-muted.ev-small", {}, text)),
    );
    const path = apiUrl(`/recordings/${encodeURIComponent(history.key)}/history.csv`);
    renew(
      this.links,
      el("a.ev-button", { href: path, download: `${history.key}.csv` }, icon("download"), "Numbers as CSV"),
      history.model ? el("a.ev-button", { href: `/inside?model=${encodeURIComponent(history.model)}` }, "Open the model") : "",
      history.model && row ? this.openerOf(row.epoch) : "",
    );
  }

  /** Made once for each epoch: while a network is being opened its button says so. */
  openerOf(epoch) {
    const of = `${this.key} ${epoch}`;
    if (this.opener?.of !== of)
      this.opener = { of, node: lasting(epochOpener(this.history, epoch, () => parseJson(this.root.dataset.shown, {}))) };
    return this.opener.node;
  }

  /** The address that shows the same, a moment after the last step. */
  remember() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      const epoch = this.history?.epochs[this.at]?.epoch;
      const shown = {
        ...parseJson(this.root.dataset.shown, {}),
        view: "training",
        run: this.key,
        ...(epoch === undefined ? {} : { epoch }),
      };
      tellDash(this.root.dataset.store, { data: shown });
    }, TOLD);
  }

  destroy() {
    this.gone = true;
    this.stop();
    for (const timer of [this.listing, this.following, this.telling]) clearTimeout(timer);
    this.resized.disconnect();
    this.leave();
    this.bar.remove();
  }
}

const optionOf = (one) =>
  `${one.title}${one.readable ? `, ${Math.max(0, one.epochs - 1)} epochs` : ", cannot be read"}${one.live ? " (training)" : ""}`;

declareWidget("training", ["bar", "run", "epoch", "shown", "store"], (root) => new Training(root));
