// Limit cases of the pure functions; comparisons with numpy and scipy stand in test_fields.py and test_words.py.
import assert from "node:assert/strict";
import test from "node:test";
import { barLabels } from "../../../frontend/assets/evident/figure/bar.mjs";
import * as colour from "../../../frontend/assets/evident/maps/colour.mjs";
import * as contour from "../../../frontend/assets/evident/maps/contour.mjs";
import * as describe from "../../../frontend/assets/evident/maps/describe.mjs";
import { Field } from "../../../frontend/assets/evident/maps/field.mjs";
import { quantile } from "../../../frontend/assets/evident/maps/statistics.mjs";
import * as words from "../../../frontend/assets/evident/maps/words.mjs";
import { windowAround } from "../../../frontend/assets/evident/sound/player.mjs";
import { kindOf, refusal, stated } from "../../../frontend/assets/evident/upload/files.mjs";

const field = (values, rows = 1, cols = values.length, signed = true) => new Field(Float32Array.from(values), rows, cols, signed);

test("a map without differences, and one with a number that is none, is flat", () => {
  assert.ok(field([0, 0, 0]).flat);
  assert.ok(field([2, 2]).flat);
  assert.ok(field([1, Number.NaN]).flat || !Number.isFinite(field([1, Number.NaN]).max));
  assert.ok(!field([1, 2]).flat);
});

test("a field makes each thing once, and keeps only the newest mask", () => {
  const ramp = field([1, 2, 3, 4]);
  assert.equal(ramp.sorted("both"), ramp.sorted("both"));
  const mask = ramp.mask("both", 50);
  assert.equal(ramp.mask("both", 50), mask);
  ramp.mask("both", 25);
  assert.notEqual(ramp.mask("both", 50), mask);
});

test("everything is shown at 100 %, and one cell at least below", () => {
  assert.equal(field([3, 2, 1]).cut("both", 100), 0);
  assert.deepEqual([...field([3, 2, 1]).mask("both", 1)], [1, 0, 0]);
  assert.equal(field([1, 2]).cut("against", 50), Infinity, "no cell speaks against");
  assert.equal(field([1, 2]).outline("against", 50, true).length, 0);
});

test("the crosshair's cell stays inside the map", () => {
  const grid = field([1, 2, 3, 4, 5, 6], 2, 3);
  assert.deepEqual(grid.cell({ u: 0, v: 0 }), { row: 0, col: 0, index: 0 });
  assert.deepEqual(grid.cell({ u: 1, v: 1 }), { row: 1, col: 2, index: 5 });
  assert.deepEqual(grid.cell({ u: -3, v: 9 }), { row: 1, col: 0, index: 3 });
});

test("quantiles of one number are that number", () => {
  for (const q of [0, 0.5, 1]) assert.equal(quantile(Float32Array.of(7), q), 7);
});

test("a single cell has an outline of four sides, walked with the inside on the right", () => {
  const lines = contour.cellEdges([1], 1, 1);
  assert.equal(contour.perimeter(lines), 4);
  assert.equal(contour.area(lines), 1);
  assert.equal(contour.area(contour.cellEdges([1, 1, 1, 1, 0, 1, 1, 1, 1], 3, 3)), 8, "a hole counts negative");
});

test("nothing is painted where the limit is nothing", () => {
  const out = colour.paint([0, 0], [0, 0], { signed: true, colours: "viridis", limit: 0, cut: 0, opacity: 1 }, new Uint8ClampedArray(8));
  assert.deepEqual([...out], [0, 0, 0, 0, 0, 0, 0, 0]);
});

test("a waiting map says whom it waits for, a running one only what its own pace says", () => {
  assert.equal(words.waiting({ ahead: 2, estimate: 14 }), "waiting for 2 others · about 14 s");
  assert.equal(words.waiting({ ahead: 1, estimate: null }), "waiting for 1 other");
  assert.equal(words.waiting({ ahead: 0, estimate: 3.21 }), "waiting · about 3.2 s");
  assert.equal(words.waiting(null), "waiting");
  assert.equal(words.left({ done: 32, total: 1000, seconds: 5.5, remaining: null }), "", "loading the model is no pace");
  assert.equal(words.left({ done: 640, total: 1000, seconds: 9, remaining: 4.2 }), "5 s left");
  assert.equal(words.left({ done: 990, total: 1000, seconds: 9, remaining: 0.1 }), "< 1 s left");
  assert.equal(words.left({ done: 1000, total: 1000, seconds: 9, remaining: 0 }), "");
});

test("durations, sizes and counts are said as people say them", () => {
  assert.deepEqual([0, 0.09, 0.31, 9.94, 9.96, 119, 125].map(words.duration), [
    "< 0.1 s",
    "< 0.1 s",
    "0.3 s",
    "9.9 s",
    "10 s",
    "119 s",
    "2 min 5 s",
  ]);
  assert.deepEqual([1, 1536, 1048576, 26214400].map(words.bytes), ["1 kB", "2 kB", "1 MB", "25 MB"]);
  assert.equal(words.count({ done: 640, total: 1000, unit: "samples" }), "640 / 1,000 samples");
  assert.equal(words.count({ done: 0, total: 0, unit: "samples" }), "");
  assert.equal(words.value(Number.NaN), "not a number");
});

test("the window around a cough stays inside the recording", () => {
  assert.equal(windowAround(1.9, 2.1, 2, 4), 1);
  assert.equal(windowAround(0, 0.2, 2, 4), 0);
  assert.equal(windowAround(3.9, 4, 2, 4), 2);
  assert.equal(windowAround(0, 1, 2, 1), 0, "a recording shorter than the window");
});

const LIMITS = { image_bytes: 2048, audio_bytes: 4096, audio_seconds: 600, array_bytes: 1024 };
const file = (name, size = 10, type = "") => ({ name, size, type });

test("a file is what its ending says, else what the browser says", () => {
  assert.equal(kindOf(file("a.PNG")), "image");
  assert.equal(kindOf(file("a.b.opus")), "audio");
  assert.equal(kindOf(file("a.npy")), "array");
  assert.equal(kindOf(file("recording", 1, "audio/mp4")), "audio");
  assert.equal(kindOf(file("a.exe")), null);
});

test("a file is refused for being empty, of another type, or too large, and only then", () => {
  assert.equal(refusal(file("a.png"), LIMITS), null);
  assert.match(refusal(file("a.png", 0), LIMITS), /empty/);
  assert.match(refusal(file("a.exe"), LIMITS), /not accepted/);
  assert.match(refusal(file("a.png", 3000), LIMITS), /^A picture may have at most 2 kB; this one has 3 kB/);
  assert.equal(refusal(file("a.wav", 3000), LIMITS), null);
  assert.equal(refusal(file("blob", 10, "image/png"), LIMITS), null, "pasted pictures have no ending");
  assert.match(refusal(file("a.png"), LIMITS, { accept: [".safetensors"] }), /Accepted: SAFETENSORS/);
  assert.match(refusal(file("w.safetensors", 30), LIMITS, { accept: [".safetensors"], maxBytes: 20 }), /A file may have at most 1 kB/);
});

test("limits are stated as one sentence", () => {
  assert.equal(stated({}), "");
  assert.equal(stated(LIMITS).startsWith("Pictures (PNG, JPEG, WebP, TIFF, GIF) up to 2 kB, recordings"), true);
  assert.match(stated(LIMITS), /up to 4 kB or 10 minutes, spectrograms \(NPY or a picture\) up to 1 kB\.$/);
});

test("an end of the colour bar beyond which there is more says so in signs that everybody reads", () => {
  const style = { signed: true, limit: 0.025, clipped: true, target: "Covid" };
  assert.deepEqual(barLabels(style), { low: "\u22120.025", high: "\u2265 +0.025", against: "speaks against", for: "supports Covid" });
  assert.equal(barLabels({ ...style, clipped: false, signed: false }).high, "0.025");
});

test("a map without support says why no part of it is marked", () => {
  assert.equal(describe.unmarked(field([-1, 0, -0.2]), "Covid-19"), "Nothing in this map supports Covid-19: no part of it is marked.");
  assert.match(describe.unmarked(field([-1, 0]), ""), /supports the class:/);
  assert.equal(describe.unmarked(field([0, 0], 1, 2, false), "star"), "No part of this map is marked.");
  assert.equal(describe.unmarked(field([-1, 1e-9]), "star"), "");
});
