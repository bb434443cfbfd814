/* Two buttons that play part of a sound, or the rest of it. One sound at a time on the whole page. */
import { apiUrl } from "../core/api.mjs";
import { emit, on } from "../core/bus.mjs";
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";

/** @typedef {"only" | "rest"} Part */

/** The page's one audio element for parts of sounds, and who uses it. */
const shared = {
  /** @type {HTMLAudioElement | null} */
  audio: null,
  /** @type {Parts | null} */
  owner: null,
};

/** @returns {HTMLAudioElement} */
function audio() {
  if (shared.audio) return shared.audio;
  const player = el("audio", { preload: "none" });
  for (const name of ["ended", "pause", "error"]) player.addEventListener(name, () => shared.owner?.over(name));
  shared.audio = player;
  return player;
}

export class Parts {
  /** @type {Part | null} */
  playing = null;

  /**
   * @param {{words: () => {only: string, rest: string}, titles: {only: string, rest: string}, address: (part: Part) => string, start: () => number, told: (how: "plays" | "over" | "failed") => void}} of
   *   words: on the buttons; address: of the sound, below the API prefix; start: the second of the recording at which it begins
   */
  constructor(of) {
    this.of = of;
    this.buttons = { only: this.button("only"), rest: this.button("rest") };
    /** What the model says of each part, where the page asks it. */
    this.scores = { only: el("strong.ev-listen-score", { hidden: true }), rest: el("strong.ev-listen-score", { hidden: true }) };
    this.nodes = [this.buttons.only, this.scores.only, this.buttons.rest, this.scores.rest];
    this.off = on("sound", (who) => who !== this && this.playing && this.stop());
  }

  /** @param {Part} part */
  button(part) {
    return el(
      "button.ev-button.ev-button--small",
      { type: "button", title: this.of.titles[part], "aria-pressed": "false", onclick: () => this.toggle(part) },
      icon("play"),
      this.of.words()[part],
    );
  }

  /** @param {Part} part @param {string} score "" for none @param {string} [title] */
  tellScore(part, score, title = "") {
    const node = this.scores[part];
    node.hidden = !score;
    node.textContent = score;
    node.title = title;
  }

  /** @param {Part} part */
  toggle(part) {
    const same = this.playing === part;
    this.stop();
    if (same) return;
    emit("sound", this);
    this.playing = part;
    this.mark();
    this.of.told("plays");
    const player = audio();
    shared.owner = this;
    player.src = apiUrl(this.of.address(part));
    player.play().catch((error) => error.name !== "AbortError" && this.over("error"));
    this.tick();
  }

  /** Moves the playhead of every figure while the sound runs. */
  tick() {
    if (!this.playing || shared.owner !== this) return;
    emit("playhead", this.of.start() + audio().currentTime);
    requestAnimationFrame(() => this.tick());
  }

  over(name) {
    if (!this.playing || (name === "pause" && !audio().ended)) return;
    this.playing = null;
    this.mark();
    this.of.told(name === "error" ? "failed" : "over");
    emit("playhead", null);
  }

  stop() {
    if (!this.playing) return;
    this.playing = null;
    audio().pause();
    this.mark();
    this.of.told("over");
    emit("playhead", null);
  }

  mark() {
    const words = this.of.words();
    for (const part of /** @type {const} */ (["only", "rest"])) {
      const on = this.playing === part;
      this.buttons[part].setAttribute("aria-pressed", String(on));
      renew(this.buttons[part], icon(on ? "stop" : "play"), words[part]);
    }
  }

  destroy() {
    this.stop();
    this.off();
  }
}
