/* The score without each of the random regions as a dot, and the two scores that count as marks below the line. */
import { svg } from "../core/svg.mjs";

const [WIDTH, DOT, BINS, HIGHEST] = [196, 5, 36, 54];

/** Ends of the line: all scores with a little room, 0.02 at least. Pure. @returns {[number, number]} */
export function span(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.01, 0.06 * (high - low));
  return [low - room, high + room];
}

/** Dots in columns of equal width, on top of each other where they meet: [{at: 0..1, level: 0, 1, ...}]. Pure. */
export function stacked(values, [low, high], bins = BINS) {
  const heights = new Map();
  return values.map((value) => {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * bins)));
    const level = heights.get(bin) ?? 0;
    heights.set(bin, level + 1);
    return { at: (bin + 0.5) / bins, level };
  });
}

/** What is drawn: probabilities, or log odds where the probability is so near 0 or 1 that it hides the change. Pure. */
export function scores({ before, after, randoms, odds_before, odds_after, odds_randoms }) {
  const hidden = Math.min(before, 1 - before) < 0.01 && Math.abs(after - before) < 0.05;
  return hidden
    ? { odds: true, before: odds_before, after: odds_after, randoms: odds_randoms, digits: 1 }
    : { odds: false, before, after, randoms, digits: 2 };
}

/** @param {any} result as the API tells it */
export function dotPlot(result) {
  const { odds, before, after, randoms, digits } = scores(result);
  const { mode } = result;
  const ends = span([before, after, ...randoms]);
  const dots = stacked(randoms, ends);
  const levels = Math.max(1, ...dots.map(({ level }) => level + 1));
  const step = Math.min(DOT + 1, HIGHEST / levels);
  const base = (levels - 1) * step + DOT + 4;
  const x = (value) => ((value - ends[0]) / (ends[1] - ends[0])) * WIDTH;
  const near = Math.abs(x(before) - x(after)) < 84;
  const text = (value) => value.toFixed(digits);
  const done = { erase: "erased", keep: "kept", replace: "replaced" }[mode] ?? mode;
  const marks = [
    mark(x(after), base, base + 20, `${text(after)} ${done}`, "ev-whatif-after"),
    mark(x(before), base, base + (near ? 34 : 20), `${text(before)} as is`, "ev-whatif-before"),
  ];
  const said = `${randoms.length} random regions: ${odds ? "log odds" : "scores"} ${text(Math.min(...randoms))} to ${text(Math.max(...randoms))}; as it is ${text(before)}, this region ${done} ${text(after)}`;
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${base + 40}`, class: "ev-whatif-dots", role: "img", "aria-label": said },
    ...dots.map(({ at, level }) => svg("circle", { cx: at * WIDTH, cy: base - 4 - level * step, r: DOT / 2 })),
    svg("line", { x1: 0, x2: WIDTH, y1: base, y2: base }),
    ...marks,
  );
}

function mark(x, base, line, text, kind) {
  const anchor = x < 36 ? "start" : x > WIDTH - 36 ? "end" : "middle";
  const label = svg("text", { x: Math.min(WIDTH, Math.max(0, x)), y: line, "text-anchor": anchor });
  label.textContent = text;
  return svg("g", { class: kind }, svg("path", { d: `M${x} ${base + 2}l4 7h-8z` }), label);
}
