/* What the Inside page says and draws, as far as no document is needed. */
import assert from "node:assert/strict";
import { test } from "node:test";

const at = "../../../frontend/assets/evident/inside";
const reading = await import(`${at}/reading.mjs`);
const charts = await import(`${at}/charts.mjs`);
const kernels = await import(`${at}/kernels.mjs`);
const { insideQuery } = await import("../../../frontend/assets/evident/dash/address.mjs");
const { insideAddress } = await import("../../../frontend/assets/evident/panel/menu.mjs");

const classes = (wheeze) => [
  { index: 1, label: "wheeze", probability: wheeze, logit: 1 },
  { index: 0, label: "no wheeze", probability: 1 - wheeze, logit: 0 },
];
const layer = (name, wheeze, more = {}) => ({
  name,
  kind: "ReLU",
  shape: [4, 2, 2],
  readable: true,
  classes: classes(wheeze),
  top: wheeze > 0.5 ? 1 : 0,
  agreement: 0.96,
  majority: 0.6,
  r2: 0.8,
  trusted: true,
  features: [],
  ...more,
});
const head = layer("final", 0.96, { kind: "head", shape: [2] });
const labels = { 0: "no wheeze", 1: "wheeze" };
const result = (decided, ...layers) => ({ layers: [...layers, head], decided_from: decided, top: 1 });

test("the first sentence says where it is decided and what was said before", () => {
  const told = result("relu3", layer("relu1", 0.3), layer("relu2", 0.05), layer("relu3", 0.92));
  assert.deepEqual(reading.decision(told, labels), [
    "Decided from relu3 on.",
    "Up to relu2 the layer's own prediction was still \u201cno wheeze\u201d.",
  ]);
  assert.equal(reading.firstLayer(told), 2);
});

test("a decision of the head alone, and one that never settles, are said as such", () => {
  const unread = layer("relu1", 0.3, { classes: [], agreement: null, reason: "no lens" });
  assert.deepEqual(reading.decision({ layers: [unread], decided_from: null, top: 1 }, labels), ["", ""]);
  assert.equal(reading.reliability(unread).text, "not readable");
  assert.match(reading.decision(result("final", layer("relu1", 0.3)), labels)[0], /only at the end/);
  assert.match(reading.decision(result(null, layer("relu1", 0.3)), labels)[0], /only at the end/);
  assert.equal(reading.firstLayer(result("final", layer("relu1", 0.3))), 0, "the last layer that has a map");
  assert.equal(reading.firstLayer(result("relu2", layer("relu1", 0.3), layer("relu2", 0.9, { readable: false }))), 0);
});

test("a layer that cannot be read is no witness of what was said before", () => {
  const blind = layer("relu2", 0.1, { readable: false, classes: [], reason: "used twice" });
  const told = result("relu3", layer("relu1", 0.9), blind, layer("relu3", 0.92));
  assert.equal(reading.decision(told, labels)[1], "");
  assert.equal(reading.decision(result("relu3", blind, layer("relu3", 0.92)), labels)[1], "No layer before it can be read.");
});

test("filters that carry a class are those that support it, three at most", () => {
  const features = [
    { filter: 13, share: -0.85 },
    { filter: 6, share: 0.64 },
    { filter: 22, share: 0.54 },
    { filter: 40, share: 0.47 },
    { filter: 1, share: 0.37 },
  ];
  const numbers = reading.carriers(layer("relu3", 0.9, { features }));
  assert.deepEqual(numbers, [6, 22, 40]);
  const changed = reading.change({ before: classes(0.96), after: classes(0.42) }, 1);
  assert.equal(reading.carried(numbers, changed), "Filters 6, 22 and 40 carry it: without them 0.96 \u2192 0.42.");
  assert.equal(reading.carried([6], changed), "Filter 6 carries it: without it 0.96 \u2192 0.42.");
  assert.equal(reading.carried(numbers, reading.change(null, 1)), "", "nothing is said before it is known");
  assert.deepEqual(
    reading.ordered(features, "against").map(({ filter }) => filter),
    [13, 1, 40, 22, 6],
  );
  assert.equal(reading.ordered(features, "share")[0].filter, 13);
});

test("a score that does not move is told with its logit, and no filter is said to carry it", () => {
  const at = (logit) => [{ index: 1, label: "wheeze", probability: 0.9999, logit }];
  const changed = reading.change({ before: at(9.44), after: at(5.89) }, 1);
  assert.deepEqual([changed.scores, changed.logits], ["1.00 \u2192 1.00", "logit +9.4 \u2192 +5.9"]);
  const told = reading.carried([6, 22], changed);
  assert.equal(told, "Filters 6 and 22 add most, yet it stands without them: 1.00 \u2192 1.00, logit +9.4 \u2192 +5.9.");
  const little = reading.change({ before: classes(0.84), after: classes(0.81) }, 1);
  assert.equal(reading.carried([6], little), "Filter 6 adds most, yet it stands without it: 0.84 \u2192 0.81.");
  const turned = reading.change({ before: classes(0.52), after: classes(0.45), top_before: 1, top_after: 0 }, 1);
  assert.equal(reading.carried([6], turned), "Filter 6 carries it: without it 0.52 \u2192 0.45.");
  const faint = reading.change({ before: at(0.05), after: at(0.01), top_before: 1, top_after: 0 }, 1);
  assert.match(reading.carried([6], faint), /carries it: without it 1.00 .* logit/, "what looks alike is told with its logit");
  assert.equal(reading.change({ before: at(1), after: [] }, 1), null);
});

test("how far a layer can be trusted stands in words, with the reason where it cannot be read", () => {
  assert.equal(reading.reliability(layer("a", 0.9)).text, "closely: 96 % agree");
  assert.match(reading.reliability(layer("a", 0.9)).title, /commonest answer would agree in 60 %/);
  assert.deepEqual(reading.reliability(layer("a", 0.9, { agreement: 0.79, trusted: false })).text, "near guessing: 79 % agree");
  assert.equal(reading.reliability(layer("a", 0.9, { readable: false, reason: "used twice" })).text, "used twice");
  assert.equal(reading.reliability(layer("a", 0.9, { agreement: 0.23 })).state, "fair", "more than chance, still not much");
  const words = [0.95, 0.94, 0.8, 0.72, 0.49].map((agreement) => reading.reliability(layer("a", 0.9, { agreement })).text.split(":")[0]);
  assert.deepEqual(words, ["closely", "mostly", "mostly", "partly", "weakly"]);
  assert.match(reading.reliability(layer("a", 0.9)).title, /partly: 50/, "the thresholds are stated");
  const alike = layer("a", 0.9, { agreement: 0.99, majority: 0.97, r2: 0.2, trusted: false });
  assert.equal(
    reading.reliability(alike).text,
    "hard to read: R\u00b2 0.20",
    "where one answer is nearly always right agreement tells nothing",
  );
  const doubted = result("relu1", layer("relu1", 0.9, { agreement: 0.72 }));
  assert.match(reading.decision(doubted, labels)[0], /from relu1 on, as far as it can be read: it agrees with the model in 72/);
  assert.equal(reading.reliability(head).text, "the model itself");
  assert.equal(reading.reliability(layer("a", 0.9, { agreement: null })).state, "off");
});

test("filters are sorted by any ranking of the study, and how far it agrees with the ablation is told", () => {
  const filters = [
    { index: 0, importance: 0.1, conductance: 3, mean: [0.2, 0.9] },
    { index: 1, importance: null, conductance: 9, mean: [0.1, 0.4] },
    { index: 2, importance: 0.4, conductance: 1, mean: [0.3, 0.3] },
  ];
  const agreement = {
    names: ["ablation", "conductance"],
    matrix: [
      [1, -0.33],
      [-0.33, 1],
    ],
  };
  const order = (ranking) => reading.byRanking(filters, ranking).map(({ index }) => index);
  assert.deepEqual(
    [order("ablation"), order("conductance")],
    [
      [2, 0, 1],
      [1, 0, 2],
    ],
  );
  const features = [0, 1, 2].map((filter) => ({ filter, share: filter }));
  assert.deepEqual(
    reading.ordered(features, "conductance", { filters }).map(({ filter }) => filter),
    [1, 0, 2],
  );
  assert.equal(reading.tauWithAblation(agreement, "conductance"), -0.33);
  assert.equal(reading.tauWithAblation(agreement, "taylor"), null);
  assert.deepEqual(reading.means({ classes: [4, 7], labels: ["no", "yes"] }, filters[0], 7), { own: "0.90", other: "no 0.20" });
});

test("a made-up input says where it began and what kept it natural", () => {
  const made = { before: 0.1, after: 4, strongest: 3, source: "cough 7", from_source: false, steps: 256, regulariser: "shifts" };
  assert.match(reading.maximised(made).text, /^Made from noise: .* strongest real input/);
  assert.match(reading.maximised({ ...made, from_source: true }).text, /^Begun at cough 7/);
  assert.match(reading.maximised(made).title, /shifts/);
  assert.equal(reading.maximised(undefined), null);
});

test("a card shows the explained class and what stands against it", () => {
  const many = { classes: [...classes(0.2), { index: 7, label: "cat", probability: 0.5, logit: 0 }] };
  assert.deepEqual(
    reading.pair(many, 1).map(({ index }) => index),
    [1, 0],
  );
  assert.deepEqual(
    reading.pair(many, 7).map(({ index }) => index),
    [7, 0],
  );
  assert.deepEqual(reading.pair({ classes: [] }, 1), []);
});

test("the cards under the rail are those around the chosen layer", () => {
  assert.deepEqual(reading.span(2, 5, 5), [0, 5]);
  assert.deepEqual(reading.span(0, 17, 5), [0, 5]);
  assert.deepEqual(reading.span(8, 17, 5), [6, 5]);
  assert.deepEqual(reading.span(16, 17, 5), [12, 5]);
  assert.deepEqual(reading.span(0, 3, 9), [0, 3]);
});

test("a matrix is drawn in the order of its clusters, which are framed", () => {
  assert.deepEqual([...charts.reordered([1, 2, 3, 4, 5, 6, 7, 8, 9], 3, [2, 0, 1])], [9, 7, 8, 3, 1, 2, 6, 4, 5]);
  assert.deepEqual(charts.boxes([2, 0, 1, 3], [[0, 2], [1], [3]]), [{ from: 0, size: 2 }]);
});

test("a long name of a layer is cut between its parts, and keeps its end", () => {
  const names = ["relu3", "features.relu0", "features.denseblock1", "stages.3.blocks.2", "averyveryverylongname"];
  assert.deepEqual(names.map(reading.shortName), [
    "relu3",
    "features.relu0",
    "\u2026denseblock1",
    "\u20263.blocks.2",
    "averyveryverylongname",
  ]);
});

test("a curve goes from the top left to the bottom right of its box", () => {
  assert.equal(charts.path([0, 4], [1, 0.5], { width: 100, height: 50, low: 0.5, high: 1, most: 4 }), "M0.0 0.0L100.0 50.0");
});

test("kernels are blue below zero, red above, on one scale around it", () => {
  const [low, zero, high] = [0, 1, 2].map((i) => [...kernels.signedPixels([-1, 0, 1], 1).slice(4 * i, 4 * i + 3)]);
  assert.ok(low[2] > low[0] && high[0] > high[2]);
  assert.ok(Math.abs(zero[0] - zero[2]) < 12, "grey in the middle");
  assert.deepEqual([...kernels.meanKernel([1, 2, 3, 4], 2, 2)], [2, 3]);
  assert.deepEqual([...kernels.pixels([7, 9], 1)], [7, 7, 7, 255, 9, 9, 9, 255]);
  assert.deepEqual(
    [...kernels.flipped(kernels.pixels([7, 9], 1), 2, 1)].filter((_, i) => i % 4 === 0),
    [9, 7],
  );
});

test("numbers leave the page as CSV", () => {
  assert.equal(
    reading.csv(
      ["a", "b"],
      [
        [1, 'x, "y"'],
        [null, 2],
      ],
    ),
    'a,b\n1,"x, ""y"""\n,2\n',
  );
});

test("the address holds what is shown, with layer and filter of its own model only", () => {
  const shown = { model: "m", input: "i", class: "2", drawn: "2" };
  assert.equal(insideQuery(shown, { model: "m", layer: "relu3", filter: 6 }), "model=m&input=i&class=2&layer=relu3&filter=6");
  assert.equal(insideQuery(shown, { model: "other", layer: "relu3", filter: 6 }), "model=m&input=i&class=2");
  assert.equal(
    insideQuery({ ...shown, layer: "relu1" }, { model: "m", layer: "relu3", filter: null }),
    "model=m&input=i&class=2&layer=relu3",
  );
});

test("a panel of Compare leads to the same input, model and class", () => {
  assert.equal(
    insideAddress({ input: "i", model: "m", target: 0, layer: "relu4", start: null }),
    "/inside?model=m&input=i&class=0&layer=relu4",
  );
  assert.equal(insideAddress(null), null);
});
