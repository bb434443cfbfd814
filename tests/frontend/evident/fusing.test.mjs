/* What the fusion bench offers, asks for and compares. */
import assert from "node:assert/strict";
import { test } from "node:test";

const fusing = await import("../../../frontend/assets/evident/measure/fusing.mjs");

const SCHEMA = {
  properties: {
    tau: { type: "number", minimum: 0, maximum: 0.6, default: 0.2, title: "Noise threshold", description: "Taken off." },
    sigma: { type: "number", minimum: 0, maximum: 4, default: 1.1, title: "Blur" },
    rules: { $ref: "#/$defs/Rules", default: "plus", title: "Rules" },
    abs: { type: "boolean", default: false, title: "Size only" },
    steps: { type: "integer", minimum: 1, maximum: 9, default: 3 },
    free: { type: "number", default: 1 },
  },
  $defs: { Rules: { enum: ["plus", "gamma_plus"], type: "string" } },
};
const CONTROLS = fusing.controlsOf(SCHEMA);

test("controls have the bounds, titles, options and defaults of the schema", () => {
  const [tau, sigma, rules, abs, steps] = CONTROLS;
  const about = { name: "tau", title: "Noise threshold", note: "Taken off.", value: 0.2 };
  assert.deepEqual(tau, { ...about, kind: "slider", low: 0, high: 0.6, step: 0.01 });
  assert.equal(sigma.step, 0.1);
  assert.deepEqual(rules.options, [
    { key: "plus", title: "Plus" },
    { key: "gamma_plus", title: "Gamma plus" },
  ]);
  assert.equal(abs.kind, "box");
  assert.deepEqual([steps.title, steps.step], ["Steps", 1]);
  assert.equal(CONTROLS.length, 5, "what has no bounds has no slider");
});

test("a default can be reached with its slider", () => {
  for (const { value, low, step, kind } of CONTROLS) {
    if (kind !== "slider") continue;
    const steps = (value - low) / step;
    assert.ok(Math.abs(steps - Math.round(steps)) < 1e-9, String(value));
  }
});

test("the model's own defaults go before those of the schema", () => {
  const [tau] = fusing.controlsOf(SCHEMA, { tau: 0.3 });
  assert.equal(tau.value, 0.3);
  assert.deepEqual(fusing.changed([tau], { tau: 0.3 }), {});
  assert.deepEqual(fusing.changed([tau], { tau: 0.2 }), { tau: 0.2 });
});

test("only what differs from the default is asked for, whatever the order of turning", () => {
  const one = fusing.changed(CONTROLS, { abs: true, tau: 0.4, sigma: 1.1 });
  assert.equal(JSON.stringify(one), '{"tau":0.4,"abs":true}');
});

test("a setting survives the address; what is out of bounds or no control is left out", () => {
  const values = { tau: 0.35, sigma: 0, rules: "gamma_plus", abs: true };
  assert.deepEqual(fusing.fromText(fusing.toText(values), CONTROLS), values);
  assert.equal(fusing.toText({}), "default");
  for (const text of ["default", "", null, "tau:0.7", "tau:x", "tau:", "rules:none", "abs:1", "other:1", "free:2", ":::", "tau"])
    assert.deepEqual(fusing.fromText(text, CONTROLS), {}, String(text));
});

test("parents are the stages that are methods of their own", () => {
  const methods = [{ key: "lrp" }, { key: "lime" }, { key: "cam" }, { key: "both", family: "fusion" }];
  const keys = fusing.parentsOf([{ name: "cam" }, { name: "denoised" }, { name: "both" }, { name: "lrp" }], methods).map(({ key }) => key);
  assert.deepEqual(keys, ["lrp", "cam"]);
  assert.equal(
    fusing.fusionOf([
      { key: "a", family: "cam" },
      { key: "b", family: "fusion" },
    ])?.key,
    "b",
  );
});

test("areas are those of the integral, also over uneven shares", () => {
  assert.equal(fusing.areaUnder([0, 1], [1, 0]), 0.5);
  assert.equal(fusing.areaUnder([0, 0.2, 1], [0.7, 0.7, 0.7])?.toFixed(12), "0.700000000000");
  const x = Array.from({ length: 400 }, (_, i) => (i / 399) ** 2);
  const area = fusing.areaUnder(
    x,
    x.map((share) => share ** 3),
  );
  assert.ok(Math.abs(Number(area) - 0.25) < 1e-4);
  for (const [xs, ys] of [
    [[0], [1]],
    [[0, 1], [1]],
    [undefined, []],
  ])
    assert.equal(fusing.areaUnder(xs, ys), null);
});

test("numbers are the areas and the figures; columns are those that any map has", () => {
  const checks = {
    curves: { x: [0, 1], deletion: [1, 0], insertion: [0, 0.5] },
    figures: [{ key: "g", title: "Gini of it", value: 0.4 }],
  };
  assert.deepEqual(
    [...fusing.numbersOf(checks)],
    [
      ["deletion", 0.5],
      ["insertion", 0.25],
      ["g", 0.4],
    ],
  );
  assert.deepEqual([...fusing.numbersOf(null).values()], [null, null]);
  const columns = fusing.columnsOf([null, checks], [{ key: "g", title: "Gini", better: "lower", summary: "s" }]);
  assert.deepEqual(
    columns.map(({ key, better }) => `${key} ${better}`),
    ["deletion lower", "insertion higher", "g lower"],
  );
});

test("a change is better or worse by the direction of its column, and nothing where it cannot be seen", () => {
  assert.equal(fusing.against(0.4, 0.5, "lower")?.state, "better");
  assert.equal(fusing.against(0.4, 0.5, "higher")?.state, "worse");
  assert.equal(fusing.against(0.5, 0.50001, "higher")?.state, "same");
  assert.equal(fusing.against(3000, 3000.4, "higher", fusing.scaleOf([3000, null]))?.state, "same");
  assert.deepEqual(fusing.against(0.9451, 0.9449, "higher"), { diff: 0.95 - 0.94, state: "better" }, "as it is written");
  assert.equal(fusing.against(null, 0.5, "higher"), null);
});

test("where a known region is ranked, rows say what maps that look at nothing get", () => {
  const checks = {
    figures: [
      { key: "sparseness", title: "Sparseness", value: 0.4, controls: {} },
      { key: "pointing_game", title: "Pointing game", value: 1, controls: { centre_blob: 0.5, uniform: 0.1 } },
    ],
  };
  const rows = fusing.controlRows(checks);
  assert.deepEqual(
    rows.map(({ title, checks: own }) => [title, fusing.numbersOf(own).get("pointing_game"), fusing.numbersOf(own).get("sparseness")]),
    [
      ["Centre blob", 0.5, undefined],
      ["Uniform", 0.1, undefined],
    ],
  );
  assert.deepEqual(fusing.controlRows({ figures: [{ key: "sparseness", value: 0.4 }] }), [], "no region is known");
  assert.deepEqual(fusing.controlRows(null), []);
});
