/* One picture with axes on a canvas. Crosshair and playhead are elements moved by transforms, so following the pointer costs no
   drawing at all. */
import { nextFrame, on } from "../core/bus.mjs";
import { el, icon } from "../core/elements.mjs";
import { fraction } from "../maps/axes.mjs";
import { cursorOn, inPicture, pointAt, stepCursor } from "./cursor.mjs";
import { drawFigure, layoutFigure } from "./drawing.mjs";
import { themeColours } from "./theme.mjs";

/** The figure of a plot element. @type {WeakMap<Element, Figure>} */
export const figureOf = new WeakMap();

export class Figure {
  rows = 1;
  cols = 1;
  /** @type {Axes | null} */
  axes = null;
  /** The grey input. @type {HTMLCanvasElement | null} */
  picture = null;
  /** Whether its rows run as a person sees them ("picture") or as in the array ("array"). @type {string} */
  pictureRows = "picture";
  /** The coloured map, one pixel a cell. @type {HTMLCanvasElement | null} */
  overlay = null;
  /** Whether the map is interpolated when it is enlarged. */
  smooth = true;
  /** @type {{segments: Float32Array, dashed: boolean}[]} */
  lines = [];
  /** Known evidence. @type {PlacedRegion[]} */
  marks = [];
  /** Evidence per column. @type {Float64Array | null} */
  strip = null;
  /** Only the input. */
  bare = false;
  faded = false;
  /** Cells that are not stable, one pixel a cell. @type {HTMLCanvasElement | null} */
  hatched = null;
  /** Height of the box at the last drawing, css pixels. */
  boxed = 0;
  /** Where things stood in the last drawing. @type {ReturnType<typeof layoutFigure> | null} */
  place = null;

  /** How the last press on the plot was made. */
  pressed = "";

  /**
   * @param {{onPoint?: () => void, onOpen?: (() => void) | null, stripped?: boolean}} how onPoint: called after the arrows moved the shared
   *   cursor from this figure; onOpen: shows it large (click, Enter, button; a tap sets the crosshair); stripped: keep room for a strip over time
   */
  constructor({ onPoint = () => {}, onOpen = null, stripped = false } = {}) {
    this.onPoint = onPoint;
    this.onOpen = onOpen;
    this.stripped = stripped;
    this.canvas = el("canvas.ev-figure-canvas", { role: "img", tabIndex: 0 });
    this.across = el("i.ev-hair.ev-hair--across");
    this.down = el("i.ev-hair.ev-hair--down");
    this.head = el("i.ev-playhead");
    this.plot = el("div.ev-plot", {}, this.across, this.down, this.head);
    this.node = el("div.ev-figure", {}, this.canvas, this.plot);
    figureOf.set(this.plot, this);
    if (onOpen) this.plot.append(this.opener(onOpen));
    this.listen();
  }

  opener(onOpen) {
    const open = (event) => {
      event.stopPropagation();
      onOpen();
    };
    return el("button.ev-figure-open", { type: "button", title: "Show large", "aria-label": "Show large", onclick: open }, icon("expand"));
  }

  listen() {
    const point = (event) => this.point(event);
    this.plot.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" || event.buttons) point(event);
    });
    this.plot.addEventListener("click", () => this.pressed === "mouse" && this.onOpen?.());
    this.plot.addEventListener("pointerdown", (event) => {
      this.pressed = event.button ? "" : event.pointerType;
      if (event.target !== this.plot) return;
      point(event);
      this.canvas.focus({ preventScroll: true });
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    /** @type {(() => void)[]} */
    this.offs = [on("cursor", () => this.follow()), on("playhead", (seconds) => this.play(seconds)), on("theme", () => this.later())];
    this.resizer = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = this.node;
      if (this.place && (clientWidth !== this.place.width || clientHeight !== this.boxed)) this.later();
    });
    this.resizer.observe(this.node);
  }

  /** Changes what is shown; the drawing follows in the next frame. */
  set(props) {
    Object.assign(this, props);
    this.later();
  }

  later() {
    nextFrame(this, () => this.draw());
  }

  draw() {
    const width = this.node.clientWidth;
    if (!width || !this.axes) return;
    this.place = this.fit(width);
    const { height, plot } = this.place;
    const ratio = window.devicePixelRatio || 1;
    const { canvas } = this;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    Object.assign(this.plot.style, { left: `${plot.x}px`, top: `${plot.y}px`, width: `${plot.w}px`, height: `${plot.h}px` });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawFigure(context, this.place, this, themeColours());
    this.follow();
  }

  /** As high as its width asks for, or as the page lets it be (compare.css, large.css). */
  fit(width) {
    const { node } = this;
    const figure = { ...this, strip: this.stripped && this.axes?.x_axis.unit === "s" };
    const free = layoutFigure(width, figure);
    const wanted = `${free.height}px`;
    if (node.style.height !== wanted) node.style.height = wanted;
    this.boxed = node.clientHeight;
    return this.boxed === free.height ? free : layoutFigure(width, figure, this.boxed);
  }

  get lower() {
    return this.axes?.y_axis.origin === "lower";
  }

  point(event) {
    const box = this.plot.getBoundingClientRect();
    const u = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const v = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    pointAt({ u, v: this.lower ? 1 - v : v }, this);
  }

  /** Arrows move the crosshair by one cell of this figure's grid, with Shift by ten. */
  key(event) {
    if (event.key === "Enter" && this.onOpen) {
      event.preventDefault();
      this.onOpen();
      return;
    }
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    stepCursor(step[0], step[1], event.shiftKey ? 10 : 1, this);
    this.onPoint();
  }

  /** Crosshair where the shared cursor is on this figure's axes. */
  follow() {
    const plot = this.place?.plot;
    const cursor = cursorOn(this.axes);
    const aimed = Boolean(cursor && plot && inPicture(cursor));
    this.plot.classList.toggle("ev-plot--aimed", aimed);
    if (!cursor || !plot || !aimed) return;
    const v = this.lower ? 1 - cursor.v : cursor.v;
    this.down.style.transform = `translateX(${Math.round(cursor.u * plot.w)}px)`;
    this.across.style.transform = `translateY(${Math.round(v * plot.h)}px)`;
  }

  /**
   * Playhead at `seconds` of the recording, hidden outside the axis or when nothing plays (null).
   * @param {number | null} seconds
   */
  play(seconds) {
    const { axes, place } = this;
    const at = seconds !== null && axes?.x_axis.unit === "s" ? fraction(axes.x_axis, seconds) : -1;
    const shown = Boolean(place) && at >= 0 && at <= 1;
    this.plot.classList.toggle("ev-plot--playing", shown);
    if (place && shown) this.head.style.transform = `translateX(${(at * place.plot.w).toFixed(1)}px)`;
  }

  destroy() {
    this.resizer?.disconnect();
    for (const off of this.offs ?? []) off();
  }
}
