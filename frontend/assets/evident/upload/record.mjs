/* The microphone: level and seconds while it listens, then sent like a file. data-store · data-limits · data-compact "1" */
import { el, icon, parseJson, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { Sending } from "./sending.mjs";

const TYPES = [
  ["audio/webm;codecs=opus", "webm"],
  ["audio/ogg;codecs=opus", "ogg"],
  ["audio/mp4", "m4a"],
];
const WORDS = {
  NotAllowedError: "The browser may not use the microphone. Allow it for this page in the address bar, then try again.",
  NotFoundError: "No microphone was found. Connect one and try again, or choose a file.",
  NotReadableError: "Another program is using the microphone. Close it and try again.",
};
const OTHER = "The microphone could not be started. Choose a file instead.";
const LONGEST = 60;

class Recorder {
  /** When the recording began, in the page's milliseconds. */
  began = 0;

  constructor(root) {
    this.root = root;
    this.sending = new Sending(root);
    this.button = el("button.ev-button", { type: "button", onclick: () => (this.recorder ? this.finish() : this.begin()) });
    this.level = el("i");
    this.seconds = el("span.ev-muted");
    const meter = el("div.ev-level", { "aria-hidden": "true" }, this.level);
    this.line = el("div.ev-recording", { hidden: true }, icon("record"), meter, this.seconds);
    root.append(el("div.ev-record", {}, this.button, this.line, this.sending.node));
  }

  update() {
    this.show();
  }

  get longest() {
    const limits = parseJson(this.root.dataset.limits, {});
    return Math.min(LONGEST, limits.audio_seconds || LONGEST);
  }

  show() {
    const on = Boolean(this.recorder);
    renew(this.button, icon(on ? "stop" : "microphone"), on ? "Stop" : "Record");
    this.button.setAttribute("aria-pressed", String(on));
    this.line.hidden = !on;
  }

  async begin() {
    this.sending.say("");
    if (!navigator.mediaDevices || !window.MediaRecorder) {
      this.sending.say("The microphone works only on https or on this machine itself (localhost). Choose a file instead.");
      return;
    }
    this.button.disabled = true;
    try {
      // what the browser does to please listeners (noise, echo, gain) would change what the model hears
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      this.start(await navigator.mediaDevices.getUserMedia({ audio }));
    } catch (error) {
      this.release();
      this.sending.say(WORDS[error.name] || OTHER);
    }
    this.button.disabled = false;
    this.show();
  }

  start(stream) {
    this.stream = stream;
    const [type, ending] = TYPES.find(([name]) => MediaRecorder.isTypeSupported(name)) || ["", "webm"];
    this.recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    const parts = [];
    this.recorder.addEventListener("dataavailable", (event) => event.data.size && parts.push(event.data));
    this.recorder.addEventListener("stop", () => this.deliver(new File(parts, `recording.${ending}`, { type: type.split(";")[0] })));
    this.recorder.start(250);
    this.began = performance.now();
    this.meter(stream);
    say("Recording.");
  }

  meter(stream) {
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const tick = () => {
      if (!this.recorder) return;
      analyser.getFloatTimeDomainData(samples);
      const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
      // -60 dB to 0 dB over the whole meter
      this.level.style.transform = `scaleX(${Math.min(1, Math.max(0, 1 + Math.log10(rms + 1e-9) / 3))})`;
      const seconds = (performance.now() - this.began) / 1000;
      this.seconds.textContent = `${seconds.toFixed(1)} s of at most ${this.longest} s`;
      if (seconds >= this.longest) this.finish();
      else requestAnimationFrame(tick);
    };
    tick();
  }

  finish() {
    if (this.recorder && this.recorder.state !== "inactive") this.recorder.stop();
  }

  deliver(file) {
    const { dropped } = this;
    this.release();
    this.show();
    if (dropped) return;
    if (file.size) this.sending.post(file);
    else this.sending.say("Nothing was recorded. Check the microphone and try again.");
  }

  release() {
    this.recorder = null;
    if (this.stream) for (const track of this.stream.getTracks()) track.stop();
    if (this.context) this.context.close().catch(() => {});
    this.stream = null;
    this.context = null;
  }

  destroy() {
    this.dropped = true;
    this.finish();
    this.release();
    this.sending.destroy();
  }
}

declareWidget("record", ["store", "limits", "compact"], (root) => new Recorder(root));
