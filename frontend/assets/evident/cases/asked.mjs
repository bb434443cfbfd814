/* The model asked again about a part of an input alone, or about all but that part. */
import { callApi, Problem } from "../core/api.mjs";

const MODES = /** @type {const} */ ({ only: "keep", rest: "erase" });

/**
 * The scores of both parts, one after the other.
 * @param {{request: any, boxes: number[][], sound: boolean}} of sound: it is the very sound that can be heard which is judged
 * @param {(part: "only" | "rest", result: any) => void} tell
 * @param {() => boolean} wanted whether anybody still asks
 */
export async function askParts({ request, boxes, sound }, tell, wanted) {
  for (const part of /** @type {const} */ (["only", "rest"])) {
    const heard = sound ? { heard: true } : {};
    let job = await callApi("/whatifs", { method: "POST", json: { ...request, boxes, mode: MODES[part], ...heard } });
    while (job.state === "queued" || job.state === "running") {
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (!wanted()) return;
      job = await callApi(`/whatifs/${encodeURIComponent(job.id)}`);
    }
    if (job.error) throw new Problem(job.error);
    if (!wanted()) return;
    if (job.result) tell(part, job.result);
  }
}
