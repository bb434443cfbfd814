/* Hear what a map marks, or the rest: two buttons under maps of sound. One sound at a time on the whole page. */
import { apiUrl } from "../core/api.mjs";
import { emit, on } from "../core/bus.mjs";
import { el, icon } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";

const NOTE = "Cut like this, the sound is unlike anything the model was trained on (out of distribution).";
const SHORT = "Cut like this, it is unlike what the model knows.";
const PARTS = { only: "Marked part", rest: "The rest" };
const FAILED = "This sound could not be played. Try again, or run the map again.";

/** The page's one audio element for masked sound, and who uses it. */
const shared = {
  /** @type {HTMLAudioElement | null} */
  audio: null,
  /** @type {Listen | null} */
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

export class Listen {
  constructor(panel) {
    this.panel = panel;
    this.playing = null;
    this.buttons = {
      only: this.button("only", "Play only what this map marks"),
      rest: this.button("rest", "Play the sound without what this map marks"),
    };
    this.text = el("span.ev-listen-note", { hidden: true });
    this.node = el("footer.ev-listen", { hidden: true }, this.buttons.only, this.buttons.rest, this.text);
    this.off = on("sound", (who) => who !== this && this.playing && this.stop());
  }

  button(part, title) {
    return el(
      "button.ev-button.ev-button--small",
      { type: "button", title: `${title}. ${NOTE}`, "aria-pressed": "false", onclick: () => this.toggle(part) },
      icon("play"),
      PARTS[part],
    );
  }

  refresh() {
    const { panel } = this;
    const { record } = panel;
    const sound = Boolean(record) && Boolean(record.window) && record.x_axis.unit === "s";
    const expected = panel.axes && panel.axes.x_axis.unit === "s";
    this.node.hidden = !sound && !expected && this.text.hidden;
    for (const button of Object.values(this.buttons)) {
      button.disabled = !sound || panel.state !== "done";
      button.hidden = !sound && !expected;
    }
  }

  toggle(part) {
    const same = this.playing === part;
    this.stop();
    if (same) return;
    emit("sound", this);
    this.playing = part;
    this.mark();
    this.note(SHORT, NOTE);
    const player = audio();
    shared.owner = this;
    const top = Math.max(1, Math.min(100, Math.round(viewState.look.top)));
    player.src = apiUrl(`/explanations/${encodeURIComponent(this.panel.id)}/audio.wav?part=${part}&top=${top}`);
    player.play().catch((error) => error.name !== "AbortError" && this.over("error"));
    this.tick();
  }

  /** Moves the playhead of every figure while the sound runs: masked sound starts where the model's window starts. */
  tick() {
    if (!this.playing || shared.owner !== this) return;
    emit("playhead", this.panel.record.window[0] + audio().currentTime);
    requestAnimationFrame(() => this.tick());
  }

  over(name) {
    if (!this.playing || (name === "pause" && !audio().ended)) return;
    this.playing = null;
    this.mark();
    this.note(name === "error" ? FAILED : "");
    emit("playhead", null);
  }

  stop() {
    if (!this.playing) return;
    this.playing = null;
    audio().pause();
    this.mark();
    this.note("");
    emit("playhead", null);
  }

  mark() {
    for (const [part, button] of Object.entries(this.buttons)) {
      const on = this.playing === part;
      button.setAttribute("aria-pressed", String(on));
      button.replaceChildren(icon(on ? "stop" : "play"), PARTS[part]);
    }
  }

  note(sentence, title = sentence) {
    this.text.textContent = sentence;
    this.text.title = title;
    this.text.hidden = !sentence;
    this.refresh();
  }

  destroy() {
    this.stop();
    this.off();
  }
}
