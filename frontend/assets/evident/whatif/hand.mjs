/* A region in the making, on any figure: rectangle or brush by pointer, arrows by key, and the way back. What is drawn is shared
   (region.mjs), so every map of that input outlines it. */
import { viewState } from "../core/state.mjs";
import { cursorOn } from "../figure/cursor.mjs";
import { boundsOf, cellAt, fillRect, moved, rectAround, rectBetween, sized, stroke } from "./cells.mjs";
import { Pen } from "./pen.mjs";
import * as region from "./region.mjs";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
/** Milliseconds after the last key before a region counts as drawn. */
export const REST = 350;

export class Hand {
  /** rectangle or brush */
  tool = "rectangle";
  /** Width of the brush, 0..1 of the figure's sides. */
  width = 0.12;
  /** Cells before each change. @type {Uint8Array[]} */
  past = [];
  /** Cells under the stroke or rectangle in the making, and where it began and is now. */
  base = new Uint8Array();
  first = { u: 0, v: 0 };
  last = this.first;

  /**
   * @param {{input: () => string, axes: () => Axes | null, ready: () => boolean, fits: (figure: any) => boolean, drawing: () => void, drawn: (wait: number) => void}} page
   *   input, axes: what is drawn on, and its grid; drawing: told while a stroke grows; drawn: told when it is done, or will be in `wait` ms
   */
  constructor(page) {
    this.page = page;
    this.pen = new Pen({
      fits: (figure) => page.fits(figure),
      down: (at, event) => this.down(at, event),
      move: (at) => this.drag(at),
      up: () => page.drawn(0),
    });
  }

  on() {
    this.pen.on();
  }

  off() {
    this.pen.off();
  }

  get axes() {
    return this.page.axes();
  }

  /** @returns {[number, number]} */
  grid() {
    return [this.axes?.y_axis.values.length ?? 1, this.axes?.x_axis.values.length ?? 1];
  }

  /** The cell under the crosshair, else the one in the middle. */
  pointed() {
    return cellAt(cursorOn(this.axes) ?? { u: 0.5, v: 0.5 }, ...this.grid());
  }

  /** What is drawn on this input, on its grid; empty where it is of another one. */
  get cells() {
    const [rows, cols] = this.grid();
    return viewState.drawn?.input === this.page.input() ? region.drawnCells(this.axes) : new Uint8Array(rows * cols);
  }

  remember() {
    this.past = [...this.past.slice(-30), this.cells];
  }

  /** @param {Uint8Array | null} cells */
  set(cells, wait = 0) {
    this.remember();
    this.paint(cells, wait);
  }

  paint(cells, wait = 0) {
    region.draw(this.page.input(), cells, this.axes);
    this.page.drawn(wait);
  }

  rectangle(rect, wait = 0) {
    const [rows, cols] = this.grid();
    this.set(fillRect(new Uint8Array(rows * cols), cols, rect), wait);
  }

  /** A rectangle to begin with, for the arrow keys. */
  begin(wait = 0) {
    this.rectangle(rectAround(this.pointed(), ...this.grid()), wait);
  }

  undo() {
    const cells = this.past.pop();
    if (cells) this.paint(cells);
  }

  down(at, event) {
    const { cells } = this;
    this.remember();
    this.base = this.tool === "brush" || event.shiftKey ? cells : new Uint8Array(cells.length);
    this.first = at;
    this.last = at;
    this.drag(at);
  }

  drag(at) {
    const [rows, cols] = this.grid();
    const cells = Uint8Array.from(this.base);
    if (this.tool === "brush") {
      this.base = stroke(cells, rows, cols, this.last, at, this.width);
      this.last = at;
    } else fillRect(cells, cols, rectBetween(cellAt(this.first, rows, cols), cellAt(at, rows, cols)));
    region.draw(this.page.input(), cells, this.axes);
    this.page.drawing();
  }

  /**
   * Arrows move the region, with Shift they change its size, with Alt ten cells at once; Delete takes it away, Ctrl+Z one change back.
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key was one of these
   */
  key(event) {
    const step = STEPS[event.key];
    const held = event.ctrlKey || event.metaKey;
    if (event.key === "Delete" || event.key === "Backspace") this.set(null);
    else if (event.key.toLowerCase() === "z" && held) this.undo();
    else if (step && this.page.ready() && !held) this.shift(step, event.shiftKey, event.altKey ? 10 : 1);
    else return false;
    return true;
  }

  /** The rectangle around the region, moved or sized. On the screen up is towards the first row of a photo, the last of a spectrogram. */
  shift([down, right], size, times) {
    const [rows, cols] = this.grid();
    const rect = boundsOf(this.cells, rows, cols);
    if (!rect) {
      this.begin(REST);
      return;
    }
    const lower = this.axes?.y_axis.origin === "lower";
    const by = (size || !lower ? down : -down) * times;
    this.rectangle((size ? sized : moved)(rect, by, right * times, rows, cols), REST);
  }
}
