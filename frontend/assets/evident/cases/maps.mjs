/* Two maps side by side, the reviewer's region over them: what share of the support it holds, and what the model says of the marked part
   and of the rest alone. */
import { callApi } from "../core/api.mjs";
import { on } from "../core/bus.mjs";
import { el, icon } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { widgetOf } from "../core/widgets.mjs";
import * as evidence from "../evidence/marks.mjs";
import { shareInside } from "../evidence/regions.mjs";
import { boxesOf } from "../whatif/cells.mjs";
import { askParts } from "./asked.mjs";
import * as reading from "./reading.mjs";

export const METHODS = [
  { key: "grad_cam", title: "Grad-CAM", signed: "0" },
  { key: "fused", title: "Grad-CAM \u00d7 LRP", signed: "1" },
];
/** Percent of the cells that count as marked, for the ear and for the score beside it. */
const TOP = 20;

class Beside {
  /** What the marked part and the rest give alone. @type {{asked?: boolean, only?: number, rest?: number}} */
  scores = {};
  /** What the map was asked for. @type {any} */
  asked = null;

  /** @param {any} method @param {import("./session.mjs").Session} session */
  constructor(method, session) {
    this.method = method;
    this.session = session;
    this.holder = el("div");
    this.said = el("p.ev-cases-share");
    this.node = el("section.ev-card.ev-cases-map", { "aria-label": method.title }, this.holder, this.said);
  }

  /** @returns {import("../panel/panel.mjs").MapPanel | undefined} */
  get panel() {
    return /** @type {any} */ (this.holder.firstElementChild && widgetOf(this.holder.firstElementChild));
  }

  get id() {
    return this.panel?.state === "done" ? this.panel.id : null;
  }

  async ask({ input, model, start, target, prediction, label }) {
    const { key, title, signed } = this.method;
    const asked = { request: { input, model, start, target }, label };
    this.asked = asked;
    this.scores = {};
    const axes = JSON.stringify({ x_axis: prediction.x_axis, y_axis: prediction.y_axis });
    const about = {
      "data-title": title,
      "data-key": key,
      "data-signed": signed,
      "data-display": prediction.display,
      "data-axes": axes,
      "data-target-label": label,
      "data-top": String(TOP),
      "data-checked": "1",
    };
    const place = (more) => this.holder.replaceChildren(el("div", { "data-evident": "map", ...about, ...more }));
    place({});
    this.tell();
    try {
      const job = await callApi("/explanations", { method: "POST", json: { input, model, method: key, start, target } });
      if (this.asked === asked) place({ "data-explanation": job.id });
    } catch (problem) {
      if (this.asked === asked) place({ "data-error": JSON.stringify({ title: "This map cannot be made", detail: problem.message }) });
    }
  }

  /** What the region holds of the map. */
  tell() {
    const { panel } = this;
    const field = panel?.state === "done" && !panel.stage ? panel.field : null;
    const axes = panel?.axes ?? null;
    const shown = field && axes && !field.flat ? { field, axes } : null;
    const parts = shown ? this.held(shown) : [];
    const key = JSON.stringify(parts);
    if (key !== this.told) {
      this.told = key;
      this.said.replaceChildren(...parts.map(([text, strong]) => (strong ? el("strong", {}, text) : text)));
      this.said.classList.toggle("ev-muted", parts.length === 1);
    }
    if (shown && !this.scores.asked) this.score(shown);
  }

  /** @returns {[string, boolean][]} */
  held({ field, axes }) {
    const { drawn } = viewState;
    if (!drawn || drawn.input !== this.session.item?.input) return [["You marked no region to compare it with.", false]];
    const { inside, any } = evidence.place(drawn.region, axes);
    return reading.regionSentence({ any, ...shareInside(field.values, inside) });
  }

  /** The model asked anew about the marked part alone, and about the rest. */
  async score({ field, axes }) {
    const { asked } = this;
    if (!asked) return;
    const mine = { asked: true };
    this.scores = mine;
    const boxes = boxesOf(field.mask("for", TOP), axes);
    if (!boxes.length) return;
    const tell = (part, { after }) => {
      mine[part] = after;
      this.tellScores();
    };
    try {
      await askParts({ request: asked.request, boxes, sound: this.session.input?.modality === "audio" }, tell, () => this.scores === mine);
    } catch (problem) {
      if (this.scores === mine) this.said.title = problem.message;
    }
  }

  /** Beside the buttons that play these parts. */
  tellScores() {
    const { listen } = this.panel?.face ?? {};
    const label = this.asked?.label ?? "";
    for (const part of /** @type {const} */ (["only", "rest"])) {
      const score = this.scores[part];
      const what = part === "only" ? `the strongest ${TOP} % of the map alone` : "all but that";
      listen?.parts.tellScore(part, typeof score === "number" ? score.toFixed(2) : "", `Score for ${label}, asked again with ${what}`);
    }
  }
}

export class Maps {
  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.pair = METHODS.map((method) => new Beside(method, session));
    this.caveat = el("p.ev-muted.ev-cases-caveat");
    this.node = el("div.ev-cases-maps", {}, ...this.pair.map(({ node }) => node), this.caveat);
    const tell = () => {
      for (const each of this.pair) each.tell();
    };
    this.offs = [on("maps", tell), on("region", tell), on("drawn", tell)];
  }

  /** Maps are asked for when the step comes that shows them, once for each prediction. */
  refresh(shown) {
    const { item } = this.session;
    const prediction = item?.revealed && !this.session.withheld ? item.prediction : null;
    this.node.hidden = !shown || !prediction;
    if (!shown || !prediction || this.of === prediction.id) return;
    this.of = prediction.id;
    const line = reading.scoreLine(prediction);
    const target = prediction.classes.length === 2 ? line.shown : prediction.top;
    const label = prediction.classes.find(({ index }) => index === target)?.label ?? "";
    const start = prediction.window ? prediction.window[0] : null;
    const sound = this.session.input?.modality === "audio";
    const [where, masked] = sound
      ? ["Beside the play buttons", "Masked sound is unlike anything heard"]
      : ["Below a map", "A masked picture is unlike anything seen"];
    this.caveat.replaceChildren(
      icon("info"),
      el("span", {}, `${where}: the score for ${label} of that part alone. ${masked} in training: a hint, no proof.`),
    );
    for (const each of this.pair) each.ask({ input: prediction.input, model: prediction.model, start, target, prediction, label });
  }

  /** What stands on the screen, for the record. */
  get shown() {
    const { look } = viewState;
    const ids = this.node.hidden ? [] : this.pair.map(({ id }) => id).filter(Boolean);
    return {
      explanations: ids,
      prediction: this.session.item?.prediction?.id ?? null,
      settings: { ...look, top_heard: TOP, asked: this.session.asked.has(this.session.item?.id) },
    };
  }

  destroy() {
    for (const off of this.offs) off();
    for (const each of this.pair) each.asked = null;
  }
}
