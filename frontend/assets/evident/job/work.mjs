/* One job of the server, from its request to its end: followed, stopped when nobody looks at it any more, its arrays fetched once. */
import { callApi, Problem } from "../core/api.mjs";
import { followJob } from "../core/jobs.mjs";
import { readNpy } from "../maps/npy.mjs";

const FINAL = ["done", "failed", "cancelled"];

export class Work {
  /** As the server last told it. @type {any} */
  job = null;
  /** @type {Problem | null} */
  problem = null;
  /** @type {ReturnType<typeof followJob> | null} */
  follower = null;
  /** Number of the newest partial result that was asked for. */
  partial = 0;
  /** Nobody waits for it. */
  left = false;
  /** Arrays by name. @type {Map<string, Promise<{shape: number[], data: any}>>} */
  arrays = new Map();

  /**
   * @param {string} path where it is posted, e.g. "/lens"
   * @param {object} request
   * @param {(work: Work) => void} onChange
   * @param {boolean} [grows] part of its result is there while it runs
   */
  constructor(path, request, onChange, grows = false) {
    this.path = path;
    this.request = request;
    this.onChange = onChange;
    this.grows = grows;
    this.begin();
  }

  async begin() {
    this.problem = null;
    try {
      const job = await callApi(this.path, { method: "POST", json: this.request });
      this.job = job;
      if (this.left) {
        this.drop();
        return;
      }
      if (!this.busy) {
        this.take(job);
        return;
      }
      this.follower = followJob(
        this.place,
        (newest) => this.take(newest),
        (problem, passing) => !passing && this.fail(problem),
      );
      this.onChange(this);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Below the API prefix. */
  get place() {
    return `${this.path}/${encodeURIComponent(this.job?.id ?? "")}`;
  }

  /** queued, running, done, failed or cancelled. */
  get state() {
    return this.problem ? "failed" : (this.job?.state ?? "queued");
  }

  get result() {
    return this.job?.result ?? null;
  }

  get busy() {
    return !FINAL.includes(this.state);
  }

  take(job) {
    const early = this.job?.id === job.id ? this.job?.result : null;
    this.job = job;
    if (job.error) this.problem = new Problem(job.error);
    else if (this.busy && !job.result) {
      job.result = early;
      if (this.grows && !early && (job.progress?.partial ?? 0) > this.partial) this.look(job.progress.partial);
    }
    if (!this.left) this.onChange(this);
  }

  /** Events do not carry what is known so far: it is asked for. */
  async look(partial) {
    this.partial = partial;
    try {
      const job = await callApi(this.place);
      if (this.busy && job.result) this.take(job);
    } catch {
      // the next one may come, and the whole follows
    }
  }

  fail(problem) {
    this.problem = problem instanceof Problem ? problem : new Problem({ detail: "The page could not read the answer. Try again." });
    if (!this.left) this.onChange(this);
  }

  /**
   * An array of the result, null where there is none (yet); a name asked for again is not fetched again.
   * @param {string} name
   */
  array(name) {
    const made = this.arrays.get(name);
    if (made) return made;
    const promise = callApi(`${this.place}/${name}.npy`, { as: "bytes" }).then((bytes) => bytes && readNpy(bytes));
    promise.catch(() => this.arrays.delete(name));
    this.arrays.set(name, promise);
    return promise;
  }

  /** While a job runs its arrays grow. */
  forget(name) {
    this.arrays.delete(name);
  }

  async stop() {
    try {
      const job = await callApi(this.place, { method: "DELETE" });
      if (job?.state) this.take(job);
    } catch (problem) {
      this.fail(problem);
    }
  }

  /** The same request again, after a failure or a stop. */
  again() {
    this.follower?.stop();
    this.job = null;
    this.partial = 0;
    this.arrays.clear();
    this.begin();
    this.onChange(this);
  }

  /** The page shows something else: what still runs is stopped on the server too. */
  leave() {
    this.left = true;
    this.follower?.stop();
    if (this.job) this.drop();
  }

  drop() {
    if (this.busy) callApi(this.place, { method: "DELETE" }).catch(() => {});
  }
}
