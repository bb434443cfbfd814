/* Rank by family, and the profile of chosen rows. */
import { el } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import { svg } from "../core/svg.mjs";
import * as reading from "./reading.mjs";

const STYLES = 6;
/** The lines of the chosen method, then of the others in their order. */
const kindOf = (place) => `ev-measure-line ev-measure-line--${place % STYLES}`;

/**
 * @param {any} result
 * @param {string | null} chosen method
 * @param {(method: string) => void} choose
 */
export function rankPlot(result, chosen, choose) {
  const { columns, lines } = reading.rankLines(result.families, result.rows);
  if (!columns.length || lines.length < 2) return el("p.ev-muted", {}, "Ranks follow when two methods have numbers.");
  const most = Math.max(lines.length, ...lines.flatMap(({ points }) => points.map(({ rank }) => Math.ceil(rank))));
  const [left, width, top, step] = [122, 178, 12, 21];
  const x = (column) => left + 14 + (columns.length < 2 ? width / 2 : (column / (columns.length - 1)) * width);
  const y = (rank) => top + (rank - 1) * step;
  const height = top + (most - 1) * step + 30;
  const drawing = svg("svg", {
    viewBox: `0 0 350 ${height}`,
    class: "ev-measure-ranks",
    role: "group",
    "aria-label": "Rank of each method by family",
  });
  columns.forEach((family, column) => {
    drawing.append(
      svg("line", { x1: x(column), x2: x(column), y1: y(1), y2: y(most), class: "ev-measure-grid" }),
      svg(
        "text",
        { x: x(column), y: y(most) + 22, "text-anchor": "middle", class: "ev-measure-tick" },
        reading.shortFamily(family),
        svg("title", {}, reading.capital(family)),
      ),
    );
  });
  for (let rank = 1; rank <= most; rank += 1)
    drawing.append(svg("text", { x: 346, y: y(rank) + 4, "text-anchor": "end", class: "ev-measure-tick" }, String(rank)));
  lines.forEach((line, place) => {
    const on = line.method === chosen;
    const d = line.points.map((point, i) => bend(point, line.points[i - 1], x, y)).join("");
    const said = line.points
      .map(({ column, rank, complete }) => `${columns[column]} ${Number(rank.toFixed(1))}${complete ? "" : " (partial)"}`)
      .join(", ");
    const group = svg("g", {
      class: `ev-measure-rank${on ? " ev-measure-rank--on" : ""} ${kindOf(place)}`,
      role: "button",
      tabindex: 0,
      "aria-pressed": String(on),
      "aria-label": `${line.title}: ${said}`,
    });
    // Ranks may be tied or broken: the names stand one below the other, in the order of the first rank.
    const at = place + 1;
    group.append(
      svg("title", {}, `${line.title}: ${said}`),
      svg("path", { d: `M${left} ${y(at)}L${x(line.points[0].column)} ${y(line.points[0].rank)}${d.replace(/^M[^C]*/, "")}` }),
      svg("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, cut(line.title)),
      ...line.points.map(({ column, rank, complete }) =>
        svg("circle", { cx: x(column), cy: y(rank), r: 4, class: complete ? null : "ev-measure-open" }),
      ),
    );
    group.addEventListener("click", () => choose(line.method));
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(line.method);
    });
    drawing.append(group);
  });
  return drawing;
}

const cut = (title) => (title.length > 16 ? `${title.slice(0, 15)}\u2026` : title);

function bend(point, before, x, y) {
  if (!before) return `M${x(point.column)} ${y(point.rank)}`;
  const [x0, x1] = [x(before.column), x(point.column)];
  const middle = (x0 + x1) / 2;
  return `C${middle} ${y(before.rank)} ${middle} ${y(point.rank)} ${x1} ${y(point.rank)}`;
}

/** Rows of the radar, with a box each. */
export class Profile {
  /** @type {Set<string> | null} null: the usual ones */
  shown = null;
  /** @type {any} */
  result = null;

  constructor() {
    this.node = lasting(el("div.ev-measure-profile"));
  }

  show(result, chosen) {
    this.result = result;
    this.chosen = chosen;
    const scales = reading.scalesOf(result);
    const cells = reading.cellsOf(result.table);
    const usual = [chosen, ...(result.passed ?? []), reading.BLOB].filter(Boolean);
    const rows = reading.sortedRows(result.rows, cells, null);
    const on = this.shown ?? new Set([...new Set(usual)].slice(0, 2).concat(reading.BLOB));
    const boxes = rows.map(({ method, title }, place) => {
      const box = el("input", {
        type: "checkbox",
        value: method,
        checked: on.has(method),
        onchange: ({ currentTarget }) => this.turn(on, method, currentTarget.checked),
      });
      const key = svg("svg", { viewBox: "0 0 18 4", class: "ev-measure-radar-key", "aria-hidden": "true" });
      key.append(svg("path", { d: "M0 2H18", class: this.kind(method, place) }));
      return el("label.ev-measure-box", {}, box, on.has(method) ? key : el("span.ev-measure-radar-key"), el("span", {}, title));
    });
    const shown = rows.map((row, place) => ({ ...row, place })).filter(({ method }) => on.has(method));
    const profiles = shown.map(({ method, title, place }) => ({
      title,
      kind: this.kind(method, place),
      parts: reading.profileOf(method, result.metrics, cells, scales),
    }));
    renew(this.node, radar(profiles), el("div.ev-measure-boxes", {}, ...boxes));
  }

  kind(method, place) {
    if (method === reading.BLOB) return "ev-measure-line ev-measure-line--blob";
    return method === this.chosen ? "ev-measure-line ev-measure-line--chosen" : kindOf(place);
  }

  turn(on, method, add) {
    this.shown = new Set(on);
    if (add) this.shown.add(method);
    else this.shown.delete(method);
    this.show(this.result, this.chosen);
  }
}

/** Families around a centre; outside is better. A family without a number is skipped, and said. */
function radar(profiles) {
  const families = (profiles[0]?.parts ?? []).map(({ family }) => family);
  const said = profiles.map(
    ({ title, parts }) =>
      `${title}: ${parts.map(({ family, value }) => `${family} ${value === null ? "none" : value.toFixed(2)}`).join(", ")}`,
  );
  const drawing = svg("svg", {
    viewBox: "-122 -72 244 146",
    class: "ev-measure-radar",
    role: "img",
    "aria-label": `Profile by family, 1 is best. ${said.join(". ")}`,
  });
  if (families.length < 3) {
    const few = families.length ? "Needs three families." : "Tick a row.";
    drawing.append(svg("text", { "text-anchor": "middle", class: "ev-measure-tick" }, few));
    return drawing;
  }
  const angle = (i) => -Math.PI / 2 + (2 * Math.PI * i) / families.length;
  const at = (i, r) => [Math.cos(angle(i)) * r, Math.sin(angle(i)) * r];
  const R = 54;
  const ring = (r) => `${families.map((_, i) => `${i ? "L" : "M"}${at(i, r).map((v) => v.toFixed(1))}`).join("")}Z`;
  for (const share of [0.33, 0.67, 1]) drawing.append(svg("path", { d: ring(R * share), class: "ev-measure-grid" }));
  families.forEach((family, i) => {
    const [x, y] = at(i, R + 8);
    const anchor = Math.abs(x) < 8 ? "middle" : x > 0 ? "start" : "end";
    const place = { x: x.toFixed(1), y: (y + 4).toFixed(1), "text-anchor": anchor, class: "ev-measure-tick" };
    drawing.append(svg("text", place, reading.familyTrait(family), svg("title", {}, reading.capital(family))));
  });
  for (const { title, kind, parts } of profiles) {
    const points = parts.flatMap(({ value }, i) => (value === null ? [] : [at(i, R * value)]));
    if (!points.length) continue;
    const d = `${points.map((point, i) => `${i ? "L" : "M"}${point.map((v) => v.toFixed(1))}`).join("")}Z`;
    drawing.append(svg("path", { d, class: kind }, svg("title", {}, title)));
  }
  return drawing;
}
