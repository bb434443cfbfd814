/* Following a job on the server until it is final. */
import { apiUrl, callApi } from "./api.mjs";
import { parseJson } from "./elements.mjs";

const FINAL = new Set(["done", "failed", "cancelled"]);
// Browsers open six HTTP/1.1 connections per host. Six open event streams would hold back every map, upload and stop button, so at
// most two panels (the ones that run) listen to events and the others ask once a second.
const STREAMS = 2;
let streams = 0;

class Follower {
  /** @type {EventSource | null} */
  source = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;
  misses = 0;
  ended = false;
  /** The stream could not be had. */
  deaf = false;
  abort = new AbortController();

  /**
   * @param {string} path
   * @param {(job: Job) => void} onChange
   * @param {(problem: import("./api.mjs").Problem, passing: boolean) => void} onProblem
   */
  constructor(path, onChange, onProblem) {
    this.path = path;
    this.onChange = onChange;
    this.onProblem = onProblem;
    this.ask();
  }

  async ask() {
    try {
      this.take(await callApi(this.path, { signal: this.abort.signal }));
    } catch (error) {
      if (this.ended || error.name === "AbortError") return;
      this.misses += 1;
      const passing = error.status === 0 || error.status === 503;
      this.onProblem(error, passing);
      if (passing) this.later(Math.min(10000, 1000 * 2 ** Math.min(this.misses, 4)));
      else this.stop();
    }
  }

  /** @param {Job} job */
  take(job) {
    if (this.ended) return;
    this.misses = 0;
    this.onChange(job);
    if (this.ended) return;
    if (FINAL.has(job.state)) this.stop();
    else if (job.state === "running" && streams < STREAMS && !this.source && !this.deaf) this.listen();
    else if (!this.source) this.later(1000);
  }

  later(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), milliseconds);
  }

  listen() {
    if (!window.EventSource) {
      this.later(1000);
      return;
    }
    streams += 1;
    this.source = new EventSource(apiUrl(`${this.path}/events`));
    this.source.onmessage = (event) => {
      const job = parseJson(event.data);
      if (job) this.take(job);
    };
    this.source.onerror = () => {
      // a stream that cannot be had is replaced by asking; no second attempt, the answer is the same
      this.deaf = true;
      this.hangUp();
      this.later(1000);
    };
  }

  hangUp() {
    if (!this.source) return;
    this.source.close();
    this.source = null;
    streams -= 1;
  }

  stop() {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.abort.abort();
    this.hangUp();
  }
}

/**
 * Follows GET path (and path/events) until the job is final. passing: the server may answer again.
 * @param {string} path
 * @param {(job: Job) => void} onChange
 * @param {(problem: import("./api.mjs").Problem, passing: boolean) => void} onProblem
 */
export const followJob = (path, onChange, onProblem) => new Follower(path, onChange, onProblem);
