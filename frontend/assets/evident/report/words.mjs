/* Addresses and words of reports. Pure. */

/**
 * What a report is of. what: a name for it in a sentence; ready: whether there is anything to report; words: what it will hold, or why there is none.
 * @typedef {{what: string, ready: boolean, words: string, path: (form: "pdf" | "html" | "json") => string}} About
 */

/**
 * The report of some maps, as they are on the page.
 * @param {{ids: string[], look: {opacity: number, top: number, sign: string, scale: string}, link: string, name: string, asked: boolean}} view
 * @returns {About}
 */
export function ofMaps({ ids, look, link, name, asked }) {
  const query = new URLSearchParams({
    ids: ids.join(","),
    opacity: String(look.opacity / 100),
    top: String(look.top),
    sign: look.sign,
    scale: look.scale,
    ...linked(link),
  });
  if (name) query.set("name", name.slice(0, 200));
  if (asked) query.set("asked", "true");
  const finished = ids.length === 1 ? "The finished map" : `The ${ids.length} finished maps`;
  return {
    what: "this view",
    ready: ids.length > 0,
    words: ids.length
      ? `${finished} with score, interval, checks, settings and hashes, as the page shows them. The HTML file also plays the sounds.`
      : "No map is finished on this page. Run one, then the report can be made.",
    path: (form) => `/explanations/report.${form}?${query}`,
  };
}

/**
 * The report of a case.
 * @param {{id: string, blind: boolean, revealed: boolean}} item @param {string} link @param {boolean} asked whether a withheld score was asked for
 * @returns {About}
 */
export function ofCase({ id, blind, revealed }, link, asked) {
  const query = new URLSearchParams(linked(link));
  if (asked) query.set("asked", "true");
  const ready = revealed || !blind;
  return {
    what: "this case",
    ready,
    words: ready
      ? "This case with the score, the maps, every verdict, settings and hashes. The HTML file also plays the sounds."
      : "The model is still hidden from you in this case. The report follows once you have judged.",
    path: (form) => `/cases/${encodeURIComponent(id)}/report.${form}?${query}`,
  };
}

/** An address that is too long to be printed is left out. @returns {Record<string, string>} */
const linked = (link) => (link.length <= 4000 ? { link } : {});

export const STATES = {
  identical: { icon: "check", word: "same bits" },
  equal: { icon: "check", word: "equal" },
  different: { icon: "error", word: "different" },
  impossible: { icon: "help", word: "not checked" },
};

export const VERDICTS = {
  same: { icon: "check", word: "The same" },
  different: { icon: "error", word: "Not the same" },
  incomplete: { icon: "help", word: "Not fully checked" },
};
