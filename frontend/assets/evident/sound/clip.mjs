/* One recording of a list behind one button. */
import { apiUrl } from "../core/api.mjs";
import { emit, on } from "../core/bus.mjs";
import { el, icon } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";

export class Clip {
  /** @param {string} address below the API prefix @param {string} name of the recording */
  constructor(address, name) {
    this.name = name;
    this.audio = el("audio", { preload: "none", src: apiUrl(address) });
    for (const event of ["play", "pause", "ended", "error"]) this.audio.addEventListener(event, () => this.mark());
    this.node = lasting(el("button.ev-icon-button", { type: "button", onclick: () => this.toggle() }));
    this.off = on("sound", (who) => who !== this && this.audio.pause());
    this.mark();
  }

  toggle() {
    if (!this.audio.paused) {
      this.audio.pause();
      return;
    }
    emit("sound", this);
    this.audio.currentTime = 0;
    this.audio.play().catch(() => this.mark());
  }

  mark() {
    const playing = !this.audio.paused;
    renew(this.node, icon(this.audio.error ? "error" : playing ? "stop" : "play"));
    const word = this.audio.error ? "cannot be played" : playing ? "Stop" : "Play";
    this.node.title = this.audio.error ? `${this.name} ${word}` : `${word} ${this.name}`;
    this.node.setAttribute("aria-label", this.node.title);
  }

  destroy() {
    this.off();
    this.audio.pause();
    this.audio.removeAttribute("src");
  }
}
