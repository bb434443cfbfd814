/* One map as large as the window allows, in a dialog: axes, colour bar, readout; arrows go to the next map, Escape closes and the focus
   returns to where it was. What it shows is the panel's own drawing, copied whenever that changes. */
import { nextFrame, on } from "../core/bus.mjs";
import { openDialog } from "../core/dialog.mjs";
import { el, icon } from "../core/elements.mjs";
import { widgetOf } from "../core/widgets.mjs";
import { Bar } from "../figure/bar.mjs";
import { Figure } from "../figure/figure.mjs";
import { sayReadout } from "./readout.mjs";

/** A panel that can be enlarged: the input or a map. @typedef {Widget & {root: HTMLElement, figure: Figure, style?: any, title: any}} Drawn */

/** @returns {Drawn[]} the panels on the page that are drawn, in its order */
const drawn = () =>
  [...document.querySelectorAll('[data-evident="input-map"], [data-evident="map"]')]
    .filter((root) => root instanceof HTMLElement && root.offsetParent !== null)
    .map((root) => /** @type {Drawn | undefined} */ (widgetOf(root)))
    .filter((widget) => widget !== undefined)
    .filter((widget) => widget.figure.place);

const titleOf = ({ root, title }) => (typeof title === "string" ? title : root.dataset.title || "Input");

class Large {
  /** @param {Drawn} first */
  constructor(first) {
    this.shown = first;
    const had = document.activeElement;
    this.back = had instanceof HTMLElement && first.root.contains(had) ? had : first.figure.canvas;
    this.figure = new Figure({ onPoint: () => sayReadout(null) });
    this.bar = new Bar();
    this.count = el("span.ev-muted");
    this.before = this.turn("Map before", -1);
    this.after = this.turn("Next map", 1);
    const map = el("div.ev-large-map", {}, this.figure.node);
    this.node = openDialog("", map, this.bar.node, el("aside.ev-large-readout", { "data-evident": "readout", "aria-label": "Readout" }));
    this.node.classList.add("ev-large");
    this.heading = this.node.querySelector("h2");
    this.heading.after(el("div.ev-large-turn", {}, this.before, this.count, this.after));
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("close", () => this.close());
    this.offs = [on("drawn", (widget) => widget === this.shown && this.copy())];
    for (const name of ["consensus", "evidence", "maps"]) this.offs.push(on(name, () => nextFrame(this, () => this.copy())));
    this.show(first);
    this.after.focus();
  }

  turn(label, by) {
    const button = el(
      "button.ev-map-more",
      { type: "button", "aria-label": label, title: label, onclick: () => this.step(by) },
      icon("chevron"),
    );
    button.dataset.by = String(by);
    return button;
  }

  /** The crosshair takes the arrows while the map itself has the focus. */
  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.step(by);
  }

  step(by) {
    const all = drawn();
    if (all.length) this.show(all[(all.indexOf(this.shown) + by + all.length) % all.length]);
  }

  /** @param {Drawn} widget */
  show(widget) {
    this.shown = widget;
    this.copy();
  }

  copy() {
    const { shown } = this;
    const all = drawn();
    if (!all.includes(shown)) {
      this.node.close();
      return;
    }
    const title = titleOf(shown);
    this.heading.textContent = title;
    this.node.setAttribute("aria-label", `${title}, large`);
    this.count.textContent = `${all.indexOf(shown) + 1} of ${all.length}`;
    for (const button of [this.before, this.after]) button.disabled = all.length < 2;
    const { axes, rows, cols, picture, pictureRows, overlay, smooth, lines, marks, strip, bare, faded, stripped, hatched } = shown.figure;
    this.figure.set({ axes, rows, cols, picture, pictureRows, overlay, smooth, lines, marks, strip, bare, faded, stripped, hatched });
    this.figure.canvas.setAttribute("aria-label", shown.figure.canvas.getAttribute("aria-label") || title);
    const style = shown.style;
    this.bar.node.classList.toggle("ev-bar--idle", !style);
    if (style) this.bar.set(style);
  }

  close() {
    for (const off of this.offs) off();
    this.figure.destroy();
    this.back.focus({ preventScroll: true });
  }
}

/**
 * Shows a panel large.
 * @param {Drawn} widget
 */
export function enlarge(widget) {
  if (widget.figure.place && !document.querySelector("dialog[open]")) new Large(widget);
}
