/* The recording as it is, before any model: its spectrogram with seconds and Hz, coughs as buttons, play, loop, half speed, the playhead;
   and the reviewer's region on it. A picture stands in the same place, without a player. */
import { callApi } from "../core/api.mjs";
import { nextFrame, on } from "../core/bus.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { viewState } from "../core/state.mjs";
import * as evidence from "../evidence/marks.mjs";
import { pointAt } from "../figure/cursor.mjs";
import { Figure } from "../figure/figure.mjs";
import { greyPicture } from "../figure/picture.mjs";
import { coordinate, fraction, pixelAxes } from "../maps/axes.mjs";
import { Playback } from "../sound/playback.mjs";
import { Coughs } from "./coughs.mjs";
import * as reading from "./reading.mjs";
import { RegionSound } from "./region_sound.mjs";
import { readWav, spectrogram } from "./spectrum.mjs";

const FAILED = "The recording could not be played. Reload the page and try again.";
/** Longest side of the grid that regions are drawn on in a photograph. */
const GRID = 160;

export class Recording {
  /** @type {Axes | null} */
  axes = null;
  seconds = 0;
  /** The sound can be played. */
  ready = false;
  /** What was pressed before it could. @type {(() => void) | null} */
  eager = null;
  /** Answers for an earlier case come too late. */
  asked = {};

  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.playback = new Playback({
      state: () => this.state(),
      time: () => this.clock(),
      lone: () => this.coughs.mark(),
      failed: () => this.warn(FAILED),
      repeated: () => this.playback.alone ?? this.coughs.part ?? [0, this.seconds],
    });
    this.playback.audio.preload = "auto";
    this.figure = new Figure();
    this.figure.canvas.addEventListener("keydown", (event) => this.key(event), true);
    this.figure.plot.addEventListener("click", (event) => this.seekTo(event));
    // the maps show what is pointed at here, and nothing when the pointer has gone
    this.figure.plot.addEventListener("pointerleave", () => pointAt(null));
    this.window = el("i.ev-cases-window", { hidden: true });
    this.limit = el("span.ev-cases-limit", { hidden: true });
    this.figure.plot.append(this.window, this.limit);
    this.message = el("div.ev-map-message", { hidden: true });
    this.title = el("h2.ev-cases-title");
    this.facts = el("span.ev-muted");
    this.said = el("span.ev-muted.ev-cases-said-before");
    this.wave = el("canvas.ev-cases-wave", { "aria-hidden": "true" });
    this.coughs = new Coughs((at) => this.choose(at));
    this.strip = this.coughs.node;
    this.region = new RegionSound(session);
    this.buildBar();
    this.node = el(
      "section.ev-card.ev-cases-recording",
      { "aria-label": "Recording" },
      el("header.ev-cases-head", {}, this.title, this.facts, this.said),
      this.wave,
      el("div.ev-map-body", {}, this.figure.node, this.message),
      this.strip,
      this.bar,
      this.problem,
    );
    this.resizer = new ResizeObserver(() => this.place());
    this.resizer.observe(this.figure.node);
    this.offs = [
      on("region", () => this.outline()),
      on("theme", () => this.drawWave()),
      on("playhead", (at) => at !== null && this.shift(at)),
    ];
  }

  buildBar() {
    const button = (tag, title, run, ...content) => el(`button.ev-button${tag}`, { type: "button", title, onclick: run }, ...content);
    this.start = button(".ev-button--primary.ev-button--icon", "Play", () => this.toggle(), icon("play"));
    this.loop = button("", "Repeat (L)", () => this.turnLoop(), icon("loop"), "Loop");
    this.slow = button("", "Half speed, same pitch (H)", () => this.turnSlow(), "Half speed");
    for (const toggle of [this.loop, this.slow]) toggle.setAttribute("aria-pressed", "false");
    this.time = el("span.ev-cases-time");
    this.slider = el("input.ev-slider.ev-cases-slider", {
      type: "range",
      min: 0,
      step: 0.01,
      value: 0,
      "aria-label": "Place in the recording",
      oninput: () => {
        this.playback.time = Number(this.slider.value);
      },
    });
    this.bar = el("div.ev-cases-bar", {}, this.start, this.loop, this.slow, this.time, this.region.node, this.slider);
    this.problem = el("p.ev-problem", { role: "alert", hidden: true });
  }

  get sound() {
    return this.session.input?.modality === "audio";
  }

  // ---- another case --------------------------------------------------------------------------------------------------------------
  refresh() {
    const { session } = this;
    const { item, input } = session;
    if (!item) return;
    this.title.textContent = reading.shortName(item.name, 48);
    this.title.title = item.name;
    this.facts.textContent = input ? reading.facts(input) : "";
    const { first } = session;
    const said = first && reading.readingWord(first.reading, session.labels);
    this.said.replaceChildren(
      ...(said
        ? [`${first.stage === "before" ? "Before the model you" : "You"} said `, el("strong", {}, said), ` ${reading.clock(first.at)}`]
        : []),
    );
    const onGrid = input?.modality === "spectrogram" && item.picture;
    const key = `${input?.id ?? item.id}${onGrid ? " on the model's grid" : ""}`;
    if (this.shown !== key) {
      this.shown = key;
      this.load();
    }
    this.place();
    this.drawCoughs();
  }

  async load() {
    const { input, item } = this.session;
    const asked = {};
    this.asked = asked;
    this.coughs.list = input?.coughs ?? [];
    this.coughs.chosen = null;
    this.seconds = input?.seconds ?? 0;
    this.axes = null;
    this.figure.set({ picture: null, axes: null });
    this.message.hidden = true;
    this.problem.hidden = true;
    for (const part of [this.bar, this.strip, this.wave]) part.hidden = !this.sound;
    this.playback.close();
    this.ready = false;
    this.eager = null;
    this.drawWave();
    if (!input) {
      this.tellMessage(item.gone ? "This input was deleted. What was said of it is still here." : "The input is no longer stored.");
      return;
    }
    try {
      const shown = this.sound ? await this.hear(input, asked) : await this.see(input);
      if (asked !== this.asked) return;
      this.show(shown);
    } catch (problem) {
      if (asked === this.asked) this.tellMessage(problem.message);
    }
  }

  /** The recording is fetched whole: it plays from memory, at once, and its spectrogram is computed from the same bytes. */
  async hear(input, asked) {
    const bytes = await callApi(`/inputs/${encodeURIComponent(input.id)}/audio.wav`, { as: "bytes" });
    if (asked !== this.asked) return null;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(new Blob([bytes], { type: "audio/wav" }));
    this.playback.open(this.address);
    this.ready = true;
    this.eager?.();
    this.eager = null;
    const { grey, rows, cols, axes } = spectrogram(readWav(bytes));
    const picture = el("canvas", { width: cols, height: rows });
    const image = new ImageData(cols, rows);
    for (let r = 0; r < rows; r += 1)
      for (let c = 0; c < cols; c += 1) {
        const at = 4 * ((rows - 1 - r) * cols + c);
        image.data.fill(grey[r * cols + c], at, at + 3);
        image.data[at + 3] = 255;
      }
    picture.getContext("2d").putImageData(image, 0, 0);
    return { picture, axes: { ...axes, x_axis: { ...axes.x_axis, values: cells(input.seconds) } } };
  }

  /** A picture, on a grid in its own pixels; a spectrogram has seconds and Hz once the model's grid is known, its answer or not. */
  async see(input) {
    const { picture: given } = this.session.item;
    if (input.modality === "spectrogram" && given)
      return { picture: await greyPicture(given.path), axes: { x_axis: given.x_axis, y_axis: given.y_axis } };
    const picture = await greyPicture(`/inputs/${encodeURIComponent(input.id)}/preview.png?size=512`);
    if (input.modality === "spectrogram") return { picture, axes: null };
    return { picture, axes: gridOf(input) };
  }

  show(shown) {
    if (!shown) return;
    const { picture } = shown;
    this.axes = shown.axes;
    const axes = shown.axes ?? pixelAxes(picture);
    viewState.axes = axes;
    this.figure.set({ picture, axes, rows: axes.y_axis.values.length, cols: axes.x_axis.values.length });
    const what = this.sound ? "spectrogram of the whole recording, seconds across and hertz up" : "input as a grey picture";
    this.figure.canvas.setAttribute("aria-label", `${this.session.item.name}: ${what}.`);
    this.figure.canvas.setAttribute("role", this.sound ? "slider" : "img");
    this.outline();
    this.place();
    this.drawCoughs();
    this.state();
    this.session.tell("step");
  }

  tellMessage(sentence) {
    this.message.replaceChildren(el("p", {}, sentence));
    this.message.hidden = false;
  }

  warn(sentence) {
    this.problem.replaceChildren(icon("warning"), el("span", {}, sentence));
    this.problem.hidden = false;
  }

  outline() {
    const { item } = this.session;
    const subject = { input: item?.input };
    this.figure.set({ marks: evidence.marks(subject, this.axes) });
  }

  /** What the model looks at and cannot hear, once it has answered. */
  place() {
    const { item } = this.session;
    const { axes } = this;
    const prediction = item?.revealed ? item.prediction : null;
    const part = prediction?.window;
    this.window.hidden = !this.sound || !axes || !part || part[1] - part[0] > this.seconds - 0.02;
    if (axes && part && !this.window.hidden) {
      const [from, to] = part.map((at) => Math.min(1, Math.max(0, fraction(axes.x_axis, at))));
      Object.assign(this.window.style, { left: `${100 * from}%`, width: `${100 * (to - from)}%` });
    }
    const highest = prediction && axes && this.sound ? coordinate(prediction.y_axis, 1) : null;
    const at = highest && axes ? fraction(axes.y_axis, highest) : 1;
    this.limit.hidden = !(at < 0.97);
    if (!this.limit.hidden && highest) {
      this.limit.style.bottom = `${100 * at}%`;
      this.limit.textContent = `The model hears nothing above ${Number((highest / 1000).toFixed(1))} kHz`;
    }
    this.lineUp();
  }

  // ---- coughs --------------------------------------------------------------------------------------------------------------------
  drawCoughs() {
    if (!this.sound) return;
    const { item } = this.session;
    this.coughs.draw(item?.revealed && !this.session.withheld ? item.prediction : null);
    this.lineUp();
  }

  lineUp() {
    // the figure is drawn in the same frame, before
    nextFrame(this, () => this.sound && this.coughs.lineUp(this.figure.place?.plot, this.axes?.x_axis));
  }

  /** Chooses a cough and plays it alone; pressed again, that ends. */
  choose(at) {
    if (!this.ready) {
      this.eager = () => this.choose(at);
      return;
    }
    const playing = this.playback.playing && this.coughs.chosen === at;
    this.coughs.chosen = playing ? null : at;
    if (!playing) this.note(`cough ${at + 1}`);
    this.playback.hear(playing ? null : this.coughs.part);
    this.coughs.mark();
    this.clock();
  }

  // ---- playing -------------------------------------------------------------------------------------------------------------------
  toggle() {
    if (!this.sound) return;
    this.problem.hidden = true;
    if (!this.ready) {
      this.eager = this.eager ? null : () => this.toggle();
      return;
    }
    if (!this.playback.playing) this.note(this.playback.looping && this.coughs.part ? `cough ${Number(this.coughs.chosen) + 1}` : "all");
    this.playback.toggle();
  }

  note(part) {
    this.session.listened({ half: this.playback.slow, part });
  }

  turnLoop() {
    this.playback.looping = !this.playback.looping;
    this.loop.setAttribute("aria-pressed", String(this.playback.looping));
  }

  turnSlow() {
    this.playback.setSlow(!this.playback.slow);
    this.slow.setAttribute("aria-pressed", String(this.playback.slow));
  }

  /** Arrows on the spectrogram move the playhead, with Shift by a second. */
  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
    if (!by || !this.sound || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.playback.time = Math.min(this.seconds, Math.max(0, this.playback.time + by * (event.shiftKey ? 1 : 0.05)));
    this.clock();
  }

  seekTo(event) {
    if (!this.sound || !this.axes || event.defaultPrevented) return;
    const box = this.figure.plot.getBoundingClientRect();
    this.playback.time = coordinate(this.axes.x_axis, Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    this.shift(this.playback.time);
  }

  state() {
    const { playing } = this.playback;
    renew(this.start, icon(playing ? "pause" : "play"));
    const word = playing ? "Pause" : "Play";
    this.start.title = `${word} (Space)`;
    this.start.setAttribute("aria-label", word);
    this.clock();
  }

  clock() {
    const now = Math.max(0, this.playback.time);
    this.time.replaceChildren(el("strong", {}, now.toFixed(2)), ` / ${this.seconds.toFixed(2)} s`);
    this.slider.max = String(this.seconds);
    if (document.activeElement !== this.slider || this.playback.playing) this.slider.value = String(now);
    for (const node of [this.slider, this.figure.canvas]) node.setAttribute("aria-valuetext", `${now.toFixed(2)} seconds`);
    const values = { "aria-valuemin": "0", "aria-valuemax": String(this.seconds), "aria-valuenow": now.toFixed(2) };
    for (const [name, value] of Object.entries(values)) this.figure.canvas.setAttribute(name, value);
    this.shift(now);
  }

  /** The playhead stands where the sound is, also while nothing plays. */
  shift(seconds) {
    if (this.figure.axes && this.sound) this.figure.play(seconds > 0 ? seconds : null);
  }

  /** What the region is, beside the player. */
  tellRegion(words) {
    this.region.tell(words);
    if (words && words !== this.saidRegion) say(`Your region: ${words}`);
    this.saidRegion = words;
  }

  drawWave() {
    const peaks = this.session.input?.waveform ?? [];
    const { wave } = this;
    if (!this.sound || !peaks.length || !wave.clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    [wave.width, wave.height] = [Math.round(wave.clientWidth * ratio), Math.round(wave.clientHeight * ratio)];
    const context = wave.getContext("2d");
    context.fillStyle = getComputedStyle(wave).color;
    const step = wave.width / peaks.length;
    peaks.forEach((x, i) => {
      const h = Math.max(ratio / 2, (x * wave.height) / 2);
      context.fillRect(i * step, wave.height / 2 - h, Math.max(1, step - 0.5), 2 * h);
    });
  }

  destroy() {
    this.asked = {};
    this.playback.destroy();
    this.region.destroy();
    if (this.address) URL.revokeObjectURL(this.address);
    this.resizer.disconnect();
    for (const off of this.offs) off();
    this.figure.destroy();
    viewState.axes = null;
  }
}

/** Moments that a region can begin and end at: 20 ms apart where that is not too many, whatever the picture shows. */
function cells(seconds) {
  const n = Math.round(Math.min(400, Math.max(100, seconds / 0.02)));
  return Array.from({ length: n }, (_, i) => ((i + 0.5) * seconds) / n);
}

/** Pixels of a photograph, in cells that a region can be painted with. @returns {Axes | null} */
function gridOf({ width, height }) {
  if (!width || !height) return null;
  const step = Math.max(1, Math.max(width, height) / GRID);
  const side = (length) => {
    const n = Math.max(2, Math.round(length / step));
    return Array.from({ length: n }, (_, i) => ((i + 0.5) * length) / n);
  };
  return {
    x_axis: { name: "x", unit: "px", origin: "upper", values: side(width) },
    y_axis: { name: "y", unit: "px", origin: "upper", values: side(height) },
  };
}
