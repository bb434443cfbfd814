/* Sets of inputs that the filters of a layer can be studied over, beside the program's own: the operator's folder, what was opened on this
   device, and worklists. Of a worklist only the inputs are taken: what its cases are labelled stays hidden where the list hides it, so its
   classes are the model's answers. */
import { callApi, Problem } from "../core/api.mjs";
import { recent } from "../upload/recent.mjs";

/** Fewest inputs that say something about filters, and the most of one study. */
export const FEWEST = 10;
const MOST = 500;

/** @typedef {{title: string, inputs?: string[], labels?: number[] | null, worklist?: string}} InputSet */

/**
 * Sets with enough inputs that the model takes.
 * @param {InputSet[]} folder sets that the page came with
 * @param {string[]} takes modalities of the model
 * @returns {Promise<InputSet[]>}
 */
export async function inputSets(folder, takes) {
  const opened = recent(MOST).filter(({ modality }) => takes.includes(modality));
  const device =
    opened.length < FEWEST ? [] : [{ title: `${opened.length} files opened on this device`, inputs: opened.map(({ id }) => id) }];
  const lists = await callApi("/worklists").catch(() => []); // nobody has signed in, or there are none
  const worklists = lists
    .filter(({ total }) => total >= FEWEST)
    .map(({ id, title, total }) => ({ title: `Worklist ${title} (${Math.min(total, MOST)})`, worklist: id }));
  return [...folder, ...device, ...worklists];
}

/**
 * What a study of a set asks for. Throws a Problem where too few of its inputs are for this model.
 * @param {InputSet} set
 * @param {string[]} takes
 * @returns {Promise<{inputs: string[], labels?: number[]}>}
 */
export async function asked(set, takes) {
  if (!set.worklist) return { inputs: set.inputs ?? [], ...(set.labels ? { labels: set.labels } : {}) };
  const { cases } = await callApi(`/cases?worklist=${encodeURIComponent(set.worklist)}&limit=${MOST}`);
  const fitting = cases.filter(({ gone, modality }) => !gone && takes.includes(modality));
  const inputs = [...new Set(fitting.map(({ input }) => input))];
  if (inputs.length >= FEWEST) return { inputs };
  throw new Problem({ detail: `Fewer than ${FEWEST} inputs of this list are on the server and of the kind that the model takes.` });
}
