/* Hear what a map marks, or the rest: two buttons under maps of sound. */
import { el } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { unmarked } from "../maps/describe.mjs";
import { Parts } from "./parts.mjs";

const NOTE = "Cut like this, the sound is unlike anything the model was trained on (out of distribution).";
const SHORT = "Cut like this, it is unlike what the model knows.";
const WORDS = { only: "Marked part", rest: "The rest" };
/** Where the page says what counts as marked. */
const FIXED = { only: "What the map marks", rest: "The rest" };
const FAILED = "This sound could not be played. Try again, or run the map again.";

export class Listen {
  constructor(panel) {
    this.panel = panel;
    this.parts = new Parts({
      words: () => (panel.root.dataset.top ? FIXED : WORDS),
      titles: {
        only: `Play only what this map marks. ${NOTE}`,
        rest: `Play the sound without what this map marks. ${NOTE}`,
      },
      address: (part) => `/explanations/${encodeURIComponent(panel.id)}/audio.wav?part=${part}&top=${this.top}`,
      // masked sound starts where the model's window starts
      start: () => panel.record.window[0],
      told: (how) => this.note(how === "plays" ? SHORT : how === "failed" ? FAILED : "", NOTE),
    });
    this.text = el("span.ev-listen-note", { hidden: true });
    /** Stands where the buttons, and on some pages scores, would stand. */
    this.why = el("span.ev-listen-note", { hidden: true });
    this.node = el("footer.ev-listen", { hidden: true }, ...this.parts.nodes, this.text, this.why);
  }

  /** Percent of the cells that count as marked: what the look shows, unless the page says another share. */
  get top() {
    return Math.max(1, Math.min(100, Math.round(Number(this.panel.root.dataset.top) || viewState.look.top)));
  }

  refresh() {
    const { panel } = this;
    const { record } = panel;
    const sound = Boolean(record) && Boolean(record.window) && record.x_axis.unit === "s";
    const expected = panel.axes && panel.axes.x_axis.unit === "s";
    const why = sound || panel.root.dataset.top ? this.nothing : "";
    this.why.textContent = why;
    this.why.hidden = !why;
    this.node.hidden = !sound && !expected && this.text.hidden && !why;
    for (const button of Object.values(this.parts.buttons)) {
      button.disabled = !sound || panel.state !== "done";
      button.hidden = (!sound && !expected) || Boolean(why);
    }
  }

  /** Why the finished map has no marked part. */
  get nothing() {
    const { state, field, target } = this.panel;
    return state === "done" && field ? unmarked(field, target) : "";
  }

  note(sentence, title = sentence) {
    this.text.textContent = sentence;
    this.text.title = sentence === SHORT ? title : sentence;
    this.text.hidden = !sentence;
    this.refresh();
  }

  destroy() {
    this.parts.destroy();
  }
}
