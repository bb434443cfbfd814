// What the checks of a map say in words.
import assert from "node:assert/strict";
import test from "node:test";
import { unsaidFirst } from "../../../frontend/assets/evident/evidence/marks.mjs";
import { STATES, sanityWords, share, shareRange, shortcutWords, togetherWords } from "../../../frontend/assets/evident/trust/words.mjs";

const sanity = (more) => ({
  state: "fail",
  words: "looks the same with random weights: 0.88 alike",
  meaning: "How.",
  inputs: 4,
  note: "",
  ...more,
});
const shortcut = (key, held, flagged, place = "in the first 0.1 s, before the cough") => {
  const region = { key, title: key, share: held, area: 0.05, flagged, words: `${share(held)} of the support lies ${place}` };
  return { ...region, regions: [region] };
};

test("shares are whole percents, and a little is not nothing", () => {
  assert.deepEqual([0, 0.004, 0.0149, 0.46, 1].map(share), ["0 %", "< 1 %", "1 %", "46 %", "100 %"]);
});

test("a share that moves with the window is a range", () => {
  assert.equal(shareRange({ share: 0.5, low: 0.441, high: 0.587 }), "44 to 59 %");
  assert.equal(shareRange({ share: 0.5, low: 0.498, high: 0.505 }), "50 %");
  assert.equal(shareRange({ share: 0.5, low: null, high: null }), "50 %");
});

test("a badge says what its word means, what was seen, on how many inputs, and how it is measured", () => {
  assert.equal(
    sanityWords(sanity()),
    "The map hardly depends on the network: looks the same with random weights: 0.88 alike. Measured on 4 inputs of the network's own. How.",
  );
  assert.match(sanityWords(sanity({ inputs: 1, note: "Checked on 1 of 4 inputs." })), /alike\. Checked on 1 of 4 inputs\. How\./);
  assert.equal(sanityWords(sanity({ state: null, words: "Not checked." })), "Not checked.");
  assert.equal(sanityWords(null), "");
  assert.equal(new Set(Object.values(STATES).map(({ icon }) => icon)).size, 3);
});

test("a shortcut is said beside an even map", () => {
  const said = shortcutWords(shortcut("start", 0.46, true));
  assert.match(said, /^46 % of the support lies in the first 0.1 s, before the cough; an even map would have 5 % there\. More/);
  assert.ok(!shortcutWords(shortcut("start", 0.04, false)).includes("More"));
});

test("the shortcut that most maps lie on is the one that is said", () => {
  const start = shortcut("start", 0.46, true);
  const end = shortcut("end", 0.3, true, "in the last 0.1 s");
  const fine = shortcut("start", 0.04, false);
  assert.equal(togetherWords([start, fine, end, start]), "Possible shortcut: 2 of 4 lie in the first 0.1 s, before the cough.");
  assert.equal(togetherWords([fine, end]), "Possible shortcut: in one map 30 % of the support lies in the last 0.1 s.");
  assert.equal(togetherWords([fine]), "");
  assert.equal(togetherWords([]), "");
});

test("what the shortcut line says is not said again: its line is the last, for the room alone", () => {
  const shares = ["hum", "evidence", "sticker"].map((key) => ({ region: { key } }));
  const order = (said) => unsaidFirst(shares, said).map(({ region }) => region.key);
  assert.deepEqual(order("hum"), ["evidence", "sticker", "hum"]);
  assert.deepEqual(order("border"), ["hum", "evidence", "sticker"]);
});
