/* Maps of the altered input, shown in the panels in place of their own. */
import { callApi } from "../core/api.mjs";
import { followJob } from "../core/jobs.mjs";
import { Field } from "../maps/field.mjs";
import { readNpy } from "../maps/npy.mjs";
import { finishedPanels } from "../panel/panels.mjs";

/** A map that took longer is not made again while somebody waits. */
const SECONDS = 5;

/** The finished maps that are quickly made again, and the names of the others. */
export function cheap() {
  const all = finishedPanels();
  const quick = all.filter(({ record }) => (record?.seconds ?? 0) <= SECONDS);
  return { quick, left: all.filter((panel) => !quick.includes(panel)).map(({ title }) => title) };
}

/** Goes back to the maps of the input as it is. */
export function plainMaps() {
  for (const panel of finishedPanels()) if (panel.altered) panel.choose(null);
}

/**
 * Makes each map of the altered input and shows it where its panel still shows the same explanation.
 * @param {import("../panel/panels.mjs").FinishedPanel[]} panels
 * @param {object} altered as the API takes it
 * @param {string} words for the panel's title
 * @param {() => boolean} wanted whether it still is
 */
export const alteredMaps = (panels, altered, words, wanted) =>
  Promise.all(
    panels.map(async (panel) => {
      const { id, job } = panel;
      if (!job) return;
      const asked = await callApi("/explanations", { method: "POST", json: { ...job.request, altered } });
      const path = `/explanations/${encodeURIComponent(asked.id)}`;
      await ended(path);
      const { shape, data } = readNpy(await callApi(`${path}/values.npy`, { as: "bytes" }));
      if (wanted() && panel.id === id) panel.showAltered(new Field(data, shape[0], shape[1], panel.signed), words);
    }),
  );

/** Waits until a job is done. */
const ended = (path) =>
  new Promise((resolve, reject) => {
    followJob(
      path,
      (job) => {
        if (job.state === "done") resolve(job);
        else if (job.state === "failed" || job.state === "cancelled") reject(new Error(job.error?.detail ?? "It was stopped."));
      },
      (problem, passing) => passing || reject(problem),
    );
  });
