/* One picture with axes: grey input, hue of the evidence, outline, ticks, strip over time, crosshair and playhead.
   The still parts are drawn on a canvas; crosshair and playhead are elements moved by transforms, so following the pointer costs no
   drawing at all. */
(() => {
  "use strict";
  const { evident } = window;
  const { el } = evident;
  const LEFT = 38;
  const TOP = 4;
  const AXIS = 18;
  const STRIP = 16;
  const SOUND_RATIO = 0.8;
  const MARK = "#ff52f0";

  /** Where things stand for a css width: {width, height, plot: {x, y, w, h}, strip: {y, h} | null}. */
  function layout(width, { rows, cols, axes, strip }) {
    const w = Math.max(40, width - LEFT);
    const ratio = axes.x_axis.unit === "s" ? SOUND_RATIO : Math.min(1.4, rows / cols);
    const h = Math.round(w * ratio);
    const height = TOP + h + AXIS + (strip ? STRIP : 0);
    return { width, height, plot: { x: LEFT, y: TOP, w, h }, strip: strip ? { y: TOP + h + AXIS, h: STRIP - 2 } : null };
  }

  /** Draws a figure at css size; the context is already scaled to device pixels. */
  function draw(context, place, figure, colours) {
    const { plot } = place;
    const lower = figure.axes.y_axis.origin === "lower";
    context.clearRect(0, 0, place.width, place.height);
    context.save();
    context.beginPath();
    context.roundRect(plot.x, plot.y, plot.w, plot.h, 4);
    context.fillStyle = colours.line;
    context.fill();
    context.clip();
    if (figure.picture) {
      // rows of the picture run as a person sees them, unless the page says they run as in the array
      mirrored(context, plot, lower && figure.pictureRows === "array", () => blit(context, figure.picture, plot, true));
    }
    if (figure.overlay && !figure.bare) {
      context.globalAlpha = figure.faded ? 0.4 : 1;
      mirrored(context, plot, lower, () => blit(context, figure.overlay, plot, figure.smooth));
      context.globalAlpha = 1;
      if (!figure.faded) for (const line of figure.lines) mirrored(context, plot, lower, () => outline(context, line, figure, plot));
    }
    for (const mark of figure.marks) mirrored(context, plot, lower, () => markOutline(context, mark, plot));
    context.restore();
    drawTicks(context, plot, figure.axes, colours, lower);
    if (place.strip && figure.strip && !figure.bare) drawStrip(context, place, figure.strip, colours);
  }

  /** Runs the drawing with rows turned upside down, for origin "lower". */
  function mirrored(context, plot, turn, drawing) {
    context.save();
    if (turn) {
      context.translate(0, 2 * plot.y + plot.h);
      context.scale(1, -1);
    }
    drawing();
    context.restore();
  }

  function blit(context, canvas, plot, smooth) {
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = "medium";
    context.drawImage(canvas, plot.x, plot.y, plot.w, plot.h);
  }

  /** White under black, so that the line shows on any colour. A dashed line is the agreement of all maps. */
  function outline(context, { segments, dashed }, { rows, cols }, plot) {
    if (!segments.length) return;
    trace(context, segments, plot.w / cols, plot.h / rows, plot);
    context.lineCap = dashed ? "butt" : "square";
    context.setLineDash([]);
    context.strokeStyle = "rgba(255, 255, 255, 0.92)";
    context.lineWidth = 2.5;
    context.stroke();
    if (dashed) context.setLineDash([4, 3]);
    context.strokeStyle = "rgba(0, 0, 0, 0.95)";
    context.lineWidth = 1;
    context.stroke();
    context.setLineDash([]);
  }

  function trace(context, segments, sx, sy, plot) {
    context.beginPath();
    for (let i = 0; i < segments.length; i += 4) {
      context.moveTo(plot.x + segments[i] * sx, plot.y + segments[i + 1] * sy);
      context.lineTo(plot.x + segments[i + 2] * sx, plot.y + segments[i + 3] * sy);
    }
  }

  /** Known evidence: magenta, which no colour table holds, on black, so that it shows on any map. Dotted: something else that is known. */
  function markOutline(context, { segments, rows, cols, dotted }, plot) {
    if (!segments.length) return;
    trace(context, segments, plot.w / cols, plot.h / rows, plot);
    context.lineCap = "square";
    context.strokeStyle = "rgba(0, 0, 0, 0.9)";
    context.lineWidth = 4;
    context.stroke();
    if (dotted) {
      context.lineCap = "butt";
      context.setLineDash([3, 3]);
    }
    context.strokeStyle = MARK;
    context.lineWidth = 2;
    context.stroke();
    context.setLineDash([]);
  }

  function drawTicks(context, plot, { x_axis: xAxis, y_axis: yAxis }, colours, lower) {
    context.font = `11px ${colours.font}`;
    context.fillStyle = colours.muted;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const yTicks = evident.axes.ticks(yAxis, plot.h);
    for (const { at, label } of yTicks) {
      const y = plot.y + plot.h * (lower ? 1 - at : at);
      context.fillText(label, plot.x - 5, Math.min(plot.y + plot.h - 5, Math.max(plot.y + 5, y)));
    }
    context.textBaseline = "alphabetic";
    for (const { at, label } of evident.axes.ticks(xAxis, plot.w)) {
      const half = context.measureText(label).width / 2;
      context.textAlign = "center";
      const x = plot.x + plot.w * at;
      context.fillText(label, Math.min(plot.x + plot.w - half, Math.max(plot.x + half - 4, x)), plot.y + plot.h + 14);
    }
  }

  /** Evidence per moment: bars from the bottom, the strongest fills the strip. */
  function drawStrip(context, { plot, strip }, sums, colours) {
    const most = Math.max(...sums);
    context.fillStyle = colours.line;
    context.fillRect(plot.x, strip.y + strip.h, plot.w, 1);
    if (!(most > 0)) return;
    context.fillStyle = colours.muted;
    const bars = Math.min(sums.length, Math.floor(plot.w / 3));
    const step = plot.w / bars;
    for (let k = 0; k < bars; k += 1) {
      const from = Math.floor((k * sums.length) / bars);
      const to = Math.max(from + 1, Math.floor(((k + 1) * sums.length) / bars));
      let mean = 0;
      for (let i = from; i < to; i += 1) mean += sums[i] / (to - from);
      const h = (strip.h * mean) / most;
      context.fillRect(plot.x + k * step, strip.y + strip.h - h, step - 0.75, h);
    }
  }

  class Figure {
    /** onPoint: called after the arrows moved the shared cursor from this figure; stripped: keep room for a strip over time. */
    constructor({ onPoint = null, stripped = false } = {}) {
      Object.assign(this, { rows: 1, cols: 1, axes: null, picture: null, pictureRows: "picture", overlay: null, lines: [], marks: [], strip: null });
      Object.assign(this, { smooth: true, bare: false, faded: false, place: null, onPoint, stripped });
      this.canvas = el("canvas.ev-figure-canvas", { role: "img", tabIndex: 0 });
      this.across = el("i.ev-hair.ev-hair--across");
      this.down = el("i.ev-hair.ev-hair--down");
      this.head = el("i.ev-playhead");
      this.plot = el("div.ev-plot", {}, this.across, this.down, this.head);
      this.node = el("div.ev-figure", {}, this.canvas, this.plot);
      this.listen();
    }

    listen() {
      const point = (event) => this.point(event);
      this.plot.addEventListener("pointermove", (event) => {
        if (event.pointerType === "mouse" || event.buttons) point(event);
      });
      this.plot.addEventListener("pointerdown", (event) => {
        point(event);
        this.canvas.focus({ preventScroll: true });
      });
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      this.offs = [
        evident.on("cursor", (cursor) => this.follow(cursor)),
        evident.on("playhead", (seconds) => this.play(seconds)),
        evident.on("theme", () => this.later()),
      ];
      this.resizer = new ResizeObserver(() => {
        if (this.place && this.node.clientWidth !== this.place.width) this.later();
      });
      this.resizer.observe(this.node);
    }

    /** Changes what is shown; the drawing follows in the next frame. */
    set(props) {
      Object.assign(this, props);
      this.later();
    }

    later() {
      evident.frame(this, () => this.draw());
    }

    draw() {
      const width = this.node.clientWidth;
      if (!width || !this.axes) return;
      this.place = layout(width, { ...this, strip: this.stripped && this.axes.x_axis.unit === "s" });
      const { height, plot } = this.place;
      const ratio = window.devicePixelRatio || 1;
      const { canvas } = this;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
        this.node.style.height = `${height}px`;
      }
      Object.assign(this.plot.style, { left: `${plot.x}px`, top: `${plot.y}px`, width: `${plot.w}px`, height: `${plot.h}px` });
      const context = canvas.getContext("2d");
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      draw(context, this.place, this, evident.themeColours());
      this.follow(evident.state.cursor);
    }

    get lower() {
      return Boolean(this.axes) && this.axes.y_axis.origin === "lower";
    }

    point(event) {
      const box = this.plot.getBoundingClientRect();
      const u = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      const v = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
      evident.point({ u, v: this.lower ? 1 - v : v }, this);
    }

    /** Arrows move the crosshair by one cell of this figure's grid, with Shift by ten. */
    key(event) {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      evident.step(step[0], step[1], event.shiftKey ? 10 : 1, this);
      if (this.onPoint) this.onPoint();
    }

    follow(cursor) {
      const { plot } = this.place || {};
      const shown = Boolean(cursor && plot);
      this.plot.classList.toggle("ev-plot--aimed", shown);
      if (!shown) return;
      const v = this.lower ? 1 - cursor.v : cursor.v;
      this.down.style.transform = `translateX(${Math.round(cursor.u * plot.w)}px)`;
      this.across.style.transform = `translateY(${Math.round(v * plot.h)}px)`;
    }

    /** Playhead at `seconds` of the recording, hidden outside the axis or when nothing plays (null). */
    play(seconds) {
      const timed = seconds !== null && this.axes && this.axes.x_axis.unit === "s" && this.place;
      const at = timed ? evident.axes.fraction(this.axes.x_axis, seconds) : -1;
      const shown = at >= 0 && at <= 1;
      this.plot.classList.toggle("ev-plot--playing", shown);
      if (shown) this.head.style.transform = `translateX(${(at * this.place.plot.w).toFixed(1)}px)`;
    }

    destroy() {
      this.resizer.disconnect();
      for (const off of this.offs) off();
    }
  }

  // ---- the shared cursor -----------------------------------------------------------------------------------------------------
  /** Moves the cursor of all figures, once per frame. from: the figure that was pointed at. */
  evident.point = (cursor, from = null) => {
    evident.state.cursor = cursor;
    if (from) evident.state.pointed = from;
    evident.frame("cursor", () => evident.emit("cursor", evident.state.cursor));
  };

  /** Moves the cursor by cells of a figure's grid; dy < 0 is up on the screen. Starts in the middle. */
  evident.step = (dx, dy, times, figure) => {
    const { rows, cols, lower } = figure;
    const now = evident.state.cursor || { u: 0.5, v: 0.5 };
    const move = (x, n, d) => (Math.min(n - 1, Math.max(0, Math.floor(x * n) + d)) + 0.5) / n;
    evident.point({ u: move(now.u, cols, dx * times), v: move(now.v, rows, (lower ? -dy : dy) * times) }, figure);
  };

  evident.Figure = Figure;
  evident.figure = { layout, draw };
})();
