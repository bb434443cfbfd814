/* The API as the widgets see it: paths, requests, and refusals in plain words. */
(() => {
  "use strict";
  const { evident } = window;

  const WORDS = {
    0: "The server does not answer. Check that Evident is still running, then try again.",
    404: "This is no longer stored on the server. Run it again.",
    413: "The file is too large.",
    415: "This file type is not accepted.",
    503: "The server is busy. Try again in a moment.",
    507: "The server has no space left.",
  };

  /** A refusal or failure: `message` is the plain sentence to show, `requestId` helps whoever looks into the log. */
  class Problem extends Error {
    constructor({ status = 0, code = "", title = "", detail = "", request_id = "" } = {}) {
      super(detail || WORDS[status] || "The server could not do this. Try again.");
      this.status = status;
      this.code = code;
      this.title = title;
      this.requestId = request_id || "";
    }
  }
  evident.Problem = Problem;

  evident.apiBase = () => (document.body && document.body.dataset.api) || "/api/v1";

  /** Full address of a path below the API prefix; complete addresses pass unchanged. */
  evident.url = (path) => {
    if (/^(https?:|data:|blob:)/.test(path) || path.startsWith(`${evident.apiBase()}/`)) return path;
    return `${evident.apiBase()}${path.startsWith("/") ? "" : "/"}${path}`;
  };

  /** The Problem in an answer's text; anything that is not problem JSON gets our own words for its status. */
  evident.problemOf = (status, text, requestId = "") => {
    const body = evident.parse(text, {}) || {};
    const detail = typeof body.detail === "string" ? body.detail : "";
    return new Problem({ status, code: body.code, title: body.title, detail, request_id: body.request_id || requestId });
  };

  /** fetch that answers JSON ("json"), bytes ("bytes") or nothing (204 -> null), and throws Problem; an abort throws AbortError. */
  evident.request = async (path, { method = "GET", json, signal, as = "json" } = {}) => {
    const options = { method, signal, cache: "no-store", headers: { Accept: "application/json, */*" } };
    if (json !== undefined) {
      options.body = JSON.stringify(json);
      options.headers["Content-Type"] = "application/json";
    }
    try {
      const answer = await fetch(evident.url(path), options);
      if (!answer.ok) throw evident.problemOf(answer.status, await answer.text(), answer.headers.get("X-Request-ID") || "");
      if (answer.status === 204) return null;
      return as === "bytes" ? await answer.arrayBuffer() : await answer.json();
    } catch (error) {
      if (error instanceof Problem || error.name === "AbortError") throw error;
      throw new Problem();
    }
  };

  // ---- following a job -------------------------------------------------------------------------------------------------------
  const FINAL = new Set(["done", "failed", "cancelled"]);
  // Browsers open six HTTP/1.1 connections per host. Six open event streams would hold back every map, upload and stop button, so at
  // most two panels (the ones that run) listen to events and the others ask once a second.
  const STREAMS = 2;
  let streams = 0;

  class Follower {
    constructor(path, onChange, onProblem) {
      Object.assign(this, { path, onChange, onProblem, source: null, timer: null, misses: 0, ended: false });
      this.abort = new AbortController();
      this.ask();
    }

    async ask() {
      try {
        this.take(await evident.request(this.path, { signal: this.abort.signal }));
      } catch (error) {
        if (this.ended || error.name === "AbortError") return;
        this.misses += 1;
        const passing = error.status === 0 || error.status === 503;
        this.onProblem(error, passing);
        if (passing) this.later(Math.min(10000, 1000 * 2 ** Math.min(this.misses, 4)));
        else this.stop();
      }
    }

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
      this.source = new EventSource(evident.url(`${this.path}/events`));
      this.source.onmessage = (event) => {
        const job = evident.parse(event.data);
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

  /** Follows GET path (and path/events) until the job is final. onChange(job); onProblem(problem, passing). Returns {stop()}. */
  evident.follow = (path, onChange, onProblem) => new Follower(path, onChange, onProblem);
})();
