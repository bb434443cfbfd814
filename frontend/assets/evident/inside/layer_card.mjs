/* All filters of the chosen layer over many inputs: which are alike, which matter, whether the ranking holds. Starts by itself when somebody
   stays at a layer, says what it costs, and can be stopped. */
import { el, icon } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import * as words from "../maps/words.mjs";
import { tellDash } from "../dash/tell.mjs";
import { correlationMap, importanceBars, removalChart } from "./charts.mjs";
import { flipped, meanKernel, pixelCanvas, signedPixels } from "./kernels.mjs";
import { fact } from "./fact.mjs";
import { progressLine, trouble } from "../job/lines.mjs";
import * as reading from "./reading.mjs";
import { lowerOf, most } from "../figure/small_map.mjs";

/** Bars; beside the kernels of a first layer. */
const BARS = 6;
const FEWER = 4;
/** Milliseconds after which the table of a running study is fetched anew. */
const AGAIN = 3000;

export class LayerCard {
  turn = 0;
  /** When the table of a running study was fetched. */
  fetched = 0;

  /** @param {import("./session.mjs").Session} session */
  constructor(session) {
    this.session = session;
    this.title = el("h2.ev-inside-title", {}, "All filters");
    this.quiet = el("span.ev-muted");
    this.more = el(
      "button.ev-icon-button",
      {
        type: "button",
        title: "All charts, large",
        "aria-label": "All charts of the layer, large",
        hidden: true,
        onclick: () => this.enlarge(),
      },
      icon("expand"),
    );
    this.save = el(
      "button.ev-icon-button",
      {
        type: "button",
        title: "Save the numbers (CSV)",
        "aria-label": "Save the numbers of all filters as CSV",
        hidden: true,
        onclick: () => this.download(),
      },
      icon("download"),
    );
    this.work = el("div");
    this.over = el("div");
    this.offerInputs();
    this.ranking = el(
      "select.ev-inside-select",
      { "aria-label": "Ranking of the filters", onchange: () => session.rankBy(this.ranking.value) },
      ...reading.RANKINGS.map(([value, text, title]) => el("option", { value, title }, value === "ablation" ? "logit lost without" : text)),
    );
    lasting(this.ranking);
    this.body = el("div.ev-all-body");
    this.node = el(
      "section.ev-card.ev-inside-all.ev-lab-only",
      { "aria-label": "All filters of the layer" },
      el("header.ev-inside-head", {}, el("div.ev-inside-titles", {}, this.title, this.quiet), el("div.ev-row", {}, this.save, this.more)),
      this.over,
      this.work,
      this.body,
    );
  }

  draw() {
    const { session } = this;
    const { layer, studied } = session;
    this.turn += 1;
    if (!layer) return;
    const result = studied?.result;
    this.title.textContent = `All ${layer.shape?.[0] ?? ""} filters of ${layer.name}`;
    this.quiet.textContent = result ? `${words.integer(result.calibration?.count ?? 0)} inputs` : "";
    this.quiet.title = result?.calibration?.title ?? "";
    this.more.hidden = !result || studied.busy;
    this.save.hidden = this.more.hidden;
    renew(this.work, ...this.state());
    if (!reading.hasMap(layer)) {
      this.title.textContent = "All filters";
      renew(this.body, el("p.ev-muted", {}, "This entry has no filters of its own."));
    } else if (!studied) renew(this.body, el("p.ev-muted", {}, "Studied as soon as you stay at this layer."));
    else this.fill(this.turn);
  }

  state() {
    const { studied } = this.session;
    if (!studied) return [];
    if (studied.problem) return [trouble(studied.problem, () => studied.again())];
    if (studied.state === "cancelled") {
      const again = el("button.ev-button.ev-button--small", { type: "button", onclick: () => studied.again() }, "Go on");
      return [el("p.ev-work-line", {}, el("span.ev-muted", {}, "Stopped. "), again)];
    }
    return studied.busy ? [progressLine(studied, "Each filter off in turn")] : [];
  }

  async fill(turn) {
    const { studied } = this.session;
    if (!studied?.job) return;
    const { result } = studied;
    const parts = result
      ? [await this.alike(studied, result), this.matters(result), await this.kernels(studied, result)]
      : [await this.soFar(studied)];
    if (turn !== this.turn) return;
    const shown = parts.filter((part) => part instanceof Node);
    const held = document.activeElement === this.ranking;
    if (shown.length) renew(this.body, ...shown);
    else if (studied.busy) renew(this.body, el("p.ev-muted", {}, "The first picture comes in a moment."));
    if (held) this.ranking.focus(); // drawn anew around it
  }

  /** While it runs: what the table so far says, [C, C + 2]: correlation, importance, Taylor's estimate of it. */
  async soFar(studied) {
    const number = studied.job?.progress?.partial ?? 0;
    if (!number) return null;
    // The table of a wide layer is a megabyte, and grows with every step.
    if (Date.now() - this.fetched > AGAIN) {
      studied.forget("partial");
      this.fetched = Date.now();
    }
    try {
      const table = await studied.array("partial");
      if (!table) return null; // it has just ended
      const { shape, data } = table;
      const [n, width] = shape;
      const values = Float32Array.from({ length: n * n }, (_, i) => data[Math.floor(i / n) * width + (i % n)]);
      const order = Array.from(values.subarray(0, n), (_, i) => i);
      const worth = (column) => order.map((i) => ({ i, value: data[i * width + column] })).filter(({ value }) => Number.isFinite(value));
      const known = worth(n).length ? worth(n) : worth(n + 1);
      const rows = known
        .sort((a, b) => b.value - a.value)
        .slice(0, BARS)
        .map(({ i, value }) => ({ name: String(i), value, title: `Filter ${i}, so far`, onclick: () => this.session.pick(i) }));
      const bars = rows.length ? [el("h3.ev-inside-sub", {}, "Importance so far"), importanceBars(rows)] : [];
      return el(
        "div.ev-all-alike",
        {},
        correlationMap({ values, n, order, clusters: [] }, () => {}),
        el("div", {}, ...bars),
      );
    } catch {
      return null; // the whole result follows
    }
  }

  /** Correlation with its clusters, and how many directions there are. */
  async alike(studied, result) {
    const facts = [
      fact("effective size", el("strong", {}, `${result.effective_dimension?.toFixed(1) ?? "?"} of ${result.filters.length}`)),
      fact("clusters", el("strong", {}, String(result.clusters.length))),
      fact("dead", el("strong", {}, deadWords(result.dead))),
    ];
    const told = lasting(el("p.ev-muted.ev-small.ev-likeness-told", {}, "−1 blue · +1 red"));
    let matrix = null;
    try {
      const { shape, data } = await studied.array("correlation");
      const n = shape[0];
      matrix = correlationMap({ values: data, n, order: result.order, clusters: result.clusters }, (i, j, r) => {
        told.textContent = `${i} and ${j}: r ${words.value(r, true, 2)}`;
      });
    } catch {
      told.textContent = "The correlation could not be fetched.";
    }
    return el("div.ev-all-alike", {}, matrix, el("div.ev-inside-facts", {}, ...facts, told));
  }

  /** The kernels of the first layer side by side on one scale, each with what it answers to. */
  async kernels(studied, result) {
    if (!result.kernels || !result.filters.some(({ tuning }) => tuning)) return null;
    try {
      const { shape, data } = await studied.array("kernels");
      const [, channels, rows, cols] = shape;
      const size = channels * rows * cols;
      const limit = most(data);
      const lower = lowerOf(this.session.subject);
      const cells = result.filters.map(({ index, tuning }) => {
        const values = meanKernel(data.subarray(index * size, (index + 1) * size), channels, rows * cols);
        const rgba = signedPixels(values, limit);
        const words_ = `Filter ${index}: ${tuning?.words ?? "no tuning"}`;
        const canvas = pixelCanvas(lower ? flipped(rgba, rows, cols) : rgba, rows, cols, "canvas.ev-kernel", words_);
        const pick = () => this.session.pick(index);
        return el("button.ev-kernel-pick", { type: "button", title: words_, "aria-label": words_, onclick: pick }, canvas);
      });
      const title = `Kernels, full colour at ±${words.value(limit, false, 2)}`;
      return el("div", {}, el("h3.ev-inside-sub", {}, title), el("div.ev-kernels", {}, ...cells));
    } catch {
      return null; // the rest of the card stands without them
    }
  }

  /** What is lost without each filter, and whether removing them in that order hurts as it should. */
  matters(result) {
    const { session } = this;
    const most = result.filters.some(({ tuning }) => tuning) ? FEWER : BARS;
    const rows = session.ranking === "ablation" ? this.lost(result, most) : this.byRanking(result, most);
    const bars = rows.length ? [this.rankings(result), importanceBars(rows)] : [];
    const curve = result.removal?.counts?.length ? [el("h3.ev-inside-sub", {}, "Answers kept"), removalChart(result.removal)] : [];
    if (!bars.length && !curve.length) return null;
    return el("div.ev-all-matters", {}, el("div", {}, ...bars), el("div", {}, ...curve));
  }

  /** Logit of the class that is lost without each filter. */
  lost(result, most) {
    const at = Math.max(0, result.classes.indexOf(this.session.subject.target));
    return [...result.filters]
      .filter(({ drops }) => Number.isFinite(drops?.[at]))
      .sort((a, b) => Math.abs(b.drops[at]) - Math.abs(a.drops[at]))
      .slice(0, most)
      .map(({ index, drops }) => ({
        name: String(index),
        value: drops[at],
        title: `Without filter ${index} the logit of ${result.labels[at]} falls by ${words.value(drops[at], true)} on average`,
        onclick: () => this.session.pick(index),
      }));
  }

  /** By another ranking, as shares of its largest value: their units differ. */
  byRanking(result, most) {
    const { session } = this;
    const sorted = reading
      .byRanking(result.filters, session.ranking)
      .filter((each) => Number.isFinite(reading.ranked(each, session.ranking)));
    const largest = sorted.length ? reading.ranked(sorted[0], session.ranking) || 1 : 1;
    const name = reading.RANKINGS.find(([key]) => key === session.ranking)?.[1];
    return sorted.slice(0, most).map((each) => ({
      name: String(each.index),
      value: reading.ranked(each, session.ranking) / largest,
      title: `Filter ${each.index}: ${name} ${words.value(reading.ranked(each, session.ranking))}, as a share of the largest`,
      onclick: () => session.pick(each.index),
    }));
  }

  /** The choice of the ranking, and how far it agrees with the ablation. */
  rankings(result) {
    const { session, ranking } = this;
    ranking.value = session.ranking;
    const tau = session.ranking === "ablation" ? null : reading.tauWithAblation(result.agreement, session.ranking);
    const title = "Kendall's tau between this order and that of the ablation: 1 is the same order, 0 none in common";
    const agrees = tau === null ? null : el("span.ev-muted.ev-small", { title }, `τ with ablation ${words.value(tau, true, 2)}`);
    return el("div.ev-all-ranking", {}, ranking, agrees);
  }

  /** Which inputs the filters are studied over, where there is a choice. */
  offerInputs() {
    const { session } = this;
    const { sets } = session;
    const select = el(
      "select.ev-inside-select",
      {
        "aria-label": "Inputs that the filters are studied over",
        onchange: ({ currentTarget }) => session.studyOver(Number(currentTarget.value)),
      },
      ...[{ title: "the program's own inputs" }, ...sets].map(({ title }, number) => el("option", { value: String(number - 1) }, title)),
    );
    select.value = String(session.set);
    renew(this.over, el("div.ev-all-ranking", { hidden: !sets.length }, el("span.ev-muted.ev-small", {}, "Studied over"), select));
  }

  /** Large charts that can be hovered, zoomed and saved are the page's own drawer. */
  enlarge() {
    const { studied, subject, label } = this.session;
    tellDash("inside-study", { data: { id: studied?.job?.id, target: subject.target, label, at: Date.now() } });
  }

  download() {
    const { studied, layer, subject } = this.session;
    const result = studied?.result;
    if (!result) return;
    const labels = result.labels;
    const head = ["filter", "dead", "cluster", "twin", "twin_r", "importance", ...reading.RANKINGS.slice(1).map(([key]) => key)];
    head.push(
      ...labels.map((label) => `logit_drop ${label}`),
      ...labels.map((label) => `mean ${label}`),
      ...labels.map((label) => `auc ${label}`),
    );
    const rows = result.filters.map((each) => [
      each.index,
      each.dead,
      each.cluster,
      each.twin?.filter,
      each.twin?.r,
      each.importance,
      ...reading.RANKINGS.slice(1).map(([key]) => reading.ranked(each, key)),
      ...labels.map((_, n) => each.drops?.[n]),
      ...labels.map((_, n) => each.mean?.[n]),
      ...labels.map((_, n) => each.auc?.[n]),
    ]);
    const href = URL.createObjectURL(new Blob([reading.csv(head, rows)], { type: "text/csv" }));
    el("a", { href, download: `filters-${subject.model}-${layer.name}.csv`.replace(/[^\w.-]+/g, "-") }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10000);
  }
}

const deadWords = (dead) => (!dead?.length ? "none" : dead.length > 3 ? String(dead.length) : `${dead.length} (${reading.filters(dead)})`);
