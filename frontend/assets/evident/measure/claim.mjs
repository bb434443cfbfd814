/* What a paper says about a map, measured here: one line per metric, with its verdict. */
import { el, icon } from "../core/elements.mjs";
import * as reading from "./reading.mjs";

const VERDICTS = {
  holds: ["check", "ok"],
  "does not hold": ["close", "error"],
};

/** The difference that the verdict is about: to the better parent for "both", else to the worse. */
export const deciding = ({ against, kind }) => (against?.length ? (kind === "both" ? against[0] : against[against.length - 1]) : null);

/** The differences of metrics differ by orders: each bar has its own scale, symmetric about 0. */
function bar({ difference, low, high }) {
  const most = Math.max(Math.abs(low), Math.abs(high), 1e-12) * 1.15;
  const place = (value) => `${(50 + (50 * value) / most).toFixed(1)}%`;
  const range = el("i.ev-measure-range");
  range.style.left = place(low);
  range.style.width = `${((50 * (high - low)) / most).toFixed(1)}%`;
  const mean = el("i.ev-measure-mean");
  mean.style.left = place(difference);
  return el("span.ev-measure-mark.ev-measure-claim-mark", { "aria-hidden": "true" }, el("i.ev-measure-zero"), range, mean);
}

export function claimCard(claim) {
  const lines = claim.findings.map((finding) => {
    const against = deciding(finding);
    const [glyph, state] = VERDICTS[finding.verdict] ?? ["help", "open"];
    const family = reading.capital(finding.family ?? "");
    const scale = against ? { low: against.low, high: Math.max(against.high, against.low + 1e-9) } : null;
    return el(
      "tr",
      {},
      el(
        "th",
        { scope: "row", title: `${family}, ${finding.kind} of the parents. ${finding.note ?? ""}` },
        finding.title ?? finding.metric,
      ),
      el("td", {}, against && bar(against)),
      el("td.ev-measure-number", {}, against ? reading.difference(against.difference, scale) : "\u2013"),
      el("td.ev-measure-number", {}, String(finding.n)),
      el("td", {}, el(`span.ev-measure-verdict.ev-measure-verdict--${state}`, { title: finding.note ?? "" }, icon(glyph), finding.verdict)),
    );
  });
  const both = claim.findings.find(({ kind, both: share }) => kind === "both" && typeof share === "number");
  const sparser = both ? ` Better than both on ${Math.round(both.both * both.n)} of ${both.n} inputs in ${both.title ?? both.metric}.` : "";
  return el(
    "section.ev-card.ev-measure-claim",
    { "aria-label": "The claim" },
    el("h2.ev-inside-title", {}, `Claim of ${claim.source.replace("arXiv:", "arXiv ")}, our reading`),
    el(
      "p.ev-muted.ev-small",
      {},
      "The fused map is better than both parents on complexity and better than at least one on each other family.",
    ),
    el(
      "div.ev-table-box",
      { tabIndex: 0, role: "region", "aria-label": "Findings about the claim" },
      el(
        "table.ev-measure-findings",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, "Metric"),
            el("th", { scope: "col" }, "\u2013 0 +"),
            el("th.ev-measure-number", { scope: "col" }, "Diff."),
            el("th.ev-measure-number", { scope: "col" }, "n"),
            el("th", { scope: "col" }, "Verdict"),
          ),
        ),
        el("tbody", {}, ...lines),
      ),
    ),
    el(
      "p.ev-muted.ev-small",
      {},
      `Difference to the worse parent (97.5 % interval), for complexity to the better (95 %); each bar on its own scale. "Does not hold" is judged with the other of the two intervals.${sparser}`,
    ),
  );
}
