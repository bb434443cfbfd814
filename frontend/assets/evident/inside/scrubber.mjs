/* The layers in depth order: a rail to drag or to walk along with the arrows, and a card per layer with its map and its own prediction. */
import { el, icon } from "../core/elements.mjs";
import * as reading from "./reading.mjs";
import { drawSmall, lowerOf, overlayOf, smallCanvas } from "../figure/small_map.mjs";

/** Room that a card needs, css pixels. */
const CARD = 192;
const GLYPHS = { ok: "check", warning: "warning", fair: "info", off: "info" };

export class Scrubber {
  /** Cards by number of the layer. @type {Map<number, any>} */
  cards = new Map();

  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.line = el("i.ev-rail-line");
    this.decided = el("i.ev-rail-decided");
    this.thumb = el("i.ev-rail-thumb");
    this.flag = el("span.ev-rail-flag", { "aria-hidden": "true", hidden: true }, el("i"), "decided");
    this.stops = el("div.ev-rail-stops", { "aria-hidden": "true" });
    this.rail = el(
      "div.ev-rail",
      {
        role: "slider",
        tabIndex: 0,
        "aria-label": "Layer",
        "aria-valuemin": "1",
        onpointerdown: (event) => this.press(event),
        onpointermove: (event) => event.buttons && this.rail.hasPointerCapture(event.pointerId) && this.drag(event),
        onkeydown: (event) => this.key(event),
      },
      this.line,
      this.decided,
      this.stops,
      this.thumb,
      this.flag,
    );
    this.list = el("div.ev-layer-cards");
    this.node = el("div.ev-scrubber", { hidden: true }, this.rail, this.list);
    this.resizer = new ResizeObserver(() => this.arrange());
    this.resizer.observe(this.node);
  }

  // ---- moving --------------------------------------------------------------------------------------------------------------
  press(event) {
    this.rail.setPointerCapture(event.pointerId);
    this.drag(event);
  }

  drag(event) {
    const box = this.rail.getBoundingClientRect();
    this.session.choose(Math.floor(((event.clientX - box.left) / box.width) * this.session.layers.length));
  }

  key(event) {
    const { index, layers } = this.session;
    const to = {
      ArrowLeft: index - 1,
      ArrowDown: index - 1,
      ArrowRight: index + 1,
      ArrowUp: index + 1,
      PageDown: index - 5,
      PageUp: index + 5,
      Home: 0,
      End: layers.length - 1,
    }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.session.choose(to);
  }

  // ---- drawing -------------------------------------------------------------------------------------------------------------
  /** Another result: all cards anew. */
  lens() {
    const { layers, result } = this.session;
    this.node.hidden = !layers.length;
    if (!layers.length) return;
    const text = JSON.stringify(layers.map(({ name, classes, agreement, readable }) => [name, classes, agreement, readable]));
    if (text === this.text) return;
    this.text = text;
    this.cards.clear();
    const count = layers.length;
    const at = reading.decidedAt(result);
    this.rail.setAttribute("aria-valuemax", String(count));
    this.stops.replaceChildren(
      ...layers.map((layer, number) => {
        const stop = el(`i${layer.readable ? "" : ".ev-rail-stop--off"}`);
        stop.style.left = `${(100 * (number + 0.5)) / count}%`;
        return stop;
      }),
    );
    this.flag.hidden = at < 0;
    this.decided.hidden = at < 0;
    this.flag.style.left = `${(100 * Math.max(0, at)) / count}%`;
    this.flag.classList.toggle("ev-rail-flag--end", at > 0.85 * count);
    Object.assign(this.decided.style, { left: `${(100 * (at + 0.5)) / count}%`, right: `${50 / count}%` });
    Object.assign(this.line.style, { left: `${50 / count}%`, right: `${50 / count}%` });
    this.arrange();
  }

  /** Which cards stand under the rail: all where there is room, else those around the chosen layer. */
  arrange() {
    const { layers, index, layer, subject } = this.session;
    if (!layers.length || !this.node.clientWidth) return;
    const [first, shown] = reading.span(index, layers.length, Math.max(2, Math.floor(this.node.clientWidth / CARD)));
    const cards = layers.slice(first, first + shown).map((each, number) => this.card(each, first + number));
    this.list.style.setProperty("--ev-layers", String(shown));
    if (cards.some((card, number) => this.list.children[number] !== card) || this.list.children.length !== shown)
      this.list.replaceChildren(...cards);
    for (const [number, { node }] of this.cards) node.classList.toggle("ev-layer--chosen", number === index);
    this.thumb.style.left = `${(100 * (index + 0.5)) / layers.length}%`;
    this.rail.classList.toggle("ev-rail--part", shown < layers.length);
    this.rail.setAttribute("aria-valuenow", String(index + 1));
    this.rail.setAttribute("aria-valuetext", reading.spoken(layer, index + 1, layers.length, subject.target));
  }

  card(layer, number) {
    const made = this.cards.get(number);
    if (made) return made.node;
    const { subject } = this.session;
    const trust = reading.reliability(layer);
    const maps = layer.shape?.length ? `${layer.shape[0]} maps` : `${Object.keys(subject.labels).length} scores`;
    const canvas = reading.hasMap(layer) ? smallCanvas(subject, "canvas.ev-layer-map") : null;
    const blank = el("span.ev-layer-blank", {}, reading.isHead(layer) ? "no map here: averaged away" : "no map");
    const node = el(
      `article.ev-layer${trust.state === "off" && !layer.readable ? ".ev-layer--off" : ""}${trust.state === "warning" ? ".ev-layer--near" : ""}`,
      { onclick: () => this.session.choose(number) },
      el(
        "div.ev-layer-head",
        {},
        el(
          "div.ev-layer-words",
          {},
          el("button.ev-layer-name", { type: "button", title: layer.name }, reading.shortName(layer.name)),
          el("span.ev-muted", {}, reading.isHead(layer) ? `${Object.keys(subject.labels).length} scores` : maps),
          canvas && el("span.ev-muted.ev-layer-kind", {}, "Grad-CAM"),
        ),
        canvas ?? blank,
      ),
      ...reading
        .pair(layer, subject.target)
        .map((each) => bar(each, layer.top ?? subject.top, trust.state === "warning" || trust.state === "off")),
      el(`p.ev-layer-trust.ev-layer-trust--${trust.state}`, { title: trust.title }, icon(GLYPHS[trust.state]), trust.text),
    );
    this.cards.set(number, { node, canvas, layer });
    this.paint(number);
    return node;
  }

  /** Arrays have arrived. */
  maps() {
    for (const [number, { drawn }] of this.cards) if (!drawn) this.paint(number);
  }

  paint(number) {
    const card = this.cards.get(number);
    if (!card?.canvas) return;
    const { session } = this;
    const map = session.map(0, card.layer.name);
    const overlay = map && overlayOf(map.values, map.rows, map.cols);
    drawSmall(card.canvas, session.picture, overlay, lowerOf(session.subject));
    card.drawn = Boolean(map && session.picture);
  }

  destroy() {
    this.resizer.disconnect();
  }
}

function bar({ index, label, probability }, top, doubtful) {
  const fill = el("i");
  fill.style.width = `${100 * probability}%`;
  const kind = `${index === top ? ".ev-layer-bar--top" : ""}${doubtful ? ".ev-layer-bar--doubtful" : ""}`;
  return el(
    `div.ev-layer-bar${kind}`,
    {},
    el("span.ev-layer-label", { title: label }, label),
    el("span.ev-layer-track", { "aria-hidden": "true" }, fill),
    el("span.ev-layer-value", {}, reading.score(probability)),
  );
}
