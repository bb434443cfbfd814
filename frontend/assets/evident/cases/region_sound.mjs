/* The reviewer's region heard alone, or the recording without it; and once the model is shown, what it says of that very sound. */
import { on } from "../core/bus.mjs";
import { el } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { Parts } from "../sound/parts.mjs";
import { askParts } from "./asked.mjs";
import * as reading from "./reading.mjs";

/** Longest sound of a region, seconds. */
const LONGEST = 15;
const NOTE = "Cut like this, the sound is unlike anything the model was trained on.";
/** Milliseconds after a change of the region before the model is asked. */
const PAUSE = 600;

export class RegionSound {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;
  /** Answers for another region come too late. */
  asked = {};
  /** What the model was asked about. */
  key = "";

  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.parts = new Parts({
      words: () => ({ only: "Only it", rest: "The rest" }),
      titles: { only: `Play your region alone. ${NOTE}`, rest: `Play the recording without your region. ${NOTE}` },
      address: (part) => this.address(part),
      start: () => this.stretch[0],
      told: (how) => how === "plays" && session.listened({ half: false, part: "region" }),
    });
    this.swatch = el("i.ev-cases-swatch", { "aria-hidden": "true" });
    this.words = el("span");
    this.node = el("span.ev-cases-region", { hidden: true }, this.swatch, this.words, ...this.parts.nodes);
    this.offs = [on("region", () => this.later())];
  }

  /** @returns {number[][]} */
  get boxes() {
    const { drawn } = viewState;
    return drawn && drawn.input === this.session.item?.input ? drawn.region.boxes : [];
  }

  /** The part of the recording that is heard: what the model looks at, else as much as there may be around the region. @returns {[number, number]} */
  get stretch() {
    const { item, input } = this.session;
    const window = item?.revealed ? item.prediction?.window : null;
    if (window) return window;
    const seconds = input?.seconds ?? 0;
    if (seconds <= LONGEST) return [0, seconds];
    const first = Math.min(...this.boxes.map(([from]) => from));
    const start = Math.max(0, Math.min(seconds - LONGEST, first - 1));
    return [start, start + LONGEST];
  }

  address(part) {
    const [start, end] = this.stretch;
    const region = this.boxes.map((box) => box.map((x) => Number(x.toFixed(4))).join(",")).join(";");
    const query = new URLSearchParams({ region, part, start: start.toFixed(4), end: end.toFixed(4) });
    return `/inputs/${encodeURIComponent(this.session.item.input)}/audio.wav?${query}`;
  }

  /** @param {string} words where it lies; "" for none */
  tell(words) {
    this.node.hidden = !words;
    this.words.textContent = words;
    this.words.title = "your region";
    const sound = this.session.input?.modality === "audio";
    for (const button of Object.values(this.parts.buttons)) button.hidden = !sound;
    if (words) this.later();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.score(), PAUSE);
  }

  async score() {
    const { item, input } = this.session;
    const { boxes } = this;
    const prediction = item?.revealed && !this.session.withheld ? item.prediction : null;
    const key = JSON.stringify([item?.id, prediction?.id, boxes]);
    if (key === this.key) return;
    this.key = key;
    const asked = {};
    this.asked = asked;
    for (const part of /** @type {const} */ (["only", "rest"])) this.parts.tellScore(part, "");
    if (!prediction || !boxes.length || input?.modality !== "audio") return;
    const line = reading.scoreLine(prediction);
    const request = { input: item.input, model: item.model, start: prediction.window?.[0] ?? null, target: line.shown };
    const tell = (part, { after, caveat }) => this.parts.tellScore(part, after.toFixed(2), `Score for ${line.right}. ${caveat}`);
    try {
      await askParts({ request, boxes, sound: true }, tell, () => this.asked === asked);
    } catch (problem) {
      if (this.asked === asked) this.words.title = problem.message;
    }
  }

  destroy() {
    clearTimeout(this.timer);
    this.asked = {};
    this.parts.destroy();
    for (const off of this.offs) off();
  }
}
