/* The table of scores: a row per method, a column per metric, one scale per column. */
import { el, icon } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import * as reading from "./reading.mjs";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const percent = (share) => `${(100 * share).toFixed(1)}%`;

/** Interval and mean on the scale of the column, with a tick where the centre blob stands. */
function mark(cell, scale, blob) {
  const node = el("span.ev-measure-mark", { "aria-hidden": "true" });
  const put = (tag, left, right) => {
    const part = el(tag);
    part.style.left = percent(left);
    if (right !== undefined) part.style.width = percent(Math.max(0, right - left));
    node.append(part);
  };
  if (typeof blob?.mean === "number") put("i.ev-measure-blob", reading.placeOf(blob.mean, scale));
  if (typeof cell.low === "number") put("i.ev-measure-range", reading.placeOf(cell.low, scale), reading.placeOf(cell.high, scale));
  put("i.ev-measure-mean", reading.placeOf(cell.mean, scale));
  return node;
}

export class ScoreTable {
  /** @param {{onCell: (key: string) => void, onSort: (metric: string) => void}} hear */
  constructor(hear) {
    this.hear = hear;
    this.table = el("table.ev-measure-table");
    const about = { tabIndex: 0, role: "region", "aria-label": "Table of scores, scrolls sideways" };
    this.node = lasting(el("div.ev-measure-scroll", about, this.table));
    this.table.addEventListener("keydown", (event) => this.key(event));
  }

  /** verdicts: none while the study goes on. @param {{result: any, verdicts: any[], chosen: string | null, sort: string | null, worstFirst: boolean}} what */
  show({ result, verdicts, chosen, sort, worstFirst }) {
    const cells = reading.cellsOf(result.table);
    const families = reading.familiesOf(result.metrics);
    const columns = reading.columnsOf(result.metrics);
    const scales = reading.scalesOf(result);
    const sorted = columns.find(({ key }) => key === sort);
    const rows = reading.sortedRows(result.rows, cells, sorted, worstFirst);
    const first = new Set(families.map(({ metrics }) => metrics[0].key));
    const open = chosen && cells.has(chosen) ? chosen : reading.keyOf(rows[0]?.method ?? "", columns[0]?.key ?? "");
    const families_ = el(
      "tr",
      {},
      el("td.ev-measure-corner"),
      ...families.map(({ title, metrics }) =>
        el("th.ev-measure-family", { scope: "colgroup", colSpan: metrics.length }, el("span", {}, title)),
      ),
    );
    const heads = el(
      "tr",
      {},
      el("th.ev-measure-corner", { scope: "col" }, "Method"),
      ...columns.map((metric) => {
        const own = result.rows.map((row) => cells.get(reading.keyOf(row.method, metric.key))).filter(Boolean);
        return this.head(metric, own, scales.get(metric.key), { sorted: metric === sorted, worstFirst, first: first.has(metric.key) });
      }),
    );
    const body = rows.map((row) =>
      el(
        `tr${row.control ? ".ev-measure-control" : ""}`,
        {},
        this.rowHead(
          row,
          verdicts.find(({ method }) => method === row.method),
        ),
        ...columns.map((metric) => {
          const key = reading.keyOf(row.method, metric.key);
          const blob = cells.get(reading.keyOf(reading.BLOB, metric.key));
          const cell = { row, metric, cell: cells.get(key), scale: scales.get(metric.key), blob };
          return el(
            `td${first.has(metric.key) ? ".ev-measure-first" : ""}`,
            {},
            this.cell(key, cell, { chosen: key === chosen, stop: key === open }),
          );
        }),
      ),
    );
    renew(
      this.table,
      el("caption.ev-visually-hidden", {}, "Mean scores of the methods by metric, with 95 % intervals over the inputs"),
      el("thead", {}, families_, heads),
      el("tbody", {}, ...body),
    );
  }

  /** The method, and whether it passed for this network. */
  rowHead({ title, control, reason }, verdict) {
    const hint = control ? "A control: it looks at no network" : reason || verdict?.because;
    const { word, glyph } = reading.verdictWord(verdict ?? {});
    const ok = verdict?.passed ? ".ev-measure-passed--ok" : "";
    const passed = verdict && !control && el(`span.ev-measure-passed${ok}`, {}, icon(glyph), word);
    return el("th", { scope: "row", title: hint || null }, el("span", {}, title), passed);
  }

  head(metric, own, scale, { sorted, worstFirst, first }) {
    const count = reading.countOf(own);
    const place = sorted ? (worstFirst ? "worst first" : "best first") : "";
    const direction = `${metric.title}: ${reading.BETTER[metric.better]}. ${metric.summary ?? ""}`.trim();
    const button = el(
      "button.ev-measure-head",
      { type: "button", title: direction, "data-key": `sort:${metric.key}`, onclick: () => this.hear.onSort(metric.key) },
      el("span", {}, reading.capital(metric.short)),
      el("span.ev-visually-hidden", {}, `, ${reading.BETTER[metric.better]}${place ? `, ${place}` : ""}`),
    );
    return el(
      `th${first ? ".ev-measure-first" : ""}`,
      { scope: "col", "aria-sort": sorted ? ((metric.better === "higher") === worstFirst ? "ascending" : "descending") : null },
      button,
      el(
        `span.ev-measure-n${count.partial ? ".ev-measure-n--partial" : ""}`,
        { title: count.partial ? "More inputs are still on their way" : null },
        el("b", { "aria-hidden": "true" }, reading.ARROWS[metric.better]),
        ` ${count.text}`,
      ),
      el(
        "span.ev-measure-ends",
        { "aria-hidden": "true" },
        el("span", {}, scale ? reading.endOf(scale.low) : ""),
        el("span", {}, scale ? reading.endOf(scale.high) : ""),
      ),
    );
  }

  cell(key, { row, metric, cell, scale, blob }, { chosen, stop }) {
    const has = cell && typeof cell.mean === "number" && scale;
    const inside = has
      ? [
          el(
            "span.ev-measure-value",
            {},
            el(cell.best ? "b" : "span", {}, reading.figure(cell.mean, scale)),
            cell.flips && el("span.ev-measure-flips", { title: flipped(cell, scale) }, "\u21c5 flips"),
          ),
          mark(cell, scale, row.method === reading.BLOB ? null : blob),
        ]
      : [
          el("span.ev-measure-value.ev-muted", {}, cell?.note ? "n/a" : "\u2026"),
          el("span.ev-measure-note", { title: cell?.note ?? "" }, cell?.note || "not yet"),
        ];
    return el(
      "button.ev-measure-cell",
      {
        type: "button",
        tabIndex: stop ? 0 : -1,
        "data-key": key,
        "aria-pressed": String(chosen),
        "aria-label": reading.spokenCell(row, metric, cell, scale),
        onclick: () => this.hear.onCell(key),
      },
      ...inside,
    );
  }

  /** @param {string} key */
  button(key) {
    return [...this.table.querySelectorAll("button")].find((button) => button.dataset.key === key);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = STEPS[event.key];
    const cell = event.target instanceof Element ? event.target.closest("td") : null;
    if (!step || !cell) return;
    event.preventDefault();
    const body = /** @type {HTMLTableRowElement} */ (cell.parentElement);
    const row = /** @type {HTMLTableSectionElement} */ (body.parentElement).rows[body.sectionRowIndex + step[0]];
    const next = row?.cells[cell.cellIndex + step[1]]?.querySelector("button");
    if (!next) return;
    for (const button of this.table.querySelectorAll("td button")) /** @type {HTMLElement} */ (button).tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}

const flipped = (cell, scale) =>
  `The rank changes with another baseline${typeof cell.other_mean === "number" ? `: ${reading.figure(cell.other_mean, scale)} there` : ""}.`;

/** What the marks mean. */
export const legend = () =>
  el(
    "p.ev-measure-legend",
    {},
    el("span", {}, el("b", {}, "0.93"), " best method of the column"),
    el(
      "span",
      {},
      el(
        "span.ev-measure-mark.ev-measure-key",
        { "aria-hidden": "true" },
        el("i.ev-measure-range.ev-measure-key-range"),
        el("i.ev-measure-mean.ev-measure-key-mean"),
      ),
      "mean and 95 % interval, one scale per column",
    ),
    el("span", {}, el("i.ev-measure-key-blob", { "aria-hidden": "true" }), "centre blob"),
    el("span", {}, el("span.ev-measure-flips", {}, "\u21c5 flips"), " rank changes with another baseline"),
  );
