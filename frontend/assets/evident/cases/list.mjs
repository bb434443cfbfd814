/* The worklist: its lines as they come into view, search, filters with their counts, and where one stands in it. */
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { svg } from "../core/svg.mjs";
import { ranged, SORTS, STATES, scoreEnd } from "./choice.mjs";
import * as reading from "./reading.mjs";

const ROW = 47;
/** Lines above and below what is seen that are there already. */
const SPARE = 6;
/** Milliseconds without a further letter before the list is searched. */
const PAUSE = 250;

export class List {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;
  /** What was typed and is not asked for yet. @type {Partial<import("./choice.mjs").Choice>} */
  typed = {};

  /** @param {import("./session.mjs").Session} session @param {{more: () => Node[]}} page more: what else can be done with the list */
  constructor(session, { more }) {
    this.session = session;
    this.title = el("h2.ev-cases-list-title");
    this.search = el("input.ev-text.ev-cases-search", {
      type: "search",
      placeholder: "Search file, note, verdict",
      "aria-label": "Search file, note, verdict",
      oninput: () => this.later({ search: this.search.value.trim() }),
    });
    this.chips = el("div.ev-cases-chips", { role: "group", "aria-label": "Show only" });
    this.order = el(
      "select.ev-cases-order",
      { "aria-label": "Sorted by", onchange: () => session.filter({ sort: this.order.value }) },
      ...Object.entries(SORTS).map(([value, text]) => el("option", { value }, `Sorted by ${text}`)),
    );
    this.verdict = el("select.ev-cases-order", {
      "aria-label": "Show only what you said",
      onchange: () => session.filter({ verdict: this.verdict.value }),
    });
    const end = (title, name) =>
      el("input.ev-text.ev-cases-end", {
        type: "number",
        min: 0,
        max: 1,
        step: 0.05,
        placeholder: name === "low" ? "0" : "1",
        "aria-label": title,
        oninput: ({ target }) => this.later({ [name]: scoreEnd(target.value) }),
      });
    this.low = end("Score from", "low");
    this.high = end("Score to", "high");
    this.unscored = el("p.ev-muted.ev-cases-unscored", { role: "status" });
    this.lines = el("ol.ev-cases-lines");
    this.space = el("div.ev-cases-space", {}, this.lines);
    this.scroll = el(
      "div.ev-cases-scroll",
      { tabIndex: 0, role: "region", "aria-label": "Cases", onscroll: () => this.draw() },
      this.space,
    );
    this.none = el("p.ev-muted.ev-cases-none", { hidden: true }, "No case fits. Clear the search or the filter.");
    this.where = el("span.ev-muted");
    const step = (key, text, by) =>
      el("button.ev-link.ev-cases-turn", { type: "button", onclick: () => session.move(by) }, el("kbd", {}, key), ` ${text}`);
    this.node = el(
      "section.ev-card.ev-cases-list",
      { "aria-label": "Worklist" },
      el("header.ev-cases-list-head", {}, this.title, ...more()),
      el("div.ev-cases-find", {}, icon("search"), this.search),
      this.chips,
      el("div.ev-cases-columns", {}, this.order, this.verdict),
      el("div.ev-cases-scores", {}, "Score", this.low, "to", this.high),
      this.unscored,
      this.scroll,
      this.none,
      el("footer.ev-cases-foot", {}, step("J", "next", 1), step("K", "previous", -1), this.where),
    );
    this.resizer = new ResizeObserver(() => this.draw());
    this.resizer.observe(this.scroll);
  }

  /** Narrows the list after the last letter. @param {Partial<import("./choice.mjs").Choice>} part */
  later(part) {
    this.typed = { ...this.typed, ...part };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { typed } = this;
      this.typed = {};
      this.session.filter(typed);
    }, PAUSE);
  }

  /** The list itself changed. */
  refresh() {
    const { session } = this;
    const { list, rows, choice } = session;
    if (!list || !rows) return;
    this.title.textContent = list.title;
    this.title.title = `${list.title}: ${list.model_title}${list.blind ? ", judged before the model is seen" : ""}`;
    const fields = /** @type {[HTMLInputElement, string][]} */ ([
      [this.search, choice.search],
      [this.low, choice.low],
      [this.high, choice.high],
    ]);
    for (const [field, text] of fields) if (document.activeElement !== field) field.value = text;
    this.unscored.textContent = reading.unscoredWords(ranged(choice) ? rows.unscored : 0);
    this.order.value = choice.sort;
    const verdicts = reading.verdictChoices(session.labels);
    renew(this.verdict, ...verdicts.map(([value, text]) => el("option", { value }, text)));
    this.verdict.value = choice.verdict;
    renew(this.chips, ...STATES.map((state) => this.chip(state)));
    this.none.hidden = rows.total > 0 || !rows.known;
    this.draw();
  }

  chip(state) {
    const { session } = this;
    const { counts } = /** @type {any} */ (session.rows);
    const on = session.choice.state === state;
    const [glyph, word] = reading.STATE_MARKS[state];
    return el(
      "button.ev-cases-chip",
      { type: "button", "aria-pressed": String(on), onclick: () => session.filter({ state: on ? "" : state }) },
      state === "disagree" && icon(glyph),
      `${word} `,
      el("strong", {}, String(counts[state])),
    );
  }

  /** Draws the lines in view, after asking for those that are not there. */
  draw() {
    const { rows } = this.session;
    if (!rows) return;
    this.space.style.height = `${rows.total * ROW}px`;
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / ROW) - SPARE);
    const last = Math.min(rows.total - 1, Math.ceil((this.scroll.scrollTop + this.scroll.clientHeight) / ROW) + SPARE);
    if (rows.total) rows.need(first, Math.max(first, last)).catch(() => {});
    this.lines.style.transform = `translateY(${first * ROW}px)`;
    const lines = [];
    for (let at = first; at <= last; at += 1) lines.push(this.line(rows.lines.get(at), at, rows.total));
    renew(this.lines, ...lines);
    this.where.textContent = reading.position(this.session.place, rows.total);
  }

  line(line, at, total) {
    const { session } = this;
    const place = { "aria-setsize": total, "aria-posinset": at + 1 };
    if (!line) return el("li.ev-cases-line", { ...place, "aria-busy": "true" });
    const open = session.item?.id === line.id;
    const [glyph, word, kind] = reading.STATE_MARKS[line.state];
    const said = reading.readingWord(line.reading, session.labels);
    const model = line.gone
      ? "input deleted"
      : line.revealed
        ? reading.modelWord(line, session.choice.sort === "score" || ranged(session.choice))
        : "model hidden";
    const button = el(
      "button.ev-cases-open",
      {
        type: "button",
        "data-key": line.id,
        "aria-current": open ? "true" : null,
        onclick: () => session.open(line.id, 1),
      },
      thumb(line),
      el(
        "span.ev-cases-row",
        {},
        el("span.ev-cases-name", { title: line.name }, reading.listName(line.name)),
        el("span.ev-cases-seconds", {}, reading.seconds(line.seconds)),
      ),
      el(
        "span.ev-cases-row",
        {},
        el(
          "span.ev-cases-state",
          { "data-kind": kind },
          glyph === "circle" ? el("i.ev-cases-todo", { "aria-hidden": "true" }) : icon(glyph),
          word,
          said && el("span.ev-cases-said", {}, ` \u00b7 ${said}`),
        ),
        el("span.ev-cases-model", {}, !line.revealed && !line.gone && icon("hidden"), model),
      ),
    );
    return el("li.ev-cases-line", { ...place, "data-key": line.id }, button);
  }

  /** Brings the open case into view. */
  follow() {
    const at = this.session.place;
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.scroll;
    if (at * ROW < scrollTop) this.scroll.scrollTop = at * ROW;
    else if ((at + 1) * ROW > scrollTop + clientHeight) this.scroll.scrollTop = (at + 1) * ROW - clientHeight;
    this.draw();
  }

  destroy() {
    clearTimeout(this.timer);
    this.resizer.disconnect();
  }
}

const WIDTH = 28;
const HEIGHT = 26;

/** The loudness over time in a few strokes; a picture instead of it where the input is one. */
function thumb({ waveform, modality, input, gone }) {
  if (modality !== "audio" && modality !== null && !gone)
    return el("img.ev-cases-thumb", { src: `/api/v1/inputs/${encodeURIComponent(input)}/preview.png`, alt: "", loading: "lazy" });
  const step = WIDTH / Math.max(1, waveform.length);
  const d = waveform
    .map((x, i) => {
      const h = Math.max(0.5, (x * HEIGHT) / 2);
      return `M${((i + 0.5) * step).toFixed(1)} ${(HEIGHT / 2 - h).toFixed(1)}v${(2 * h).toFixed(1)}`;
    })
    .join("");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "ev-cases-thumb", "aria-hidden": "true" }, svg("path", { d }));
}
