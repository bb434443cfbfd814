/* One study on the server: begun or opened, followed while it runs, its cells and maps fetched once. */
import { callApi, Problem } from "../core/api.mjs";
import { followJob } from "../core/jobs.mjs";
import { readNpy } from "../maps/npy.mjs";
import { keyOf } from "./reading.mjs";

const FINAL = ["done", "failed", "cancelled"];
/** Milliseconds between two looks at a table that grows. */
const LOOK = 1500;

export class Study {
  /** As the server last told it. @type {any} */
  job = null;
  /** @type {Problem | null} */
  problem = null;
  /** @type {ReturnType<typeof followJob> | null} */
  follower = null;
  left = false;
  looking = false;
  looked = 0;
  /** @type {Map<string, Promise<any>>} */
  fetched = new Map();

  /** @param {(study: Study) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
  }

  /** @param {object} request */
  begin(request) {
    return this.start(() => callApi("/evaluations", { method: "POST", json: request }));
  }

  /** @param {string} id */
  open(id) {
    return this.start(() => callApi(`/evaluations/${encodeURIComponent(id)}`));
  }

  async start(ask) {
    try {
      const job = await ask();
      if (this.left) return;
      this.take(job);
      if (this.busy)
        this.follower = followJob(
          this.place,
          (newest) => this.take(newest),
          (problem, passing) => !passing && this.fail(problem),
        );
      else if (!job.result) this.look();
    } catch (problem) {
      this.fail(problem);
    }
  }

  /** Below the API prefix. */
  get place() {
    return `/evaluations/${encodeURIComponent(this.job?.id ?? "")}`;
  }

  get id() {
    return this.job?.id ?? null;
  }

  get result() {
    return this.job?.result ?? null;
  }

  get busy() {
    return Boolean(this.job) && !this.problem && !FINAL.includes(this.job.state);
  }

  take(job) {
    const early = this.result;
    const bare = !job.result;
    this.job = { ...job, request: job.request ?? this.job?.request, result: job.result ?? early };
    if (job.error && job.state === "failed") this.problem = new Problem(job.error);
    if (!this.left) this.onChange(this);
    if (bare && (this.busy ? Date.now() - this.looked > LOOK : true)) this.look();
  }

  /** Events do not carry the table: it is asked for, not more often than somebody can read it. */
  async look() {
    if (this.looking || this.left) return;
    this.looking = true;
    this.looked = Date.now();
    const final = !this.busy;
    try {
      const job = await callApi(this.place);
      this.fetched.clear();
      if (job.result && !this.left) {
        this.job = { ...this.job, result: job.result };
        this.onChange(this);
      }
    } catch (problem) {
      if (final) this.fail(problem);
    }
    this.looking = false;
    if (!final && !this.busy) this.look();
  }

  fail(problem) {
    if (this.left || problem?.name === "AbortError") return;
    this.problem = problem instanceof Problem ? problem : new Problem({ detail: "The page could not read the answer. Try again." });
    this.follower?.stop();
    this.onChange(this);
  }

  /** @param {string} key @param {() => Promise<any>} ask */
  once(key, ask) {
    const known = this.fetched.get(key);
    if (known) return known;
    const promise = ask();
    promise.catch(() => this.fetched.delete(key));
    this.fetched.set(key, promise);
    return promise;
  }

  /** Every input's value in a cell. @returns {Promise<any[]>} */
  cells(method, metric) {
    const query = new URLSearchParams({ method, metric });
    return this.once(keyOf(method, metric), () => callApi(`${this.place}/cells.json?${query}`).then(({ cells }) => cells));
  }

  array(path) {
    return this.once(path, () => callApi(`${this.place}/${path}`, { as: "bytes" }).then(readNpy));
  }

  /** @param {number} index of the input @param {string} method */
  map(index, method) {
    return this.array(`maps/${index}/${encodeURIComponent(method)}.npy`);
  }

  /** The region of an input in which evidence is known. */
  mask(index) {
    return this.array(`masks/${index}.npy`);
  }

  picture(index) {
    return `${this.place}/inputs/${index}.png`;
  }

  /** What is done so far is kept: the same request goes on from there. */
  async stop() {
    try {
      const job = await callApi(this.place, { method: "DELETE" });
      if (job?.state) this.take(job);
    } catch (problem) {
      this.fail(problem);
    }
  }

  /** The page shows something else; the study goes on. */
  leave() {
    this.left = true;
    this.follower?.stop();
  }
}
