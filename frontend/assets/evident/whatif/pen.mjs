/* Drawing on a figure while the card is open: the pointer draws instead of moving the crosshair or opening the map. */
import { figureOf } from "../figure/figure.mjs";

/** Place of the pointer on a figure, 0..1 along the array. */
function placeOn(figure, event) {
  const box = figure.plot.getBoundingClientRect();
  const within = (x) => Math.min(1, Math.max(0, x));
  const v = within((event.clientY - box.top) / box.height);
  return { u: within((event.clientX - box.left) / box.width), v: figure.lower ? 1 - v : v };
}

export class Pen {
  /**
   * @param {{fits: (figure: any) => boolean, down: (at: Cursor, event: PointerEvent) => void, move: (at: Cursor) => void, up: () => void}} hand
   *   fits: whether this figure shows what is drawn on
   */
  constructor(hand) {
    this.hand = hand;
    this.figure = null;
    this.drew = false;
    this.listeners = {
      pointerdown: (event) => this.down(event),
      pointermove: (event) => this.move(event),
      pointerup: () => this.up(),
      pointercancel: () => this.up(),
      click: (event) => this.click(event),
    };
  }

  on() {
    document.documentElement.classList.add("ev-drawing");
    for (const [name, fn] of Object.entries(this.listeners)) document.addEventListener(name, fn, true);
  }

  off() {
    document.documentElement.classList.remove("ev-drawing");
    for (const [name, fn] of Object.entries(this.listeners)) document.removeEventListener(name, fn, true);
    this.figure = null;
  }

  down(event) {
    const plot = event.target instanceof Element && event.target.classList.contains("ev-plot") ? event.target : null;
    const figure = plot && !plot.closest("dialog") ? figureOf.get(plot) : null;
    this.drew = Boolean(figure && !event.button && this.hand.fits(figure));
    if (!this.drew) return;
    event.preventDefault();
    event.stopPropagation();
    this.figure = figure;
    plot.setPointerCapture?.(event.pointerId);
    this.hand.down(placeOn(figure, event), event);
  }

  move(event) {
    if (!this.figure) return;
    event.stopPropagation();
    this.hand.move(placeOn(this.figure, event));
  }

  up() {
    if (!this.figure) return;
    this.figure = null;
    this.hand.up();
  }

  /** The click that ends a drawing does not open the map. */
  click(event) {
    if (!this.drew) return;
    this.drew = false;
    event.preventDefault();
    event.stopPropagation();
  }
}
