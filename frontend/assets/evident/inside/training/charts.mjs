/* The plots over the epochs: which lines they show, on which scales. */
import { Plot, short } from "./plot.mjs";
import { depthName, figure, lines, MEASURES, percent, sentence, written } from "./reading.mjs";

export class Charts {
  /** @param {(row: number) => void} choose */
  constructor(choose) {
    const plot = () => new Plot(choose);
    this.plots = { depth: plot(), cka: plot(), dead: plot(), tau: plot(), learning: plot(), dimension: plot() };
    /** @type {any} */
    this.history = null;
    this.at = 0;
  }

  /** The recording with the row `at` chosen. */
  show(history, at) {
    [this.history, this.at] = [history, at];
    const common = { epochs: history.epochs.map((row) => row.epoch), at, undecided: history.epochs.map(() => false) };
    const layers = history.layers.length;
    const depths = history.epochs.map((row) => (row.one_answer ? null : row.decision_depth));
    const places =
      layers <= 7 ? Array.from({ length: layers + 1 }, (_, i) => -i) : [0, 1, 2, 3, 4].map((i) => -Math.round((i * layers) / 4));
    this.plots.depth.show({
      ...common,
      lines: [
        { name: "95 %", values: depths.map((depth) => (depth ? -depth.p95 : null)) },
        { name: "mean", values: depths.map((depth) => (depth ? -depth.mean : null)) },
      ],
      low: -layers,
      high: 0,
      undecided: history.epochs.map((row) => row.one_answer),
      places,
      tick: (value) => (-value >= layers ? "answer" : short(history.layers[-value].name)),
      value: (value) => (Number.isInteger(value) ? depthName(history, -value) : `layer ${figure(-value + 1, 1)} of ${layers}`),
      label: `Decision depth. ${sentence(history, at)}`,
    });
    this.line("cka", "cka_to_last", { ...common, low: 0, high: 1, digits: 2, tickDigits: 1 });
    const dead = lines(history, "dead");
    const most = Math.max(1, ...dead.flatMap(({ values }) => values.map((value) => value ?? 0)));
    this.line("dead", "dead", { ...common, low: 0, high: most, whole: true, digits: 0, tickDigits: 0 });
    this.line("tau", "kendall_tau", { ...common, low: lowest(lines(history, "kendall_tau")), high: 1, digits: 2, tickDigits: 1 });
    const dimensions = lines(history, "effective_dimension").flatMap(({ values }) => values.filter((value) => value !== null));
    this.line("dimension", "effective_dimension", { ...common, low: 0, high: Math.max(2, ...dimensions), digits: 1, tickDigits: 0 });
    const losses = history.epochs.map((row) => row.loss);
    const worst = Math.max(1e-9, ...losses.map((loss) => loss ?? 0));
    this.plots.learning.show({
      ...common,
      lines: [
        ...(history.epochs.some((row) => row.accuracy !== null)
          ? [{ name: "right", values: history.epochs.map((row) => row.accuracy) }]
          : []),
        ...(losses.some((loss) => loss !== null)
          ? [{ name: "loss", values: losses.map((loss) => (loss === null ? null : loss / Math.max(1, worst))) }]
          : []),
      ],
      low: 0,
      high: 1,
      tick: (value) => figure(value, 1),
      value: (value) => figure(value, 2),
      label: `Learning. Right answers ${percent(history.epochs[at]?.accuracy)}`,
    });
  }

  line(name, measure, { digits, tickDigits, ...rest }) {
    const { history, at } = this;
    const shown = lines(history, measure);
    const now = shown.map((line) => `${line.name} ${written(line.values[at], measure)}`).join(", ");
    this.plots[name].show({
      ...rest,
      lines: shown,
      tick: (value) => figure(value, Number.isInteger(value) && rest.high > 3 ? 0 : tickDigits),
      value: (value) => figure(value, digits),
      label: `${MEASURES[measure].name}, epoch ${history.epochs[at]?.epoch}: ${now}`,
    });
  }
}

const lowest = (shown) => Math.min(0, ...shown.flatMap(({ values }) => values.filter((value) => value !== null)));
