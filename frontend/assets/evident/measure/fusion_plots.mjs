/* Curves and numbers of the fusion bench: this setting, the default, and the maps that the fused one is made of. */
import { el } from "../core/elements.mjs";
import { svg } from "../core/svg.mjs";
import * as fusing from "./fusing.mjs";
import { ARROWS, BETTER, difference, figure } from "./reading.mjs";

const [WIDTH, HEIGHT, LEFT, TOP] = [236, 120, 28, 8];
const x = (share) => LEFT + share * WIDTH;
const y = (value) => TOP + (1 - value) * HEIGHT;

/** Drawn in this order, the setting on top. */
const LAST = ["parent", "second", "default", "own"];

/** @param {{title: string, kind: string, checks: any}[]} rows */
export function curveCharts(rows) {
  const drawn = rows.filter(({ checks }) => checks?.curves).sort((a, b) => LAST.indexOf(a.kind) - LAST.indexOf(b.kind));
  return fusing.CURVES.map((curve) => {
    const said = drawn
      .map(({ title, checks }) => `${title} ${figure(fusing.areaUnder(checks.curves.x, checks.curves[curve.key]))}`)
      .join(", ");
    const chart = svg(
      "svg",
      {
        viewBox: `0 0 ${LEFT + WIDTH + 8} ${TOP + HEIGHT + 22}`,
        class: "ev-fusion-chart",
        role: "img",
        "aria-label": `${curve.title}, ${curve.note}. Area under the curve: ${said || "not there yet"}.`,
      },
      ...[0, 0.5, 1].flatMap((value) => [
        svg("line", { x1: x(0), x2: x(1), y1: y(value), y2: y(value), class: "ev-measure-grid" }),
        svg("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end", class: "ev-measure-tick" }, String(value)),
      ]),
      ...[0, 0.5, 1].map((share) =>
        svg(
          "text",
          { x: x(share), y: TOP + HEIGHT + 16, "text-anchor": share === 1 ? "end" : "middle", class: "ev-measure-tick" },
          `${100 * share} %`,
        ),
      ),
      ...drawn.map(({ title, kind, checks }) => {
        const d = checks.curves.x.map((share, i) => `${i ? "L" : "M"}${x(share).toFixed(1)} ${y(checks.curves[curve.key][i]).toFixed(1)}`);
        return svg("path", { d: d.join(""), class: `ev-fusion-line ev-fusion-line--${kind}` }, svg("title", {}, title));
      }),
    );
    return el(
      "figure.ev-measure-figure",
      {},
      el("figcaption.ev-small", {}, el("b", {}, curve.title), el("span.ev-muted", {}, ` ${ARROWS[curve.better]} ${curve.note}`)),
      chart,
    );
  });
}

/**
 * @param {{title: string, kind: string, checks: any, note: string}[]} rows this setting first, then the default
 * @param {{key: string, title: string, better: string, note: string}[]} columns
 */
export function numbersTable(rows, columns) {
  const numbers = rows.map(({ checks }) => fusing.numbersOf(checks));
  const at = rows.findIndex(({ kind }) => kind === "default");
  const turned = rows[0].checks !== rows[at].checks;
  const cell = (row, i, { key, better }) => {
    const value = numbers[i].get(key);
    const scale = fusing.scaleOf(numbers.map((each) => each.get(key)));
    const to = turned && row.kind === "own" ? fusing.against(value, numbers[at].get(key), better, scale) : null;
    const missing = row.checks || (row.note && row.note !== "\u2026") ? "\u2013" : "\u2026";
    const change = to && to.state !== "same" ? `${difference(to.diff, scale)} ` : "";
    const turn = to && el(`span.ev-fusion-turn.ev-fusion-turn--${to.state}`, {}, `${change}${to.state}`);
    return el("td.ev-measure-number", {}, typeof value === "number" ? figure(value, scale) : missing, turn);
  };
  const key = (kind) => {
    const line = svg("svg", { viewBox: "0 0 22 6", class: "ev-fusion-key", "aria-hidden": "true" });
    line.append(svg("path", { d: "M0 3H22", class: `ev-fusion-line ev-fusion-line--${kind}` }));
    return line;
  };
  return el(
    "div.ev-table-box",
    { tabIndex: 0, role: "region", "aria-label": "Numbers of the fusion bench" },
    el(
      "table.ev-measure-findings.ev-fusion-table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", { scope: "col" }, "Map"),
          ...columns.map(({ title, better, note }) =>
            el("th.ev-measure-number", { scope: "col", title: `${BETTER[better]}. ${note}` }, `${title} ${ARROWS[better]}`),
          ),
        ),
      ),
      el(
        "tbody",
        {},
        ...rows.map((row, i) =>
          el(
            "tr",
            {},
            el("th", { scope: "row", title: row.note === "\u2026" ? "" : row.note }, row.kind !== "control" && key(row.kind), row.title),
            ...columns.map((column) => cell(row, i, column)),
          ),
        ),
      ),
    ),
  );
}
