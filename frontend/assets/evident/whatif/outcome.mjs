/* What came of it: the sentence, the dots, what to make of them. */
import { el } from "../core/elements.mjs";
import { dotPlot, scores } from "./dots.mjs";

const DOING = { erase: "Erasing this region", keep: "Keeping only this region", replace: "Replacing this region" };

/** Parts of the sentence as [text, strong]. Pure. @returns {[string, boolean][]} */
export function sentence(result) {
  const { mode, randoms, stronger_than } = result;
  const change = changeOf(result);
  if (!randoms.length)
    return [
      [`${DOING[mode]}: `, false],
      [change, true],
      ["; there is no other place for a region of this shape.", false],
    ];
  const than = mode === "keep" ? ", higher than with " : ", stronger than ";
  return [
    [`${DOING[mode]}: `, false],
    [change, true],
    [than, false],
    [`${stronger_than} of ${randoms.length}`, true],
    [" random regions.", false],
  ];
}

/** "0.81 \u2192 0.44", with the log odds where the probability hides the change. */
function changeOf(result) {
  const { before, after } = result;
  const said = `${before.toFixed(2)} \u2192 ${after.toFixed(2)}`;
  const { odds, before: from, after: to } = scores(result);
  return odds ? `${said} (log odds ${from.toFixed(1)} \u2192 ${to.toFixed(1)})` : said;
}

/** The sentence as one text. */
export const spoken = (result) => {
  const parts = sentence(result);
  return parts.map(([text]) => text).join("");
};

export function outcome(result) {
  const parts = sentence(result).map(([text, strong]) => (strong ? el("strong", {}, text) : text));
  const dots = result.randoms.length ? [dotPlot(result), el("p.ev-muted", {}, meaning(result))] : [];
  const turned = result.top_after !== result.top_before && el("p", {}, "Likeliest then: ", el("strong", {}, result.top_after));
  return [el("p.ev-whatif-said", {}, ...parts), ...dots, turned, el("p.ev-muted", {}, result.caveat)].filter(Boolean);
}

const meaning = (result) => {
  const { mode, randoms, wrapped } = result;
  return `Dots: ${scores(result).odds ? "log odds" : "score"} ${mode === "keep" ? "with only" : "without"} each of ${randoms.length} random regions of equal area${wrapped ? ", over the border where they must" : ""}.`;
};
