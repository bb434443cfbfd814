/* Checks of the finished maps, one after the other in the background, and only while nobody waits for a map: one that begins to wait
   stops the check that runs. */
import { callApi } from "../core/api.mjs";
import { emit, nextFrame, on } from "../core/bus.mjs";
import { followJob } from "../core/jobs.mjs";
import { bothSides, panels } from "../panel/panels.mjs";

/** Checks by explanation; region: how often the own region of the input had changed. @type {Map<string, {checks: Checked | null, problem: string, region: number}>} */
const known = new Map();
/** Changes of the own region, by input. @type {Map<string, number>} */
const changes = new Map();
/** Sanity by network and method. @type {Map<string, SanityResult | null>} */
const methods = new Map();
/** What runs now. @type {{stop: () => void} | null} */
let running = null;

/** @param {ExplanationRequest} request */
const sanityKey = ({ model, method, layer, params }) => JSON.stringify([model, method, layer, params]);

/**
 * What is known of the map on a panel.
 * @param {import("../panel/panel.mjs").MapPanel} panel
 * @returns {{checks: ChecksResult | null, id: string, sanity: SanityResult | null, problem: string}}
 */
export function checksOf({ id, job, state }) {
  const entry = (id && state === "done" && known.get(id)) || null;
  const sanity = (job && state === "done" && methods.get(sanityKey(job.request))) || null;
  return { checks: entry?.checks?.result ?? null, id: entry?.checks?.id ?? "", sanity, problem: entry?.problem ?? "" };
}

const waited = () => [...panels].some(({ state }) => state === "queued" || state === "running");

/** The next question: checks of all maps first, then their methods. @returns {{path: string, json: unknown, take: (job: any) => void, drop: (problem: string) => void} | null} */
function next() {
  const done = bothSides().filter(
    ({ root, state, id, job, votes }) => root.dataset.checked === "1" && state === "done" && id && job && votes,
  );
  for (const panel of done) {
    const id = /** @type {string} */ (panel.id);
    const region = changes.get(/** @type {Job} */ (panel.job).request.input) ?? 0;
    if (known.get(id)?.region === region) continue;
    return {
      path: "/checks",
      json: { explanation: id },
      take: (checks) => known.set(id, { checks, problem: "", region }),
      drop: (problem) => known.set(id, { checks: null, problem, region }),
    };
  }
  const cheap = done.sort((a, b) => (a.record?.seconds ?? 0) - (b.record?.seconds ?? 0));
  for (const panel of cheap) {
    const { model, method, layer, params } = /** @type {Job} */ (panel.job).request;
    const key = sanityKey({ .../** @type {Job} */ (panel.job).request });
    if (methods.has(key)) continue;
    return {
      path: "/sanity",
      json: { model, method, layer, params },
      take: ({ result }) => methods.set(key, result),
      drop: (words) => methods.set(key, { state: null, words, meaning: "", inputs: 0, note: "", randomised: null, other_class: null }),
    };
  }
  return null;
}

async function begin() {
  if (running || waited()) return;
  const asked = next();
  if (!asked) return;
  let stopped = false;
  running = { stop: () => (stopped = true) };
  const end = (problem) => {
    running = null;
    if (problem) asked.drop(problem);
    emit("checks");
    later();
  };
  try {
    const { id } = await callApi(asked.path, { method: "POST", json: asked.json });
    const path = `${asked.path}/${id}`;
    const follower = followJob(
      path,
      (job) => {
        if (job.state === "done") {
          asked.take(job);
          end("");
        } else if (job.state === "failed") end(job.error?.detail || "The check failed.");
        else if (job.state === "cancelled") later(() => (running = null));
        else if (stopped || waited()) {
          follower.stop();
          callApi(path, { method: "DELETE" }).catch(() => null);
          later(() => (running = null));
        }
      },
      (problem, passing) => !passing && end(problem.message),
    );
  } catch (error) {
    end(error.message);
  }
}

/** Looks for the next question when the frame is drawn. */
function later(first = () => {}) {
  first();
  nextFrame(begin, begin);
}

/** Called once at the start. What was found for another region stands until the new one is counted. */
export function listenForChecks() {
  on("maps", () => later());
  on("own-region", (input) => {
    changes.set(input, (changes.get(input) ?? 0) + 1);
    later();
  });
}
