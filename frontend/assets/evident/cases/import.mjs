/* Sending files one by one and making cases of them: one that cannot be read stops nothing, and a server that is away or busy is waited for. */
import { callApi } from "../core/api.mjs";
import { named } from "../upload/dropped.mjs";
import { refusal } from "../upload/files.mjs";
import { sendFile } from "../upload/sending.mjs";

/** Sent side by side. */
const HANDS = 2;
/** Cases are made for every so many files: what was sent before a page is closed is a list already. */
const BATCH = 20;
/** Milliseconds until a server that does not answer, or is busy, is asked again: at first, and at most. */
const [FIRST, MOST] = [1000, 10_000];
/** Files whose pace tells how long the rest will take: the last of them, once there are a few. */
const [PACE, FEW] = [40, 6];

/** Refusals that have nothing to do with the file: they pass by themselves; and those that somebody has to do something about. */
const passes = ({ status }) => [0, 429, 502, 503, 504].includes(status);
const stops = ({ status }) => [401, 403, 507].includes(status);

/** Sends files and makes cases of them. Where the list itself is refused it waits, with what was sent, to be run again. */
export class Import {
  added = 0;
  /** @type {{name: string, why: string}[]} */
  failures = [];
  /** The list they go into, as soon as there is one. @type {any} */
  list = null;
  stopped = false;
  /** Nothing is under way any more: all was sent, it was stopped, or refused. */
  over = false;
  /** Why no cases can be made. @type {import("../core/api.mjs").Problem | null} */
  refused = null;
  /** Why it waits for the server. @type {import("../core/api.mjs").Problem | null} */
  away = null;
  running = new Set();
  /** Sent, and not cases yet. @type {{id: string, name: string}[]} */
  waiting = [];
  /** @type {Promise<void> | null} */
  making = null;
  rest = FIRST;
  /** When each of the last files was done. @type {number[]} */
  ends = [];
  /** Ends of the waits for the server. @type {Set<() => void>} */
  holds = new Set();

  /**
   * @param {File[]} files
   * @param {{model: string, title?: string, worklist?: string, blind?: boolean}} into
   * @param {any} limits
   * @param {{tell: () => void, ended: () => void}} page told of every change, and when nothing is under way any more
   */
  constructor(files, into, limits, page) {
    this.count = files.length;
    this.queue = [...files];
    this.into = into;
    this.limits = limits;
    this.page = page;
  }

  /** Files that are sent, or cannot be. */
  get done() {
    return this.count - this.queue.length - this.running.size;
  }

  /** Seconds that the rest will take at the pace of the last files; null before there is one. */
  get remaining() {
    const { ends } = this;
    if (ends.length < FEW || this.away) return null;
    return ((ends[ends.length - 1] - ends[0]) / (ends.length - 1) / 1000) * (this.count - this.done);
  }

  /** Begins, or goes on where it was refused. */
  async run() {
    this.refused = null;
    this.over = false;
    const leaving = (event) => event.preventDefault();
    window.addEventListener("beforeunload", leaving);
    await this.flush();
    await Promise.all(Array.from({ length: HANDS }, () => this.hand()));
    do await this.flush();
    while (this.waiting.length && !this.refused && !this.stopped);
    window.removeEventListener("beforeunload", leaving);
    this.over = true;
    this.page.tell();
    this.page.ended();
  }

  async hand() {
    while (this.queue.length && !this.stopped && !this.refused) {
      await this.send(/** @type {File} */ (this.queue.shift()));
      if (this.waiting.length >= BATCH || (!this.list && this.waiting.length)) await this.flush();
    }
  }

  async send(file) {
    const why = refusal(file, this.limits);
    if (why) {
      this.failures.push({ name: file.name, why });
      this.page.tell();
      return;
    }
    const form = new FormData();
    form.append("file", file, file.name);
    const sending = sendFile("/inputs", form, () => {});
    this.running.add(sending);
    try {
      const answer = await sending.done;
      this.running.delete(sending);
      this.waiting.push({ id: answer.id, name: named(file) });
      this.answered();
      this.tick();
    } catch (problem) {
      this.running.delete(sending);
      await this.missed(file, problem);
    }
  }

  /** A file that was not taken, for a reason of its own, or because of the server or a stop (null): then its turn comes again. */
  async missed(file, problem) {
    if (problem?.status === 0 && !(await readable(file)))
      this.failures.push({ name: file.name, why: "It cannot be read from the disk any more." });
    else if (problem && !passes(problem) && !stops(problem)) this.failures.push({ name: file.name, why: problem.message });
    else {
      this.queue.unshift(file);
      if (problem) await this.held(problem);
      return;
    }
    this.tick();
  }

  /** One more file is done. */
  tick() {
    if (this.ends.push(performance.now()) > PACE) this.ends.shift();
    this.page.tell();
  }

  /** The server is away, busy or unwilling: after a while it is asked again, or somebody has to say so. */
  async held(problem) {
    if (!passes(problem)) {
      this.refused = problem;
      return;
    }
    if (this.stopped) return;
    this.away = problem;
    this.ends = [];
    this.page.tell();
    await new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.holds.delete(end);
        resolve(undefined);
      };
      const timer = setTimeout(end, this.rest);
      this.holds.add(end);
    });
    this.rest = Math.min(MOST, 2 * this.rest);
  }

  /** The server is there: whoever waits for it goes on. */
  answered() {
    this.away = null;
    this.release();
    this.rest = FIRST;
  }

  release() {
    for (const end of [...this.holds]) end();
  }

  /** One request at a time: the first makes the list that the others add to. */
  async flush() {
    while (this.making) await this.making;
    if (!this.waiting.length || this.refused) return;
    this.making = this.make(this.waiting.splice(0));
    await this.making;
    this.making = null;
    this.page.tell();
  }

  async make(batch) {
    const names = Object.fromEntries(batch.map(({ id, name }) => [id, name]));
    const { model, title, worklist, blind } = this.into;
    const into = this.list || worklist ? { worklist: this.list?.id ?? worklist } : { title, blind };
    try {
      const answer = await callApi("/cases", { method: "POST", json: { inputs: Object.keys(names), model, names, ...into } });
      this.list = answer.worklist;
      this.added += answer.added;
      this.answered();
    } catch (problem) {
      if (await this.sorted(problem, batch)) return;
      this.waiting.unshift(...batch);
      if (passes(problem)) await this.held(problem);
      else this.refused = problem;
    }
  }

  /** A file that the model does not take (a photograph among recordings) is no reason against the others: they go one by one. */
  async sorted(problem, batch) {
    if (problem.code !== "wrong_modality" || batch.length === 1) {
      if (problem.code === "wrong_modality") this.failures.push({ name: batch[0].name, why: problem.message });
      return problem.code === "wrong_modality";
    }
    for (const one of batch) await this.make([one]);
    return true;
  }

  stop() {
    this.stopped = true;
    for (const sending of this.running) sending.cancel();
    this.release();
  }
}

/** Whether the file is still there to be sent. @param {File} file */
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
