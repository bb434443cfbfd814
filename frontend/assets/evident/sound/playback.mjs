/* One sound: play and pause, a part alone, a part again and again, half speed; and the playhead over every figure while it runs. */
import { emit, on } from "../core/bus.mjs";
import { el } from "../core/elements.mjs";

/** @typedef {[number, number]} Part start and end in seconds */

export class Playback {
  /** A part that plays alone. @type {Part | null} */
  alone = null;
  looping = false;
  slow = false;

  /**
   * @param {{state: () => void, time: () => void, lone: () => void, failed: () => void, repeated: () => Part | null}} owner state: it plays
   *   or pauses; time: the sound moves on; lone: the part alone is another; repeated: what is repeated while it loops
   */
  constructor(owner) {
    this.owner = owner;
    this.audio = el("audio", { preload: "metadata" });
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, () => owner.state());
    this.audio.addEventListener("seeked", () => owner.time());
    this.audio.addEventListener("error", () => this.audio.getAttribute("src") && owner.failed());
    this.offs = [
      on("play", () => this.toggle()),
      on("hear", (part) => this.hear(part)),
      on("sound", (who) => who !== this && this.audio.pause()),
    ];
    this.ended = false;
  }

  /** @param {string} address */
  open(address) {
    this.audio.pause();
    this.audio.src = address;
    this.alone = null;
  }

  close() {
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.alone = null;
  }

  get playing() {
    return !this.audio.paused;
  }

  get time() {
    return this.audio.currentTime || 0;
  }

  set time(seconds) {
    this.audio.currentTime = seconds;
  }

  /** @param {boolean} slow half speed at the same pitch */
  setSlow(slow) {
    this.slow = slow;
    this.audio.playbackRate = slow ? 0.5 : 1;
  }

  /** The part that is repeated, or null. */
  get repeated() {
    return this.looping ? this.owner.repeated() : null;
  }

  /** Plays one part alone and marks it; null ends that. @param {Part | null} part */
  hear(part) {
    if (!this.alone && !part) return;
    this.audio.pause();
    this.lone(part);
    if (!part) return;
    [this.time] = part;
    this.toggle();
  }

  /** @param {Part | null} part */
  lone(part) {
    this.alone = part;
    this.owner.lone();
    emit("heard", part);
  }

  async toggle() {
    const { audio } = this;
    if (!audio.paused) {
      audio.pause();
      return;
    }
    emit("sound", this);
    const { repeated, alone } = this;
    if (!alone && repeated && (this.time < repeated[0] || this.time >= repeated[1])) [this.time] = repeated;
    this.setSlow(this.slow);
    try {
      await audio.play();
      this.tick();
    } catch (error) {
      if (error.name !== "AbortError") this.owner.failed();
    }
  }

  tick() {
    if (this.audio.paused || this.ended) {
      if (this.alone && !this.ended) this.lone(null);
      emit("playhead", null);
      return;
    }
    const { repeated, alone } = this;
    if (repeated && this.time >= repeated[1]) [this.time] = repeated;
    else if (alone && this.time >= alone[1]) this.audio.pause();
    emit("playhead", this.time);
    this.owner.time();
    requestAnimationFrame(() => this.tick());
  }

  destroy() {
    this.ended = true;
    this.audio.pause();
    this.audio.removeAttribute("src");
    for (const off of this.offs) off();
    emit("playhead", null);
  }
}
