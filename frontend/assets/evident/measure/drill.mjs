/* One cell of the table, opened: its inputs as dots against the centre blob, the best and the worst with their maps, its mean curve. */
import { openDialog } from "../core/dialog.mjs";
import { el } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import { svg } from "../core/svg.mjs";
import { trouble } from "../job/lines.mjs";
import * as reading from "./reading.mjs";
import { thumb } from "./thumbs.mjs";

const EACH = 2;

export class Drill {
  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.node = lasting(el("section.ev-card.ev-measure-drill", { "aria-label": "Inputs of the chosen value", hidden: true }));
    /** What stands there, to draw only what changed. */
    this.seen = "";
  }

  async draw() {
    const { study, choice } = this.session;
    const result = study?.result;
    const [method, metric] = (choice.cell ?? "").split(":");
    const row = result?.rows.find((each) => each.method === method);
    const column = result?.metrics.find((each) => each.key === metric);
    this.node.hidden = !row || !column;
    if (!study || !row || !column) {
      this.seen = "";
      return;
    }
    const cell = reading.cellsOf(result.table).get(choice.cell ?? "");
    const scale = reading.scalesOf(result).get(metric) ?? null;
    const seen = JSON.stringify([study.id, study.job.state, cell, scale]);
    if (seen === this.seen) return;
    this.seen = seen;
    const others = method === reading.BLOB ? [] : [reading.BLOB];
    try {
      const [own, blob = []] = await Promise.all([method, ...others].map((each) => study.cells(each, metric)));
      if (this.seen !== seen) return;
      this.fill({ study, result, row, column, cell, scale, own, blob });
    } catch (problem) {
      if (this.seen !== seen) return;
      renew(
        this.node,
        this.head(row, column, cell, scale, 0),
        trouble(problem, () => this.again()),
      );
    }
  }

  again() {
    this.seen = "";
    this.draw();
  }

  head(row, column, cell, scale, inputs, all) {
    const facts = [];
    if (typeof cell?.mean === "number") {
      facts.push(el("strong", {}, reading.figure(cell.mean, scale)));
      const said = [reading.interval(cell.low, cell.high, scale), `${cell.n} ${cell.n === 1 ? "input" : "inputs"}`];
      const blob = row.method === reading.BLOB ? "" : reading.againstBlob(cell.versus_blob, scale);
      facts.push(el("span.ev-muted", {}, [said.filter(Boolean).join(", "), blob].filter(Boolean).join(" \u00b7 ")));
    } else facts.push(el("span.ev-muted", {}, cell?.note || "No number yet."));
    const open = inputs > 0 && el("button.ev-link", { type: "button", onclick: all }, `All ${inputs} inputs`);
    const job = this.session.study?.job;
    const verdict = job?.state === "done" && job.result?.verdicts?.find(({ method }) => method === row.method);
    const because =
      verdict && !row.control && el("p.ev-muted.ev-small", {}, `${row.title}, ${reading.verdictWord(verdict).word}: ${verdict.because}`);
    return el(
      "header.ev-measure-drill-head",
      {},
      el("h2.ev-inside-title", {}, `${row.title} \u00b7 ${column.title.toLowerCase()}`),
      ...facts,
      open,
      because,
    );
  }

  fill(what) {
    const { study, result, row, column, cell, scale, own, blob } = what;
    const ordered = reading.bestFirst(own, column.better);
    const inputs = new Map(result.inputs.map((input) => [input.index, input]));
    const head = this.head(row, column, cell, scale, own.length, () => this.all(what));
    if (!ordered.length || !scale) {
      const notes = [...new Set(own.map(({ note }) => note).filter(Boolean))];
      renew(this.node, head, el("p.ev-muted", {}, notes.join(" ") || "No input has a number yet."));
      return;
    }
    const { best, worst } = reading.extremes(ordered, EACH);
    const picture = (entry, word) => thumb({ study, input: inputs.get(entry.input), method: row.method, result }, entry, scale, word);
    const pictures = el(
      "div.ev-measure-pictures",
      {},
      ...best.map((entry) => picture(entry, "best")),
      ...worst.map((entry) => picture(entry, "worst")),
    );
    const curves = curvePlot(reading.meanCurve(own.map(({ curve }) => curve)), reading.meanCurve(blob.map(({ curve }) => curve)), column);
    const wide = spanOf([...own, ...blob], scale);
    const rows = [{ title: row.title, cells: ordered, own: true }];
    const beside = reading.bestFirst(blob, column.better);
    if (beside.length) rows.push({ title: "centre blob", cells: beside, own: false });
    this.node.classList.toggle("ev-measure-drill--curve", Boolean(curves));
    renew(this.node, head, el("div.ev-measure-drill-body", {}, dotPlot(rows, wide, inputs), pictures, curves));
  }

  /** Every input with its value, the best first. */
  all({ study, result, row, column, scale, own, blob }) {
    const inputs = new Map(result.inputs.map((input) => [input.index, input]));
    const other = new Map(blob.map((entry) => [entry.input, entry]));
    const ordered = [...reading.bestFirst(own, column.better), ...own.filter(({ value }) => typeof value !== "number")];
    const list = el(
      "ol.ev-measure-all",
      {},
      ...ordered.map((entry) => {
        const versus = other.get(entry.input)?.value;
        const word = typeof versus === "number" ? `blob ${reading.figure(versus, scale)}` : "";
        return el("li", {}, thumb({ study, input: inputs.get(entry.input), method: row.method, result }, entry, scale, word));
      }),
    );
    const dialog = openDialog(
      `${row.title} \u00b7 ${column.title.toLowerCase()}`,
      el("p.ev-muted", {}, `${own.length} inputs, the best first. A picture opens Compare with that input, where it is still stored.`),
      list,
    );
    dialog.classList.add("ev-dialog--wide");
  }
}

/** Single inputs spread wider than means do. */
const spanOf = (cells, scale) =>
  reading.scaleOf(
    { low: null, high: null },
    cells.map(({ value }) => ({ mean: value })),
  ) ?? scale;

/** Dots of two rows, one over the other, on one scale; a mark at each mean. */
function dotPlot(rows, scale, inputs) {
  const [width, height, left, bins] = [262, 66, 4, 48];
  const drawing = svg("svg", {
    viewBox: `0 0 ${width + 2 * left} ${rows.length * height + 18}`,
    class: "ev-measure-dots",
    role: "img",
    "aria-label": rows.map(({ title, cells }) => spread(title, cells, scale)).join(" "),
  });
  const x = (place) => left + place * width;
  rows.forEach(({ title, cells, own }, at) => {
    const base = (at + 1) * height - 8;
    const dots = reading.dotsOf(cells, scale, bins);
    const most = Math.max(...dots.map(({ level }) => level)) + 1;
    const step = Math.min(5.2, (height - 26) / most);
    const mean = cells.reduce((sum, { value }) => sum + value, 0) / cells.length;
    const kind = own ? "ev-measure-dot" : "ev-measure-dot ev-measure-dot--blob";
    drawing.append(
      svg("line", { x1: x(0), x2: x(1), y1: base, y2: base, class: "ev-measure-base" }),
      svg("text", { x: left, y: at * height + 13, class: own ? "ev-measure-dot-name" : "ev-measure-tick" }, title),
      svg(
        "text",
        { x: left + width, y: at * height + 13, "text-anchor": "end", class: "ev-measure-tick" },
        `mean ${reading.figure(mean, scale)}`,
      ),
      ...dots.map(({ place, level, input, value }) =>
        svg(
          "circle",
          { cx: x(place), cy: base - 3 - level * step, r: Math.min(2.5, step / 2 + 0.4), class: kind },
          svg("title", {}, `${inputs.get(input)?.name ?? `input ${input + 1}`}: ${reading.figure(value, scale)}`),
        ),
      ),
    );
    const m = x(reading.placeOf(mean, scale));
    drawing.append(svg("path", { d: `M${m} ${base + 1}l-4 6h8z`, class: kind }));
  });
  const foot = rows.length * height + 12;
  for (const share of [0, 0.5, 1]) {
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    const value = scale.low + share * (scale.high - scale.low);
    drawing.append(svg("text", { x: x(share), y: foot, "text-anchor": anchor, class: "ev-measure-tick" }, reading.endOf(value)));
  }
  return drawing;
}

function spread(title, cells, scale) {
  const values = cells.map(({ value }) => value);
  return `${title}: ${values.length} inputs from ${reading.figure(Math.min(...values), scale)} to ${reading.figure(Math.max(...values), scale)}.`;
}

/** The mean curve of the method, and dashed that of the centre blob; null where the metric has none. */
function curvePlot(own, blob, column) {
  if (!own) return null;
  const [width, height, left, top] = [210, 104, 30, 8];
  const lines = [blob, own].filter(Boolean);
  const values = lines.flatMap(({ y }) => y);
  const low = Math.min(0, ...values);
  const high = Math.max(...values, low + 1e-6);
  const x = (share) => left + share * width;
  const y = (value) => top + (1 - (value - low) / (high - low)) * height;
  const said = `${column.title}, mean over ${own.n} inputs: from ${reading.figure(own.y[0])} to ${reading.figure(own.y[own.y.length - 1])}.`;
  const drawing = svg("svg", {
    viewBox: `0 0 ${left + width + 8} ${top + height + 24}`,
    class: "ev-measure-curve",
    role: "img",
    "aria-label": said,
  });
  for (const value of [low, (low + high) / 2, high])
    drawing.append(
      svg("line", { x1: x(0), x2: x(1), y1: y(value), y2: y(value), class: "ev-measure-grid" }),
      svg(
        "text",
        { x: left - 4, y: y(value) + 4, "text-anchor": "end", class: "ev-measure-tick" },
        reading.endOf(Number(value.toPrecision(2))),
      ),
    );
  drawing.append(
    svg("text", { x: x(0), y: top + height + 16, class: "ev-measure-tick" }, "0"),
    svg("text", { x: x(0.5), y: top + height + 16, "text-anchor": "middle", class: "ev-measure-tick" }, "share changed"),
    svg("text", { x: x(1), y: top + height + 16, "text-anchor": "end", class: "ev-measure-tick" }, "100 %"),
  );
  for (const line of lines) {
    const d = line.x.map((share, i) => `${i ? "L" : "M"}${x(share).toFixed(1)} ${y(line.y[i]).toFixed(1)}`).join("");
    drawing.append(svg("path", { d, class: `ev-measure-line ev-measure-line--${line === own ? "chosen" : "blob"}` }));
  }
  return el(
    "figure.ev-measure-figure",
    {},
    drawing,
    el("figcaption.ev-muted.ev-small", {}, blob ? "mean curve; dashed: centre blob" : "mean curve"),
  );
}
