/* What if: draw a region on any map or on the input; the prediction without it, beside 20 random regions of the same shape.

   whatif: data-subject JSON {input, model, start, target, label, fillers, sound} or "" */
import { callApi } from "../core/api.mjs";
import { on } from "../core/bus.mjs";
import { el, icon, parseJson, say } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { segments } from "../core/segments.mjs";
import { Hand, REST } from "./hand.mjs";
import { alteredMaps, cheap, plainMaps } from "./maps.mjs";
import { outcome, spoken } from "./outcome.mjs";
import * as region from "./region.mjs";

const MODES = [
  ["erase", "Erase", "What lies in the region goes"],
  ["keep", "Keep", "All but the region goes"],
  ["replace", "Replace", "Something else stands in its place"],
];
const TOOLS = [
  ["rectangle", "Rectangle", "Drag a rectangle; with Shift it is added"],
  ["brush", "Brush", "Paint freely"],
];
const FILLERS = { mean: "mean", blur: "blur", noise: "noise", silence: "silence", black: "black" };

class WhatIf {
  constructor(root) {
    this.root = root;
    this.mode = "erase";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** What is asked about, null before there is a prediction. @type {any} */
    this.subject = null;
    /** Answers to an earlier question come too late. */
    this.asked = {};
    this.hand = new Hand({
      input: () => this.subject.input,
      axes: () => this.axes,
      ready: () => this.ready,
      fits: (figure) => this.fits(figure),
      drawing: () => this.show(),
      drawn: (wait) => this.changed(wait),
    });
    this.modes = segments("What happens to the region", MODES, this.mode, (mode) => this.choose(mode));
    this.tools = segments("Drawing", TOOLS, this.hand.tool, (tool) => this.take(tool));
    this.build();
    this.offs = [on("whatif", () => this.toggle(true)), on("axes", () => this.moved()), on("withheld", () => this.moved())];
  }

  build() {
    this.toggler = el(
      "button.ev-link",
      {
        type: "button",
        "aria-expanded": "false",
        title: "Draw a region and see what the model says without it (B)",
        onclick: () => this.toggle(),
      },
      "Draw a region",
    );
    this.filler = el("select.ev-whatif-filler", { "aria-label": "Filled with", onchange: () => this.changed(0) });
    this.size = el("input.ev-slider", {
      type: "range",
      min: 2,
      max: 40,
      value: 12,
      "aria-label": "Width of the brush",
      oninput: () => {
        this.hand.width = Number(this.size.value) / 100;
      },
    });
    this.pad = el("div.ev-whatif-pad", {
      tabIndex: 0,
      role: "application",
      "aria-label": "Region: arrows move it, with Shift they change its size, Enter asks the model",
      onkeydown: (event) => this.key(event),
    });
    this.outcome = el("div.ev-whatif-outcome");
    this.file = el("input", {
      type: "file",
      accept: ".png,.json",
      hidden: true,
      "aria-label": "Mask or boxes",
      onchange: () => this.send(),
    });
    const small = (text, title, act) => el("button.ev-button.ev-button--small", { type: "button", title, onclick: act }, text);
    this.undoer = small("Undo", "Take the last change back", () => this.hand.undo());
    this.clearer = small("Clear", "No region", () => this.hand.set(null));
    this.mapper = small("Maps without it", "Make the quick maps again on the altered input", () => this.maps());
    this.keeper = small("Use as my region", "Keep it with this input: the share of each map in it is counted", () => this.keep());
    const upload = small("Upload\u2026", "A black and white PNG of the picture's size, or boxes as JSON", () => this.file.click());
    this.note = el("p.ev-muted.ev-whatif-note", { "aria-live": "polite" });
    this.body = el(
      "div.ev-whatif-body",
      { hidden: true },
      this.modes.node,
      el("label.ev-whatif-line", {}, el("span.ev-muted", {}, "filled with"), this.filler),
      el("div.ev-whatif-line", {}, this.tools.node, this.size),
      this.pad,
      el("div.ev-whatif-actions", {}, this.undoer, this.clearer),
      this.outcome,
      el("div.ev-whatif-actions.ev-whatif-actions--wide", {}, this.mapper, this.keeper, upload, this.file),
      this.note,
    );
    const head = el("div.ev-card-head", {}, el("h2.ev-card-title", {}, "What if"), this.toggler);
    this.root.append(head, this.body);
  }

  // ---- what the page says ----------------------------------------------------------------------------------------------------
  update() {
    const before = this.subject;
    this.subject = parseJson(this.root.dataset.subject);
    const input = this.subject?.input ?? "";
    if (input !== (before?.input ?? "")) {
      this.hand.past = [];
      this.asked = {};
      region.draw("", null, null);
      this.loadOwn(input);
    }
    this.offer(this.subject?.fillers ?? []);
    this.moved();
  }

  /** The fillers of this model, the one in use still chosen where it can be. */
  offer(fillers) {
    const chosen = this.filler.value;
    this.filler.replaceChildren(...fillers.map((key) => el("option", { value: key }, FILLERS[key] ?? key)));
    this.filler.value = fillers.includes(chosen) ? chosen : (fillers[0] ?? "");
  }

  async loadOwn(input) {
    viewState.own = null;
    if (!input) return;
    try {
      await region.loadOwn(input);
    } catch {
      // it is not outlined then
    }
    this.show();
  }

  get axes() {
    return viewState.axes;
  }

  get ready() {
    return Boolean(this.subject && this.axes && viewState.seen === this.subject.input && !viewState.withheld);
  }

  /** Other axes, another class or another model: the same region is asked about anew. */
  moved() {
    plainMaps();
    this.outcome.replaceChildren();
    this.show();
    if (viewState.drawn && !this.body.hidden) this.changed(REST);
  }

  fits(figure) {
    const { axes } = figure;
    return this.ready && axes?.x_axis.values.length === this.axes?.x_axis.values.length && axes.x_axis.unit === this.axes?.x_axis.unit;
  }

  // ---- opening ---------------------------------------------------------------------------------------------------------------
  /** byKey: B starts with a rectangle that the arrows move. */
  toggle(byKey = false) {
    const open = this.body.hidden;
    this.body.hidden = !open;
    this.toggler.setAttribute("aria-expanded", String(open));
    this.toggler.textContent = open ? "Close" : "Draw a region";
    if (open) {
      this.hand.on();
      if (byKey && this.ready && !viewState.drawn) this.hand.begin();
      if (byKey) this.pad.focus();
    } else {
      this.hand.off();
      plainMaps();
      region.draw("", null, null);
      this.outcome.replaceChildren();
      if (byKey) this.toggler.focus();
    }
    this.show();
  }

  // ---- changing the region -----------------------------------------------------------------------------------------------------
  take(tool) {
    this.hand.tool = tool;
    this.tools.set(tool);
    this.show();
  }

  choose(mode) {
    this.filler.value = mode === "replace" ? "noise" : (this.subject?.fillers[0] ?? "");
    this.mode = mode;
    this.modes.set(mode);
    this.changed(0);
  }

  key(event) {
    if (event.key === "Enter") this.ask();
    else if (event.key === "Escape") this.toggle(true);
    else if (!this.hand.key(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // ---- asking ----------------------------------------------------------------------------------------------------------------
  changed(wait) {
    plainMaps();
    this.outcome.replaceChildren();
    this.note.textContent = "";
    this.asked = {};
    clearTimeout(this.timer);
    if (viewState.drawn && this.ready) this.timer = setTimeout(() => this.ask(), wait);
    this.show();
  }

  get alteration() {
    return { ...region.wire(), mode: this.mode, filler: this.filler.value || null };
  }

  async ask() {
    clearTimeout(this.timer);
    if (!viewState.drawn || !this.ready) return;
    const asked = {};
    this.asked = asked;
    const { input, model, start, target } = this.subject;
    this.outcome.replaceChildren(el("p.ev-muted", {}, "Asking the model\u2026"));
    try {
      const first = await callApi("/whatifs", { method: "POST", json: { input, model, start, target, ...this.alteration } });
      const job = await this.finished(first, asked);
      if (asked !== this.asked || !job) return;
      if (job.result) this.outcome.replaceChildren(...outcome(job.result));
      else this.outcome.replaceChildren(el("p.ev-problem", {}, icon("warning"), job.error?.detail ?? "It was stopped."));
      if (job.result) say(spoken(job.result));
    } catch (error) {
      if (asked === this.asked) this.outcome.replaceChildren(el("p.ev-problem", {}, icon("warning"), error.message));
    }
  }

  /** The job once it has ended; null where nobody asks any more. */
  async finished(job, asked) {
    let now = job;
    while (now.state === "queued" || now.state === "running") {
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (asked !== this.asked) return null;
      now = await callApi(`/whatifs/${encodeURIComponent(job.id)}`);
    }
    return now;
  }

  async maps() {
    const { asked } = this;
    const { quick, left } = cheap();
    const words = { erase: "without the region", keep: "the region alone", replace: "region replaced" }[this.mode];
    this.note.textContent = quick.length ? "Making the maps\u2026" : "No map is finished that can be made again quickly.";
    try {
      await alteredMaps(quick, this.alteration, words, () => asked === this.asked && !this.body.hidden);
      if (asked !== this.asked) return;
      if (quick.length)
        this.note.textContent = left.length
          ? `Left out, they take longer: ${left.join(", ")}.`
          : "These are the maps of the altered input.";
    } catch (error) {
      if (asked === this.asked) this.note.textContent = error.message;
    }
  }

  // ---- my region ---------------------------------------------------------------------------------------------------------------
  async keep() {
    const mine = this.mine;
    try {
      if (mine) await region.forget(this.subject.input);
      else await region.store(this.subject.input);
      this.note.textContent = mine ? "It is no longer kept." : "Kept with this input: each map says how much of it lies inside.";
    } catch (error) {
      this.note.textContent = error.message;
    }
    this.show();
  }

  async send() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file || !this.subject) return;
    try {
      await region.storeFile(this.subject.input, file);
      this.changed(0);
      this.note.textContent = "Kept with this input: each map says how much of it lies inside.";
    } catch (error) {
      this.note.textContent = error.message;
    }
    this.show();
  }

  /** Whether a region is kept and none, or the same, is drawn. */
  get mine() {
    const { own, drawn } = viewState;
    if (!own || own.input !== this.subject?.input) return false;
    return !drawn || JSON.stringify([drawn.region.boxes, drawn.region.runs]) === JSON.stringify([own.region.boxes, own.region.runs]);
  }

  show() {
    const drawn = viewState.drawn && viewState.drawn.input === this.subject?.input;
    this.root.hidden = !this.subject;
    this.size.hidden = this.hand.tool !== "brush";
    this.undoer.disabled = !this.hand.past.length;
    this.clearer.disabled = !drawn;
    this.mapper.disabled = !drawn || !this.ready;
    this.keeper.disabled = !drawn && !this.mine;
    this.keeper.textContent = this.mine ? "Forget my region" : "Use as my region";
    this.pad.textContent = this.says(drawn);
  }

  says(drawn) {
    if (viewState.withheld) return "The score is withheld; ask for it first.";
    if (!this.ready) return "Waiting for the prediction\u2026";
    return drawn ? region.drawnPlace(this.axes) : "Drag on a map, or use the arrow keys here.";
  }

  destroy() {
    clearTimeout(this.timer);
    this.asked = {};
    this.hand.off();
    for (const off of this.offs) off();
    viewState.drawn = null;
    viewState.own = null;
  }
}

declareWidget("whatif", ["subject"], (root) => new WhatIf(root));
