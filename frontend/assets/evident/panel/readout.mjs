/* The crosshair's table: the place in px, or s and Hz, and each map's raw value, percentile and sign there. */
import { nextFrame, on } from "../core/bus.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { cursorOn, inPicture, pointAt } from "../figure/cursor.mjs";
import { coordinate } from "../maps/axes.mjs";
import * as describe from "../maps/describe.mjs";
import * as words from "../maps/words.mjs";
import { allPanels, bothSides, partnerOf } from "./panels.mjs";

/** What one map says at the cursor: {value, percentile, sign, marked}; sign and value as text. */
export function reading(panel, cursor, look) {
  const field = panel.view;
  const { index } = field.cell(cursor);
  const raw = field.values[index];
  const strength = field.strength(look.sign)[index];
  return {
    raw,
    value: words.value(raw, field.signed),
    percentile: field.percentile(index),
    sign: !field.signed || raw === 0 ? "" : raw > 0 ? "supports" : "speaks against",
    marked: strength > 0 && strength >= field.cut(look.sign, look.top),
  };
}

const place = (axes, { u, v }) => [
  describe.position(axes.x_axis, coordinate(axes.x_axis, u)),
  describe.position(axes.y_axis, coordinate(axes.y_axis, v)),
];

const axesNow = () => viewState.axes || allPanels().find((panel) => panel.axes)?.axes || null;

const PERCENTILE = "Share of this map's cells with less evidence (percentile)";

/** Two values stand in one line: two digits of each. */
const short = (panel, { raw }) => words.value(raw, panel.view.signed, 2);

/** The value of a map's partner on the second side, at the same place. */
function partnerReading(panel, look) {
  const partner = partnerOf(panel);
  const at = partner?.view && cursorOn(partner.axes);
  return at ? (inPicture(at) ? short(partner, reading(partner, at, look)) : "outside") : "";
}

class Readout {
  constructor(root) {
    this.x = el("strong");
    this.y = el("strong");
    this.rows = new Map();
    this.body = el("tbody");
    this.hint = el("p.ev-muted", {}, "Point at a map, or focus it and use the arrow keys.");
    this.agree = el("p.ev-muted.ev-readout-agree");
    this.cells = el("p.ev-muted.ev-readout-agree");
    const heads = [el("th", { scope: "col" }, "value"), el("th", { scope: "col", title: PERCENTILE }, "stronger than")];
    this.heads = heads;
    this.head = el("thead.ev-muted", {}, el("tr", {}, el("td"), ...heads));
    const caption = el("caption.ev-visually-hidden", {}, "Values of all maps at the crosshair");
    this.table = el("table.ev-readout-table", {}, caption, this.head, this.body);
    const away = el(
      "button.ev-map-more.ev-readout-close",
      { type: "button", "aria-label": "Put the crosshair away", onclick: () => pointAt(null) },
      icon("close"),
    );
    this.place = el("div.ev-readout-place", {}, this.x, this.y, away);
    this.node = el("div.ev-readout", {}, this.place, this.hint, this.table, this.cells, this.agree);
    root.append(this.node);
    const later = () => nextFrame(this, () => this.show());
    this.offs = ["cursor", "maps", "look", "largest", "axes"].map((name) => on(name, name === "cursor" ? () => this.show() : later));
  }

  update() {
    this.show();
  }

  show() {
    const { look } = viewState;
    const panels = allPanels().filter((panel) => panel.view);
    const beside = bothSides().some((panel) => panel.beside);
    const axes = axesNow();
    const here = cursorOn(axes);
    const aimed = Boolean(here && axes);
    this.hint.hidden = aimed;
    this.head.hidden = !aimed;
    this.place.hidden = !aimed;
    this.node.classList.toggle("ev-readout--aimed", aimed);
    this.keep(panels);
    if (here && axes) [this.x.textContent, this.y.textContent] = place(axes, here);
    let marked = 0;
    for (const panel of panels) {
      const row = this.rows.get(panel);
      if (row.title.textContent !== panel.title) row.title.textContent = panel.title;
      const at = cursorOn(panel.axes);
      const now = at && inPicture(at) ? reading(panel, at, look) : null;
      row.value.textContent = now ? (beside ? short(panel, now) : now.value) : "";
      row.value.title = now ? now.sign : "";
      row.sign.textContent = now?.sign ? ` ${now.sign}` : "";
      row.percentile.title = beside ? "Value of the map beside" : PERCENTILE;
      row.percentile.textContent = beside ? partnerReading(panel, look) : now ? `${Math.round(now.percentile)} %` : "";
      row.node.classList.toggle("ev-readout-row--marked", Boolean(now?.marked && look.top < 100));
      if (now?.marked && panel.votes) marked += 1;
    }
    this.node.classList.toggle("ev-readout--beside", beside);
    this.heads[1].title = beside ? "The map beside" : PERCENTILE;
    this.heads[0].textContent = beside ? "A" : "value";
    this.heads[1].textContent = beside ? "B" : "stronger than";
    const voters = panels.filter(({ votes }) => votes).length;
    const cell = Math.max(1, ...panels.map((panel) => panel.cell));
    this.cells.textContent = aimed && cell > 1 ? `Of fine maps, the mean of the ${cell} px cell` : "";
    this.agree.textContent = aimed && voters > 1 && look.top < 100 ? `${marked} of ${voters} mark this spot` : "";
  }

  /** One row per panel, in the order of the page; rows are kept so that moving the crosshair only changes text. */
  keep(panels) {
    const same = panels.length === this.rows.size && panels.every((panel) => this.rows.has(panel));
    if (same) return;
    this.rows = new Map(panels.map((panel) => [panel, this.rows.get(panel) || this.row(panel)]));
    this.body.replaceChildren(...[...this.rows.values()].map(({ node }) => node));
  }

  row(panel) {
    const title = el("span", {}, panel.title);
    const [value, sign, percentile] = [el("span"), el("span.ev-visually-hidden"), el("td.ev-muted", { title: PERCENTILE })];
    const node = el("tr", {}, el("th", { scope: "row" }, title), el("td", {}, value, sign), percentile);
    return { node, title, value, sign, percentile };
  }

  destroy() {
    for (const off of this.offs) off();
  }
}

let speaking = null;

/** Speaks the place (and a panel's value there) once the arrows rest. */
export function sayReadout(panel) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const { look } = viewState;
    const axes = panel?.axes || axesNow();
    const cursor = cursorOn(axes);
    if (!cursor || !axes) return;
    const now = panel?.view ? reading(panel, cursor, look) : null;
    const text = now ? `: ${now.value}, stronger than ${Math.round(now.percentile)} % of the map${now.sign ? `, ${now.sign}` : ""}` : "";
    say(`${place(axes, cursor).join(", ")}${text}`);
  }, 400);
}

declareWidget("readout", [], (root) => new Readout(root));
