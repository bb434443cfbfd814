/* The recording: waveform with its coughs and the model's window, play, loop, half speed, and the playhead over every map.

   data-input · data-coughs JSON [{index, start, end}] · data-waveform JSON (peaks 0..1) · data-seconds · data-window JSON [start, end]
   data-store (window-store gets {input, start}) */
import { apiUrl } from "../core/api.mjs";
import { on } from "../core/bus.mjs";
import { el, icon, parseJson } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import { themeColours } from "../figure/theme.mjs";
import { Playback } from "./playback.mjs";

const HEIGHT = 52;
const FAILED = "The recording could not be played. Reload the page and try again.";

/** Start of a window of `length` seconds around the middle of [from, to], inside the recording. */
export function windowAround(from, to, length, seconds) {
  return Number(Math.max(0, Math.min(seconds - length, (from + to) / 2 - length / 2)).toFixed(3));
}

/** Turns a toggle button over; answers its new state. */
export function pressed(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  return on;
}

class Player {
  /** Length of the recording. */
  seconds = 0;
  /** @type {{start: number, end: number}[]} */
  coughs = [];
  /** Loudness over time, 0..1. @type {number[]} */
  peaks = [];
  /** The part the model looks at. @type {[number, number] | null} */
  window = null;

  constructor(root) {
    this.root = root;
    this.canvas = el("canvas.ev-wave-canvas");
    this.head = el("i.ev-playhead");
    this.wave = el(
      "div.ev-wave",
      {
        tabIndex: 0,
        role: "slider",
        "aria-label": "Part of the recording the model looks at",
        "aria-valuemin": "0",
        onpointerdown: (event) => this.click(event),
        onkeydown: (event) => this.key(event),
      },
      this.canvas,
      this.head,
    );
    this.playback = new Playback({
      state: () => this.show(),
      time: () => this.clock(),
      lone: () => this.draw(),
      failed: () => this.say(FAILED),
      // a cough that was asked for is played once, whatever is repeated
      repeated: () => (this.playback.alone ? null : this.window),
    });
    this.buttons();
    root.append(el("div.ev-player", {}, this.wave, this.bar, this.problem));
    this.resizer = new ResizeObserver(() => this.draw());
    this.resizer.observe(this.wave);
    this.offs = [
      on("theme", () => this.draw()),
      // masked sound played from a map moves this playhead too
      on("playhead", (seconds) => this.place(seconds === null ? this.playback.time : seconds)),
    ];
  }

  buttons() {
    const button = (name, title, run) =>
      el("button.ev-button.ev-button--icon", { type: "button", title, "aria-label": title, onclick: run }, name);
    this.start = button(icon("play"), "Play", () => this.toggle());
    this.loop = button(icon("loop"), "Repeat the part the model looks at", () => {
      this.playback.looping = pressed(this.loop);
    });
    this.slow = button("\u00d7\u00bd", "Half speed, same pitch", () => this.playback.setSlow(pressed(this.slow)));
    for (const toggle of [this.loop, this.slow]) toggle.setAttribute("aria-pressed", "false");
    this.time = el("span.ev-time");
    this.cough = el("span.ev-muted.ev-player-cough");
    this.bar = el("div.ev-player-bar", {}, this.start, this.loop, this.slow, this.time, this.cough);
    this.problem = el("p.ev-problem", { role: "alert", hidden: true });
  }

  update(changed) {
    const { dataset } = this.root;
    this.seconds = Number(dataset.seconds) || 0;
    this.coughs = parseJson(dataset.coughs, []);
    this.peaks = parseJson(dataset.waveform, []);
    this.window = parseJson(dataset.window);
    if (changed === null || changed.has("input")) this.open(dataset.input);
    this.wave.setAttribute("aria-valuemax", String(this.seconds));
    this.draw();
    this.show();
  }

  /** The page's sound element. */
  get audio() {
    return this.playback.audio;
  }

  open(input) {
    this.problem.hidden = true;
    if (input) this.playback.open(apiUrl(`/inputs/${encodeURIComponent(input)}/audio.wav`));
    else this.playback.close();
  }

  // ---- playing -------------------------------------------------------------------------------------------------------------
  toggle() {
    this.problem.hidden = true;
    return this.playback.toggle();
  }

  say(sentence) {
    this.problem.replaceChildren(icon("warning"), el("span", {}, sentence));
    this.problem.hidden = false;
  }

  // ---- choosing ------------------------------------------------------------------------------------------------------------
  click(event) {
    const box = this.wave.getBoundingClientRect();
    const at = (this.seconds * (event.clientX - box.left)) / box.width;
    const [from, to] = this.window || [0, this.seconds];
    const cough = this.coughs.find(({ start, end }) => at >= start && at <= end);
    this.playback.time = at;
    if (at < from || at > to) this.choose(cough ? cough.start : at, cough ? cough.end : at);
  }

  /** Arrows go from cough to cough; without coughs the window moves by a tenth of its length. */
  key(event) {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!step || !this.window || this.whole) return;
    event.preventDefault();
    event.stopPropagation();
    const [from, to] = this.window;
    if (!this.coughs.length) {
      const shift = (step * (to - from)) / 10;
      this.choose(from + shift, to + shift);
      return;
    }
    const next = Math.max(0, Math.min(this.coughs.length - 1, this.current() + step));
    this.choose(this.coughs[next].start, this.coughs[next].end);
  }

  choose(from, to) {
    const { input, store } = this.root.dataset;
    const length = this.window ? this.window[1] - this.window[0] : 0;
    const start = windowAround(from, to, length, this.seconds);
    if (this.window && Math.abs(start - this.window[0]) < 0.001) return;
    this.window = [start, start + length];
    this.draw();
    tellDash(store || "window-store", { data: { input, start } });
  }

  /** Index of the cough nearest to the middle of the window, -1 without coughs. */
  current() {
    if (!this.window) return this.coughs.length ? 0 : -1;
    const middle = (this.window[0] + this.window[1]) / 2;
    const away = this.coughs.map(({ start, end }) => Math.abs((start + end) / 2 - middle));
    return away.indexOf(Math.min(...away));
  }

  /** The window holds the whole recording: there is nothing to choose. */
  get whole() {
    return !this.window || this.window[1] - this.window[0] > this.seconds - 0.02;
  }

  // ---- drawing -------------------------------------------------------------------------------------------------------------
  show() {
    const { playing } = this.playback;
    renew(this.start, icon(playing ? "pause" : "play"));
    this.start.title = playing ? "Pause" : "Play";
    this.start.setAttribute("aria-label", this.start.title);
    this.clock();
  }

  clock() {
    const now = this.playback.time;
    this.time.textContent = `${now.toFixed(2)} s`;
    this.time.title = `of ${this.seconds.toFixed(2)} s`;
    this.place(now);
  }

  place(seconds) {
    const shown = this.seconds > 0 && seconds > 0;
    this.wave.classList.toggle("ev-plot--playing", shown);
    if (shown) this.head.style.transform = `translateX(${((this.wave.clientWidth * seconds) / this.seconds).toFixed(1)}px)`;
  }

  draw() {
    const width = this.wave.clientWidth;
    if (!width || !this.seconds) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(HEIGHT * ratio);
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.wave);
    const colours = { ...themeColours(), band: style.getPropertyValue("--ev-accent-ground").trim() || "#e7eef9" };
    const x = (seconds) => (seconds / this.seconds) * width;
    if (this.window) {
      context.fillStyle = colours.band;
      context.fillRect(x(this.window[0]), 0, x(this.window[1]) - x(this.window[0]), HEIGHT);
    }
    this.drawPeaks(context, width, colours);
    if (this.playback.alone) {
      const [from, to] = this.playback.alone;
      context.strokeStyle = colours.accent;
      context.lineWidth = 2;
      context.strokeRect(x(from), 1, Math.max(3, x(to) - x(from)), HEIGHT - 2);
    }
    this.drawCoughs(context, x, colours);
    this.describe();
    this.clock();
  }

  drawPeaks(context, width, colours) {
    const middle = (HEIGHT - 6) / 2;
    const bars = Math.max(1, Math.min(this.peaks.length, Math.floor(width / 2)));
    const [from, to] = this.window || [0, 0];
    for (let k = 0; k < bars; k += 1) {
      const slice = this.peaks.slice(Math.floor((k * this.peaks.length) / bars), Math.floor(((k + 1) * this.peaks.length) / bars));
      const h = Math.max(1, (middle - 2) * Math.max(0, ...slice));
      const at = ((k + 0.5) / bars) * this.seconds;
      context.fillStyle = at >= from && at <= to ? colours.accent : colours.muted;
      context.globalAlpha = at >= from && at <= to ? 1 : 0.65;
      context.fillRect((k * width) / bars, middle - h, Math.max(1, width / bars - 0.75), 2 * h);
    }
    context.globalAlpha = 1;
  }

  /** A line under every cough; the one the window is about is in the accent colour and thicker. */
  drawCoughs(context, x, colours) {
    const chosen = this.whole ? -1 : this.current();
    this.coughs.forEach(({ start, end }, i) => {
      context.fillStyle = i === chosen ? colours.accent : colours.muted;
      const h = i === chosen ? 3 : 1.5;
      context.fillRect(x(start), HEIGHT - h, Math.max(2, x(end) - x(start)), h);
    });
  }

  describe() {
    const [from, to] = this.window || [0, this.seconds];
    const part = `${from.toFixed(2)} to ${to.toFixed(2)} seconds`;
    const count = this.coughs.length;
    const all = count === 1 ? "1 cough" : `${count} coughs`;
    const number = count ? (this.whole ? all : `Cough ${this.current() + 1} of ${count}`) : "No cough found";
    this.cough.textContent = number;
    this.wave.setAttribute("aria-valuenow", String(from));
    this.wave.setAttribute("aria-valuetext", `${number}, ${part}`);
  }

  destroy() {
    this.playback.destroy();
    this.resizer.disconnect();
    for (const off of this.offs) off();
  }
}

declareWidget("player", ["input", "coughs", "waveform", "seconds", "window", "store"], (root) => new Player(root));
