/* What the Measure page says and draws of a study, as far as no document is needed. */
import assert from "node:assert/strict";
import { test } from "node:test";

const at = "../../../frontend/assets/evident/measure";
const reading = await import(`${at}/reading.mjs`);
const choosing = await import(`${at}/choice.mjs`);

const labels = await import(`${at}/labels.mjs`);

const metric = (key, family, better = "higher", more = {}) => ({ key, title: key, short: key, family, better, low: 0, high: 1, ...more });
const cell = (method, key, mean, more = {}) => ({ method, metric: key, mean, low: null, high: null, n: 3, expected: 3, ...more });
const row = (method, control = false) => ({ method, title: method, control });

test("the scale of a column has round ends around every interval and never leaves what the metric can be", () => {
  const scale = (low, high, more = {}) => reading.scaleOf({ low: 0, high: 1, ...more }, [{ mean: (low + high) / 2, low, high }]);
  assert.deepEqual(scale(0.81, 0.97), { low: 0.8, high: 1 });
  assert.deepEqual(scale(0.02, 0.37), { low: 0, high: 0.4 });
  assert.deepEqual(scale(-0.2, 0.3, { low: -1 }), { low: -0.2, high: 0.4 });
  assert.deepEqual(scale(1210, 1390, { high: null }), { low: 1200, high: 1400 });
  assert.equal(reading.scaleOf({ low: 0, high: 1 }, [{ mean: null }]), null);
  for (let k = 0; k < 300; k += 1) {
    const [a, b] = [Math.random() ** 3, Math.random()].sort((x, y) => x - y);
    const { low, high } = scale(a, b);
    assert.ok(low <= a && b <= high && low >= 0 && high <= 1, `${a} ${b} in ${low} ${high}`);
  }
});

test("a column of one value still has a scale with room", () => {
  for (const value of [0, 1, -3, 0.5, 1e6, 1e-9]) {
    const scale = reading.scaleOf({ low: null, high: null }, [{ mean: value }]);
    assert.ok(scale.high > scale.low && scale.low <= value && value <= scale.high, JSON.stringify(scale));
  }
});

test("own inputs go with their names and classes, another class is another question, a set has neither", () => {
  const told = { inputs: ["a", "b"], names: { a: "cat.png", gone: "x" }, labels: { b: "dog", gone: "cat" } };
  const choice = { ...choosing.fromQuery({ model: "m", methods: "lrp", metrics: "sparseness" }), ...told };
  const request = choosing.requestOf(choice);
  assert.deepEqual([request.names, request.labels], [{ a: "cat.png" }, { b: "dog" }]);
  const opened = choosing.ofStudy(choosing.fromQuery({}), { id: "1", request });
  assert.deepEqual([opened.names, opened.labels], [request.names, request.labels]);
  assert.equal(choosing.differs(choice, request), false);
  assert.equal(choosing.differs({ ...choice, labels: {} }, request), true);
  assert.equal(choosing.differs({ ...choice, names: {} }, request), false);
  assert.equal("labels" in choosing.requestOf({ ...choice, set: "shapes" }), false);
  assert.deepEqual(
    ["DOG ", "do", "", "Cat"].map((text) => choosing.classNamed(text, ["cat", "dog"])),
    ["dog", "", "", "cat"],
  );
});

test("a scale is never shorter than a tenth of what can be", () => {
  const span = (value) => {
    const { low, high } = reading.scaleOf({ low: 0, high: 1 }, [{ mean: value }]);
    return high - low;
  };
  for (const value of [0, 0.03, 0.5, 0.999, 1]) assert.ok(span(value) >= 0.0999, `${value}: ${span(value)}`);
  assert.equal(reading.figure(1, reading.scaleOf({ low: 0, high: 1 }, [{ mean: 1 }])), "1.00");
});

test("numbers have the decimals that tell them apart on their scale", () => {
  assert.equal(reading.figure(0.9432, { low: 0, high: 1 }), "0.94");
  assert.equal(reading.figure(0.00213, { low: 0, high: 0.01 }), "0.002");
  assert.equal(reading.figure(-1234.4, { low: -2000, high: 0 }), "\u22121234");
  assert.equal(reading.figure(2.3e6, { low: 0, high: 3e6 }), "2.3e6");
  assert.equal(reading.figure(null, null), "n/a");
  assert.equal(reading.figure(-0.001, { low: 0, high: 1 }), "0.00", "no minus before nothing");
});

test("sorting puts the best of the column first, missing ones last, controls below the methods", () => {
  const rows = [row("a"), row("b"), row("c"), row("centre_blob", true), row("uniform", true)];
  const table = [cell("a", "m", 0.2), cell("b", "m", 0.9), cell("c", "m", null), cell("centre_blob", "m", 1), cell("uniform", "m", 0)];
  const order = (better, worst = false) =>
    reading.sortedRows(rows, reading.cellsOf(table), metric("m", "f", better), worst).map(({ method }) => method);
  assert.deepEqual(order("higher"), ["b", "a", "c", "centre_blob", "uniform"]);
  assert.deepEqual(order("lower"), ["a", "b", "c", "centre_blob", "uniform"]);
  assert.deepEqual(order("higher", true), ["a", "b", "c", "centre_blob", "uniform"]);
  assert.deepEqual(
    reading.sortedRows(rows, reading.cellsOf(table), null).map(({ method }) => method),
    ["a", "b", "c", "centre_blob", "uniform"],
  );
});

test("families keep their first place and gather their metrics", () => {
  const metrics = [metric("a", "robustness"), metric("b", "axiomatic"), metric("c", "robustness")];
  assert.deepEqual(
    reading.familiesOf(metrics).map(({ title, metrics: own }) => [title, own.map(({ key }) => key)]),
    [
      ["Robustness", ["a", "c"]],
      ["Axiomatic", ["b"]],
    ],
  );
});

test("a column says on how many inputs it rests, and that more are on their way", () => {
  assert.equal(reading.countOf([cell("a", "m", 1), cell("b", "m", 1, { n: 2, expected: 3 })]).text, "n 3");
  const partial = reading.countOf([cell("a", "m", 1, { n: 29, expected: 81 }), cell("b", "m", null, { n: 0, expected: 81 })]);
  assert.deepEqual([partial.text, partial.partial], ["n 29 / 81", true]);
});

test("rank lines leave controls out and gaps open, in the order of the first rank", () => {
  const families = [
    {
      family: "x",
      ranks: [
        { method: "b", rank: 1, complete: true },
        { method: "a", rank: 2, complete: false },
      ],
    },
    { family: "none", ranks: [] },
    { family: "y", ranks: [{ method: "a", rank: 1, complete: true }] },
  ];
  const { columns, lines } = reading.rankLines(families, [row("a"), row("b"), row("z"), row("uniform", true)]);
  assert.deepEqual(columns, ["x", "y"]);
  assert.deepEqual(
    lines.map(({ method }) => method),
    ["b", "a"],
  );
  assert.deepEqual(lines[1].points, [
    { column: 0, rank: 2, complete: false },
    { column: 1, rank: 1, complete: true },
  ]);
});

test("on the profile outside is better in either direction, and a family without numbers has none", () => {
  const metrics = [metric("up", "f"), metric("down", "f", "lower"), metric("none", "g")];
  const cells = reading.cellsOf([cell("a", "up", 1), cell("a", "down", 0), cell("b", "up", 0), cell("b", "down", 1)]);
  const scales = new Map([
    ["up", { low: 0, high: 1 }],
    ["down", { low: 0, high: 1 }],
    ["none", null],
  ]);
  assert.deepEqual(reading.profileOf("a", metrics, cells, scales), [
    { family: "f", value: 1 },
    { family: "g", value: null },
  ]);
  assert.equal(reading.profileOf("b", metrics, cells, scales)[0].value, 0);
});

test("best and worst are different inputs, also of few", () => {
  const cells = [3, 1, 2].map((value, input) => ({ input, value }));
  const ordered = reading.bestFirst([...cells, { input: 9, value: null }], "lower");
  assert.deepEqual(
    ordered.map(({ value }) => value),
    [1, 2, 3],
  );
  for (let n = 0; n < 8; n += 1) {
    const { best, worst } = reading.extremes(
      Array.from({ length: n }, (_, i) => i),
      2,
    );
    const shown = [...best, ...worst];
    assert.equal(new Set(shown).size, Math.min(n, 4));
    if (n > 1) assert.deepEqual([shown[0], shown.at(-1)], [0, n - 1]);
  }
});

test("parts of the sentence lead to a cell: a metric to its best, a method to what is open", () => {
  const result = { metrics: [metric("m", "f"), metric("o", "f")], table: [cell("a", "m", 0), cell("b", "m", 1, { best: true })] };
  const target = (part, open = null) => reading.targetOf(part, result, open);
  assert.equal(target({ text: "x", method: "a", metric: "o" }), "a:o");
  assert.equal(target({ text: "x", metric: "m" }), "b:m");
  assert.equal(target({ text: "x", method: "b" }), "b:m");
  assert.equal(target({ text: "x", method: "b" }, "a:o"), "b:o");
  assert.equal(target({ text: "x", method: null, metric: null }, "a:o"), null);
  assert.equal(target({ text: "x", metric: "gone" }), null);
});

test("the mean curve is that of the curves of one length", () => {
  const mean = reading.meanCurve([{ x: [0, 1], y: [1, 0] }, { x: [0, 1], y: [0, 1] }, null, { x: [0, 0.5, 1], y: [9, 9, 9] }]);
  assert.deepEqual(mean, { x: [0, 1], y: [0.5, 0.5], n: 2 });
  assert.equal(reading.meanCurve([null, undefined]), null);
  const gaps = reading.meanCurve([
    { x: [0, 1], y: [1, null] },
    { x: [0, 1], y: [0, 1] },
  ]);
  assert.deepEqual(gaps.y, [0.5, 1], "a point that one curve lacks is the mean of the others");
});

test("dots of a bin stand on top of each other and all are there", () => {
  const dots = reading.dotsOf(
    [0.1, 0.11, 0.9, 1].map((value, input) => ({ input, value })),
    { low: 0, high: 1 },
    10,
  );
  assert.deepEqual(
    dots.map(({ level }) => level),
    [0, 1, 0, 1],
  );
  assert.ok(dots.every(({ place }) => place > 0 && place < 1));
});

test("against the centre blob: a difference whose interval holds 0 is none", () => {
  const scale = { low: 0, high: 1 };
  assert.match(
    reading.againstBlob({ diff: 0.04, low: 0.01, high: 0.07 }, scale),
    /^better than the centre blob by 0\.04 \(0\.01 to 0\.07\)/,
  );
  assert.match(reading.againstBlob({ diff: -0.04, low: -0.07, high: -0.01 }, scale), /^worse than the centre blob by 0\.04/);
  assert.match(reading.againstBlob({ diff: 0.04, low: -0.01, high: 0.07 }, scale), /not told apart/);
  const few = reading.againstBlob({ diff: 0.41, low: null, high: null }, scale);
  assert.equal(few, "too few inputs to tell it from the centre blob (+0.41)");
  assert.equal(reading.againstBlob(null, scale), "");
});

test("what could not be judged has not failed", () => {
  assert.equal(reading.verdictWord({ passed: true, judged: true }).word, "passed");
  assert.equal(reading.verdictWord({ passed: false, judged: true }).word, "not passed");
  assert.equal(reading.verdictWord({ passed: false, judged: false }).word, "not judged");
});

test("what a cell says aloud names its doubts", () => {
  const said = reading.spokenCell(row("A"), metric("m", "f"), cell("A", "m", 0.5, { low: 0.4, high: 0.6, flips: true, best: true }), {
    low: 0,
    high: 1,
  });
  assert.equal(said, "A, m: 0.50, interval 0.40 to 0.60, 3 inputs, best of the column, its rank changes with another baseline");
  assert.match(reading.spokenCell(row("A"), metric("m", "f"), cell("A", "m", null, { note: "flat map" }), null), /no number\. flat map/);
});

test("the address holds the whole choice and gives it back", () => {
  const choice = {
    model: "shapes",
    set: "drawings",
    count: 12,
    inputs: [],
    names: {},
    labels: {},
    methods: ["a", "b"],
    metrics: ["m"],
    settings: { m: { draws: 5 } },
    target: "label",
    seed: 7,
    study: "e1",
    cell: "a:m",
    sort: "m",
    bench: "tau:0.3",
    subject: "i9",
  };
  assert.deepEqual(choosing.fromQuery(choosing.toQuery(choice)), choice);
  const own = { ...choice, set: null, count: null, inputs: ["i1", "i2"], seed: 0, study: null, cell: null, sort: null };
  assert.deepEqual(choosing.fromQuery(choosing.toQuery(own)), own);
  const odd = choosing.fromQuery({ seed: "-1", count: "1e9", set: "s", methods: ",a,,a", settings: '{"m":5,"n":{"x":1}}', target: "9x" });
  assert.deepEqual([odd.seed, odd.count, odd.methods, odd.settings, odd.target], [0, null, ["a"], { n: { x: 1 } }, "predicted"]);
  assert.equal(choosing.fromQuery({ target: "12" }).target, 12);
});

test("a request asks for a set or for inputs, never both", () => {
  const choice = choosing.fromQuery({ model: "m", set: "s", count: "5", inputs: "i1", methods: "a", metrics: "b" });
  const asked = { model: "m", set: "s", count: 5, methods: ["a"], metrics: ["b"], metric_params: {}, target: "predicted", seed: 0 };
  assert.deepEqual(choosing.requestOf(choice), asked);
  assert.deepEqual(choosing.requestOf({ ...choice, set: null }).inputs, ["i1"]);
});

test("a study answers the choice until something of it changes", () => {
  const request = { model: "m", set: "s", methods: ["a", "b"], metrics: ["x"] };
  const choice = choosing.ofStudy(choosing.fromQuery({}), { id: "e1", request });
  assert.equal(choosing.differs({ ...choice, methods: ["b", "a"] }, request), false);
  for (const other of [
    { model: "n" },
    { set: "t" },
    { count: 3 },
    { methods: ["a"] },
    { metrics: ["y"] },
    { seed: 2 },
    { target: "label" },
    { settings: { x: { draws: 9 } } },
    { set: null, inputs: ["i"] },
  ])
    assert.equal(choosing.differs({ ...choice, ...other }, request), true, JSON.stringify(other));
});

test("a study with a name fills methods, metrics, settings and class, as far as they fit the model and the inputs", () => {
  const preset = { methods: ["a", "b"], metrics: ["x", "inside"], metric_params: { x: { draws: 100 } } };
  const before = choosing.fromQuery({ model: "m", set: "s", methods: "c", metrics: "y", seed: "3" });
  const fits = { a: { ok: true }, b: { ok: false }, c: { ok: true } };
  const choice = choosing.ofPreset(before, preset, { fits, measurable: (key) => key !== "inside", labelled: true });
  const asked = { model: "m", set: "s", methods: ["a"], metrics: ["x"], metric_params: { x: { draws: 100 } }, target: "label", seed: 3 };
  assert.deepEqual(choosing.requestOf(choice), asked);
  assert.deepEqual(choosing.requestOf({ ...choice, metrics: ["y"] }).metric_params, {});
  assert.equal(choosing.differs(choosing.fromQuery(choosing.toQuery(choice)), asked), false);
});

test("methods that do not fit are never asked for; without a wish the usual ones are", () => {
  const methods = [
    { key: "a", default_on: true },
    { key: "b", default_on: true },
    { key: "c", default_on: false },
  ];
  const fits = { a: { ok: true }, b: { ok: false }, c: { ok: true } };
  assert.deepEqual(choosing.methodsFor([], methods, fits), ["a"]);
  assert.deepEqual(choosing.methodsFor(["c", "b", "gone"], methods, fits), ["c"]);
  assert.deepEqual(choosing.toggled(["c"], "a", ["a", "b", "c"]), ["a", "c"]);
  const metrics = [
    { key: "x", default_on: true, needs: [] },
    { key: "y", default_on: true, needs: ["explain"] },
    { key: "z", default_on: false, needs: [] },
  ];
  assert.deepEqual(choosing.quick(metrics), ["x"]);
  assert.deepEqual(choosing.metricsFor(["z", "gone"], metrics), ["z"]);
});

const lineOf = (line, file, label = "cat", more = {}) => ({ line, file, label, box: null, mask: "", ...more });
const matched = (lines, names) => labels.named(lines, ({ file }) => file, Object.entries(names));

test("a table names the inputs by their paths, from whichever folder on they were chosen", () => {
  const lines = [lineOf(2, "set/cat/1.png"), lineOf(3, "set/dog/1.png", "dog"), lineOf(4, "set\\b.png"), lineOf(5, "set/gone.png")];
  const { by, absent, unclear } = matched(lines, { a: "dog/1.png", b: "cat/1.png", c: "b.png", d: "xb.png" });
  assert.deepEqual(
    [...by].map(([id, { line }]) => [id, line]),
    [
      ["b", 2],
      ["a", 3],
      ["c", 4],
    ],
  );
  assert.deepEqual([absent.map(({ line }) => line), unclear], [[5], []]);
});

test("two files of one name are told apart by their folders or not at all", () => {
  const files = { a: "cat/1.png", b: "dog/1.png" };
  const { by, unclear } = matched([lineOf(2, "1.png"), lineOf(3, "dog/1.png")], files);
  assert.deepEqual([[...by.keys()], unclear.map(({ line }) => line.line)], [["b"], [2]]);
  const bare = matched([lineOf(2, "cat/1.png"), lineOf(3, "dog/1.png")], { a: "1.png" });
  assert.deepEqual([bare.by.size, bare.unclear.length], [0, 1]);
  assert.equal(
    matched([lineOf(2, "x/1.png"), lineOf(3, "1.png")], { a: "1.png" }).by.get("a")?.line,
    3,
    "the same name is meant before one that ends so",
  );
});

test("what a table did is said with what it left out", () => {
  const table = { title: "labels.csv", notes: ["line 9: no class."], lines: [lineOf(2, "a.png"), lineOf(3, "b.png")] };
  const done = { inputs: 2, classes: 1, regions: 1, kept: 1 };
  const said = labels.told(table, matched(table.lines, { a: "a.png", c: "c.png" }), done).join(" ");
  for (const part of ["1 of 2 inputs", "where the evidence lies in 1", "1 input keeps", "first is line 3", "line 9"])
    assert.ok(said.includes(part), said);
  assert.match(
    labels.told(table, matched(table.lines, { a: "x.png" }), { ...done, inputs: 1 })[0],
    /none of these files: line 2 says .a\.png/,
  );
  assert.match(labels.told(table, matched(table.lines, {}), { ...done, inputs: 0 })[0], /2 lines\. Now add the files/);
  const none = { ...table, lines: [lineOf(2, "a.png", null)] };
  assert.match(
    labels.told(none, matched(none.lines, { a: "a.png" }), { inputs: 1, classes: 0, regions: 0, kept: 0 })[0],
    /^labels\.csv says no class/,
  );
  assert.match(labels.rest(["cat", "dog"], "labels.csv"), /^2 more, with their classes from labels\.csv/);
  assert.match(labels.rest(["cat", undefined]), /^2 more, 1 of them with a class/);
  assert.equal(labels.rest([]), "");
});

test("a table that is too large is not sent, and what would be read is said", () => {
  const said = labels.tooLarge({ name: "labels.csv", size: 10 * 2 ** 20 }, 4 * 2 ** 20);
  assert.match(said, /^labels\.csv has 10 MB, and tables up to 4 MB are read: keep the columns file and label/);
});

test("the table of what was dropped is the labels.csv that lies highest, else the only one", () => {
  const file = (path) => ({ name: path.split("/").at(-1), path });
  const path = (...paths) => labels.tableOf(paths.map(file))?.path ?? null;
  assert.equal(path("a/x/labels.csv", "a/Labels.CSV", "a/excluded.csv"), "a/Labels.CSV");
  assert.equal(path("truth.csv", "a.png"), "truth.csv");
  assert.equal(path("truth.csv", "other.csv"), null);
});
