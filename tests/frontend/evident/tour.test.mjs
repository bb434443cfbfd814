// What the tour says follows the page's figures, also where they do not tell the expected story.
import assert from "node:assert/strict";
import test from "node:test";
import { addressOf, STEPS, stepOf } from "../../../frontend/assets/evident/tour/steps.mjs";

const step = (key) => STEPS.find((one) => one.key === key);
const held = (key, shares, uniform) => shares.map((share, i) => ({ map: `M${i}`, key, label: key, share, uniform }));
const view = (change) => ({
  model: "m",
  answer: { label: "street sign", score: "0.96", undecided: false },
  held: [],
  truth: "street sign",
  pointed: false,
  sign: "both",
  pressed: [],
  verdicts: [],
  ...change,
});

test("six steps, each about a sample of its own with one thing to press", () => {
  assert.deepEqual(
    STEPS.map(({ key }) => key),
    ["right", "wrong", "cheat", "room", "concept", "report"],
  );
  for (const one of STEPS) {
    assert.ok(!one.done(view({})), `${one.key} waits for the person`);
    assert.ok(one.before && one.press && one.at);
  }
});

test("an address holds the sample with its model", () => {
  const samples = [{ key: "photo_rocket", input: "r1", model: "timm:x" }];
  assert.equal(addressOf(step("wrong"), samples), "/?model=timm%3Ax&input=r1&methods=grad_cam%2Clrp%2Cfused");
  assert.equal(addressOf(step("right"), samples), null);
});

test("an address may begin the tour at a step", () => {
  assert.equal(stepOf("?tour=1"), 0);
  assert.equal(stepOf("?tour=6&input=x"), 5);
  assert.equal(stepOf("?tour=99"), 5);
  assert.equal(stepOf("?tour=x"), 0);
  assert.equal(stepOf("?input=x"), null);
});

test("right for the right reason is said only where most maps point there", () => {
  const there = step("right").after(view({ held: held("evidence", [0.55, 0.55, 0.88], 0.31) }), {});
  assert.match(there, /street sign, 0\.96: right\. .* 55 to 88 % .* covers 31 % .*: most of them point at the sign itself/);
  const even = step("right").after(view({ held: held("evidence", [0.3, 0.33, 0.88], 0.31) }), {});
  assert.match(even, /most of them do not point at the sign/);
  const wrong = step("right").after(view({ truth: "traffic light", held: held("evidence", [0.9], 0.31) }), {});
  assert.match(wrong, /: wrong\. .* 90 % of/);
  assert.equal(step("right").after(view({}), {}), null, "nothing is said before the maps are there");
  assert.equal(step("right").after(view({ held: held("evidence", [null], 0.31) }), {}), null, "nor without anything positive");
});

test("the cheat is compared with what it showed first", () => {
  const noted = { answer: { label: "star", score: "0.93", undecided: true }, held: held("sticker", [0.49, 0.86], 0.02) };
  const twin = view({ answer: { label: "red", score: "1.00", undecided: false }, held: held("sticker", [0, 0], 0.02) });
  const said = step("cheat").after(twin, noted);
  assert.match(
    said,
    /cheat said star, 0\.93 \(undecided\), and put 49 to 86 % .* sticker, 2 % .* twin says red, 1\.00, with 0 % .* another reason/,
  );
  const alike = step("cheat").after({ ...twin, held: held("sticker", [0.5], 0.02) }, noted);
  assert.match(alike, /do not tell the two apart/);
  assert.match(step("cheat").after(twin, {}), /^The twin says red/, "whoever was faster than the maps is not left waiting");
});

test("the room and the concept quote what stands there", () => {
  const room = (shares) => step("room").after(view({ truth: "no wheeze", held: held("hum", shares, 0.22) }), {});
  assert.match(room([0.49, 0.8]), /: wrong\. .* 49 to 80 % .* 22 % .*: it listens to the room/);
  assert.match(room([0.2, 0.3]), /do not single out the hum/);
  const verdicts = [{ name: "Striped", words: ["counts", "undecided", "counts"] }];
  assert.match(step("concept").after(view({ verdicts }), {}), /Striped: counts or undecided\./);
  assert.equal(step("concept").after(view({}), {}), null);
});
