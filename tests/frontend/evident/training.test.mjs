// What a recording says, and how its plots lay themselves out: numbers and words only.
import assert from "node:assert/strict";
import test from "node:test";
import { painted, peak } from "../../../frontend/assets/evident/inside/training/kernels.mjs";
import { pieces, runs, short, stepped } from "../../../frontend/assets/evident/inside/training/plot.mjs";
import * as reading from "../../../frontend/assets/evident/inside/training/reading.mjs";

const layer = (name, more = {}) => ({
  name,
  agreement: 0.9,
  settled: 0.9,
  trusted: true,
  r2: 0.5,
  redundancy: 0.3,
  effective_dimension: 4,
  cka_to_last: 0.5,
  dead: [],
  kendall_tau: 0.1,
  ...more,
});
const row = (epoch, p95, more = {}) => ({
  epoch,
  accuracy: 0.5,
  loss: 0.7,
  one_answer: false,
  note: null,
  decision_depth: p95 === null ? null : { mean: p95, p95 },
  layers: [layer("a"), layer("b", { dead: [1, 4] })],
  ...more,
});
const history = (...epochs) => ({ layers: [{ name: "a" }, { name: "b" }], epochs });

test("the sentence says where answers settle now and later", () => {
  const whole = history(row(0, 0, { one_answer: true }), row(1, 2), row(2, 1), row(3, 1), row(4, 0));
  assert.match(reading.sentence(whole, 0), /nothing is decided yet/);
  assert.equal(reading.sentence(whole, 1), "At epoch 1 the answers settle at the answer itself; from epoch 2 on mostly at b.");
  assert.equal(reading.sentence(whole, 2), "At epoch 2 the answers settle at b, and mostly stay there.");
  assert.equal(reading.sentence(whole, 4), "At epoch 4, the last, the answers settle at a.");
  assert.equal(reading.sentence(history(), 0), "Nothing is recorded yet.");
  assert.equal(reading.sentence(history(row(0, null, { note: "Not finite." })), 0), "Not finite.");
  assert.match(reading.sentence(history(row(0, null)), 0), /could not be fitted/);
});

test("the scale leaves out epochs of one answer, and is never empty", () => {
  const whole = history(row(0, 0, { one_answer: true, layers: [layer("a", { agreement: 0.1 }), layer("b")] }), row(1, 1));
  assert.deepEqual(reading.scaleOf(whole, "agreement"), [0.9, 1]);
  assert.deepEqual(reading.scaleOf(whole, "kendall_tau"), [-1, 1]);
  assert.deepEqual(reading.scaleOf(whole, "dead"), [0, 2]);
  const [low, high] = reading.scaleOf(history(row(0, 0, { layers: [layer("a", { agreement: null })] })), "agreement");
  assert.ok(high > low);
});

test("numbers are written as they are read", () => {
  assert.equal(reading.written(0.973, "agreement"), "97");
  assert.equal(reading.written(-0.25, "kendall_tau"), "\u22120.25");
  assert.equal(reading.written(-0.001, "kendall_tau"), "0.00");
  assert.equal(reading.written(null, "r2"), "–");
  assert.equal(reading.percent(0.997), "99.7 %");
  assert.equal(reading.percent(1), "100 %");
  assert.equal(reading.percent(null), "–");
});

test("what could not be measured is no zero", () => {
  const bad = row(1, null, { note: "Not finite.", layers: [layer("a", { redundancy: null, cka_to_last: null, agreement: null })] });
  assert.equal(reading.numberOf(bad, "a", "dead"), null);
  assert.equal(reading.numberOf(bad, "z", "agreement"), null);
  assert.equal(reading.numberOf(row(1, 1), "b", "dead"), 2);
});

test("the recording that is opened is the one asked for, a live one, the model's, or the first", () => {
  const one = (key, model, more = {}) => ({ key, model, epochs: 3, readable: true, live: false, ...more });
  const all = [one("broken", "", { readable: false, epochs: 0 }), one("a", "m"), one("b", "n")];
  assert.equal(reading.firstOf(all, "b", "m"), "b");
  assert.equal(reading.firstOf(all, "gone", "n"), "b");
  assert.equal(reading.firstOf(all, "", "other"), "a");
  assert.equal(reading.firstOf(all, "", undefined), "a");
  assert.equal(reading.firstOf([...all, one("c", "", { live: true })], "", "n"), "c");
  assert.equal(reading.firstOf([all[0]], "", ""), "broken");
  assert.equal(reading.firstOf([], "", ""), undefined);
});

test("without a lens the rest is shown", () => {
  const blind = { agreement: null, settled: null, trusted: null, r2: null };
  const note = "This network has no final linear layer.";
  const whole = history(row(0, null, { note, layers: [layer("a", { ...blind, dead: [3] }), layer("b", blind)] }));
  assert.equal(reading.firstMeasure(whole), "cka_to_last");
  assert.equal(reading.firstMeasure(history(row(0, 0))), "agreement");
  assert.equal(reading.firstMeasure(history()), "agreement");
  assert.equal(reading.sentence(whole, 0), note);
  assert.deepEqual(
    reading.compared(whole, 0).find(([name]) => name === "Dead filters"),
    ["Dead filters", "1", "1"],
  );
});

test("a cell is told in words", () => {
  const whole = history(row(3, 1, { layers: [layer("a", { trusted: false }), layer("b", { dead: [1, 2, 3, 4, 5, 6, 7] })] }));
  assert.match(reading.cellWords(whole, 0, "a"), /^a, epoch 3 · .*no better than naming the most frequent class.* · no dead filter$/);
  assert.match(reading.cellWords(whole, 0, "b"), /7 dead \(1, 2, 3, 4, 5, 6, …\)$/);
  assert.equal(reading.cellWords(whole, 0, "z"), "");
});

test("the card compares with the last epoch", () => {
  const rows = reading.compared(history(row(0, 0, { one_answer: true, loss: null }), row(1, 1, { accuracy: 1 })), 0);
  assert.deepEqual(rows[0], ["Right answers", "50 %", "100 %"]);
  assert.deepEqual(rows[1], ["Loss", "–", "0.700"]);
  assert.deepEqual(rows[2], ["Settled at", "not yet", "b"]);
  assert.deepEqual(
    rows.find(([name]) => name === "Dead filters"),
    ["Dead filters", "2", "2"],
  );
  const silent = reading.compared(history(row(0, 0, { accuracy: null, loss: null })), 0);
  assert.equal(silent[0][0], "Settled at");
});

test("many layers and epochs are thinned evenly, ends kept", () => {
  const names = Array.from({ length: 17 }, (_, i) => ({ name: `l${i}` }));
  const shown = reading.lineLayers({ layers: names });
  assert.equal(shown.length, 8);
  assert.deepEqual([shown[0], shown[7]], ["l0", "l16"]);
  assert.deepEqual(reading.columns(3, 10), [0, 1, 2]);
  const columns = reading.columns(1000, 100);
  assert.deepEqual([columns[0], columns.at(-1), columns.length], [0, 999, 100]);
});

test("axes have round steps, labels do not overlap", () => {
  assert.deepEqual(
    reading.ticks(0, 1).map((value) => Number(value.toFixed(6))),
    [0, 0.2, 0.4, 0.6, 0.8, 1],
  );
  assert.deepEqual(reading.ticks(0, 5), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(reading.ticks(3, 3), [3]);
  const places = reading.spread([50, 50, 10, 99], 14, 100);
  const sorted = [...places].sort((a, b) => a - b);
  for (let i = 1; i < sorted.length; i += 1) assert.ok(sorted[i] - sorted[i - 1] >= 14 - 1e-9);
  assert.ok(sorted.at(-1) <= 100);
  assert.equal(places[2], 10);
});

test("lines break where nothing was measured; keys lead from epoch to epoch", () => {
  assert.deepEqual(runs([true, true, false, true]), [
    [0, 1],
    [3, 3],
  ]);
  assert.deepEqual(pieces([1, null, 2, 3]), [[0], [2, 3]]);
  assert.equal(stepped("ArrowRight", 3, 4), 3);
  assert.equal(stepped("Home", 3, 4), 0);
  assert.equal(stepped("x", 3, 4), null);
  assert.equal(stepped("End", 0, 0), null);
  assert.equal(short("backbone.layer1.0"), "layer1.0");
  assert.equal(short("a_very_long_name"), "…ong_name");
});

test("kernels: zero is the middle, frequency goes up", () => {
  assert.equal(peak(new Float32Array([0.5, -2])), 2);
  const up = painted(new Float32Array([1, -1]), [1, 2, 1], 1, true);
  const down = painted(new Float32Array([1, -1]), [1, 2, 1], 1, false);
  assert.deepEqual([...up.slice(0, 4)], [...down.slice(4, 8)]);
  assert.ok(down[0] > down[2] && down[6] > down[4], "positive is red, negative blue");
  const grey = painted(new Float32Array([0, 0, 0]), [3, 1, 1], 1, false);
  assert.deepEqual([...grey], [128, 128, 128, 255]);
  assert.deepEqual([...painted(new Float32Array([0]), [1, 1, 1], 0, false)].at(-1), 255);
});
