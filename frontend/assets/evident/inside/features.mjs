/* The feature maps of the chosen layer, by what each adds to the class; every filter can be switched off, and what is left of the answer
   stands above them. */
import { el } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import * as words from "../maps/words.mjs";
import { trouble } from "../job/lines.mjs";
import * as reading from "./reading.mjs";
import { drawSmall, lowerOf, mean, overlayOf, smallCanvas } from "../figure/small_map.mjs";

const options = (orders) => orders.map(([value, text, title]) => el("option", { value, title }, text));
const FIRST = 12;
const MORE = 24;

export class Features {
  order = "share";
  count = FIRST;
  /** Filters that made the spot that was asked about. @type {Map<number, number>} */
  spot = new Map();
  /** Cells by filter, of the layer on show. @type {Map<number, any>} */
  cells = new Map();
  /** @type {string | null} */
  drawnLayer = null;
  /** Largest |share| of the layer. */
  largest = 1;

  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.title = el("h2.ev-inside-title", {}, "Feature maps");
    this.quiet = el("span.ev-muted");
    this.select = el(
      "select.ev-inside-select.ev-lab-only",
      { "aria-label": "Order of the feature maps", onchange: () => this.sort(this.select.value) },
      el("optgroup", { label: "On this input" }, ...options(reading.ORDERS)),
      el("optgroup", { label: "Over many inputs" }, ...options(reading.RANKINGS)),
    );
    this.banner = el("div.ev-inside-banner", { role: "status", hidden: true });
    this.grid = el("div.ev-feature-grid");
    this.more = el("button.ev-button.ev-button--small", { type: "button", hidden: true, onclick: () => this.showMore() }, "Show more");
    this.node = el(
      "section.ev-card.ev-inside-features",
      { "aria-label": "Feature maps" },
      el("header.ev-inside-head", {}, el("div.ev-inside-titles", {}, this.title, this.quiet), this.select),
      this.banner,
      this.grid,
      this.more,
    );
  }

  sort(order) {
    this.order = order;
    if (reading.RANKINGS.some(([key]) => key === order)) this.session.rankBy(order);
    else this.draw();
  }

  /** Somebody chose a ranking, here or beside the bars. */
  ranked() {
    this.order = this.session.ranking;
    this.select.value = this.order;
    this.draw();
  }

  /** Another order needs the study of all filters; null while that is not there. */
  get study() {
    return this.session.studied?.result ?? null;
  }

  /** Whether the order on show waits for the study. */
  get waits() {
    return !this.study && reading.RANKINGS.some(([key]) => key === this.order);
  }

  showMore() {
    this.count += MORE;
    this.draw();
  }

  /** Every filter that has a share, with its map where there is one: [{filter, share, mean, map}]. */
  get features() {
    const { session } = this;
    const { layer } = session;
    if (!reading.hasMap(layer)) return [];
    const all = session.everyFeature();
    if (all) return all;
    return (layer.features ?? []).map(({ filter, share }, number) => {
      const map = session.map(2 + number);
      return { filter, share, map, mean: map ? mean(map.values) : 0 };
    });
  }

  /** Another layer: the cells anew. */
  layer() {
    this.count = FIRST;
    this.spot = new Map();
    this.draw();
    this.switches();
  }

  draw() {
    const { session } = this;
    const { layer, label } = session;
    if (!layer) return;
    if (this.drawnLayer !== layer.name) this.cells.clear();
    this.drawnLayer = layer.name;
    const features = reading.ordered(this.features, this.waits ? "share" : this.order, this.study);
    const first = this.spot.size ? features.filter(({ filter }) => this.spot.has(filter)) : [];
    const shown = [...first, ...features.filter((each) => !first.includes(each))].slice(0, Math.max(this.count, first.length));
    this.title.textContent = `Feature maps of ${layer.name}`;
    const total = layer.shape?.[0] ?? features.length;
    const by = [...reading.ORDERS, ...reading.RANKINGS].find(([value]) => value === this.order)?.[1];
    const said = this.waits ? `share in ${label} until all filters are studied` : by === "|share|" ? `share in ${label}` : by;
    this.quiet.textContent = features.length ? `${shown.length} of ${total}, by ${said}` : "";
    // A long number beside its share and switch needs a wider cell.
    this.grid.style.setProperty("--ev-feature-columns", total > 99 ? "4" : "");
    this.largest = Math.max(...features.map(({ share }) => Math.abs(share)), 1e-12);
    const cells = shown.map((feature) => this.cell(feature));
    if (cells.some((cell, n) => this.grid.children[n] !== cell) || this.grid.children.length !== cells.length)
      renew(this.grid, ...(cells.length ? cells : [el("p.ev-muted", {}, this.none(layer))]));
    this.more.hidden = features.length <= shown.length;
    this.more.textContent = `Show ${Math.min(MORE, features.length - shown.length)} more`;
    this.paint(shown);
    this.mark();
  }

  /** A share is a mean over places; over all of them it adds up to logits. */
  logits(share) {
    const [, rows = 1, cols = 1] = this.session.layer?.shape ?? [];
    return share * rows * cols;
  }

  none(layer) {
    if (reading.isHead(layer)) return "The last layer has scores instead of feature maps.";
    if (!layer.readable) return `${layer.name} is not read: ${layer.reason || "no reason was given"}.`;
    return "Being computed …";
  }

  cell({ filter, share }) {
    const made = this.cells.get(filter);
    if (made) return made.node;
    const { session } = this;
    const canvas = smallCanvas(session.subject);
    const onOff = el("input.ev-switch", {
      type: "checkbox",
      role: "switch",
      checked: !session.switched.has(filter),
      "aria-label": `Filter ${filter} is on`,
      onchange: () => session.turn([filter], !onOff.checked),
    });
    const half = el("i");
    const width = (50 * Math.abs(share)) / this.largest;
    Object.assign(half.style, share < 0 ? { right: "50%", width: `${width}%` } : { left: "50%", width: `${width}%` });
    const text = words.value(this.logits(share), true, 2);
    const pick = el(
      "button.ev-feature-pick",
      { type: "button", "aria-pressed": "false", "aria-label": `Filter ${filter}, share ${text}`, onclick: () => session.pick(filter) },
      canvas,
    );
    const node = el(
      "div.ev-feature",
      {},
      pick,
      el(
        "div.ev-feature-line",
        {},
        el("strong", {}, String(filter)),
        el(
          "span.ev-feature-share",
          { title: `Gradient times activation, summed over the map: about ${text} logits of ${session.label}` },
          text,
        ),
        onOff,
      ),
      el(`div.ev-feature-bar${share < 0 ? ".ev-feature-bar--against" : ""}`, { "aria-hidden": "true" }, half),
    );
    lasting(node);
    this.cells.set(filter, { node, canvas, pick, onOff, made: null });
    return node;
  }

  paint(shown) {
    const { session } = this;
    const { subject, picture } = session;
    for (const { filter, map } of shown) {
      const cell = this.cells.get(filter);
      if (!map || (cell.map === map.array && cell.picture === picture)) continue;
      drawSmall(cell.canvas, picture, overlayOf(map.values, map.rows, map.cols), lowerOf(subject));
      Object.assign(cell, { map: map.array, picture });
    }
  }

  /** Which is chosen, which are off, which made the spot. */
  mark() {
    const { session } = this;
    const { switched } = session;
    for (const [filter, { node, pick, onOff }] of this.cells) {
      const off = switched.has(filter);
      pick.setAttribute("aria-pressed", String(filter === session.filter));
      node.classList.toggle("ev-feature--chosen", filter === session.filter);
      node.classList.toggle("ev-feature--off", off);
      node.classList.toggle("ev-feature--spot", this.spot.has(filter));
      if (onOff.checked === off) onOff.checked = !off;
    }
  }

  /** What is left without the filters that are off. */
  switches() {
    this.mark();
    const { session } = this;
    const { cutting, label, subject } = session;
    this.banner.hidden = !cutting;
    if (!cutting) return;
    const off = [...session.switched].sort((a, b) => a - b);
    const back = el("button.ev-link", { type: "button", onclick: () => session.putBack() }, "Put back");
    if (cutting.problem) {
      renew(
        this.banner,
        trouble(cutting.problem, () => cutting.again()),
        back,
      );
      return;
    }
    const named = off.length > 8 ? `${off.length} filters` : reading.filters(off);
    const changed = reading.change(cutting.result, subject.target);
    const told = changed ? el("strong", {}, changed.scores) : "being computed …";
    const logits = changed?.logits ? el("span.ev-muted", {}, ` ${changed.logits}`) : null;
    renew(this.banner, el("span", {}, `Without ${named}: ${label} `, told, logits ?? ""), back);
  }

  /**
   * Filters that made a spot stand first.
   * @param {{filter: number, share: number}[]} filters
   */
  spotted(filters) {
    this.spot = new Map(filters.map(({ filter, share }) => [filter, share]));
    this.draw();
  }
}
