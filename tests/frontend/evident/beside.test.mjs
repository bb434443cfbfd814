// Two sides: the crosshair on the other side's axes, and the words that compare.
import assert from "node:assert/strict";
import test from "node:test";
import { alikeSentence, heldSentence, scoreSentence } from "../../../frontend/assets/evident/beside/words.mjs";
import { viewState } from "../../../frontend/assets/evident/core/state.mjs";
import { cursorOn, inPicture } from "../../../frontend/assets/evident/figure/cursor.mjs";

const axis = (unit, from, step, count) => ({
  name: unit,
  unit,
  origin: "upper",
  values: Array.from({ length: count }, (_, i) => from + step * (i + 0.5)),
});
const sound = (start, seconds, top) => ({ x_axis: axis("s", start, seconds / 100, 100), y_axis: axis("Hz", 0, top / 64, 64) });
const picture = (side) => ({ x_axis: axis("px", 0, 1, side), y_axis: axis("px", 0, 1, side) });
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("the crosshair of two sounds stands at one second and one frequency", () => {
  Object.assign(viewState, { cursor: { u: 0.5, v: 0.25 }, aimed: sound(1, 2, 4000) });
  const { u, v } = cursorOn(sound(1.5, 4, 8000));
  near(u, 0.125); // 2 s
  near(v, 0.125); // 1,000 Hz
  assert.ok(!inPicture(cursorOn(sound(3, 2, 4000))), "2 s is before the other window");
  assert.equal(cursorOn(sound(1, 2, 4000)), viewState.cursor, "the same axes leave it as it is");
});

test("the crosshair of two pictures stands at one share of their sides", () => {
  Object.assign(viewState, { cursor: { u: 0.5, v: 0.25 }, aimed: picture(128) });
  assert.deepEqual(cursorOn(picture(64)), { u: 0.5, v: 0.25 });
  assert.deepEqual(cursorOn(sound(0, 2, 4000)), { u: 0.5, v: 0.25 });
});

const scores = (same, b = {}) => ({
  withheld: false,
  same,
  sides: [
    { label: "star", score: 0.976, says: null },
    { label: "star", score: 0.12, says: null, ...b },
  ],
});

test("scores of one class are told side by side, those of two classes by their names", () => {
  assert.equal(scoreSentence(scores(true)), "star: 0.98 in A, 0.12 in B.");
  assert.equal(scoreSentence(scores(true, { score: null })), "star: 0.98 in A, not among the highest in B.");
  assert.equal(scoreSentence(scores(true, { says: ["red", 0.88] })), "star: 0.98 in A, 0.12 in B (B says red, 0.88).");
  assert.match(scoreSentence(scores(false, { label: "cat", score: 0.5 })), /no class of that name .* its own first class, cat, 0\.50\.$/);
});

test("what lies on a region is told of every pair", () => {
  const held = [
    { title: "LRP", shares: [0.815, 0.245] },
    { title: "Fused", shares: [0.86, null] },
  ];
  assert.equal(
    heldSentence("sticker", true, held, scores(true)).replaceAll("\u00a0", " "),
    "Of what speaks for star, there lies on the sticker (A / B): LRP 82 / 25 %, Fused 86 % / none.",
  );
  const elsewhere = heldSentence("hum", false, held, scores(false, { label: "cat" }));
  assert.match(elsewhere, /^Of what speaks for star in A, cat in B, there lies on the hum, and at its place in B \(A \/ B\):/);
});

test("of all pairs the least and the most alike are named", () => {
  assert.equal(alikeSentence([]), "");
  assert.match(alikeSentence([{ title: "LRP", alike: 0.5 }]), /LRP \+0\.50\.$/);
  const three = [
    { title: "LRP", alike: 0.5 },
    { title: "LIME", alike: -0.1 },
    { title: "Fused", alike: 0.9 },
  ];
  assert.equal(alikeSentence(three), "Of 3 pairs of maps the least alike are LIME \u22120.10, the most alike Fused +0.90.");
});
