// What is remembered of the files that were opened, and what is said of an address.
import assert from "node:assert/strict";
import test from "node:test";

const storage = new Map();
const localStorage = { getItem: (key) => storage.get(key) ?? null, setItem: (key, text) => storage.set(key, text) };
globalThis.window = { dash_clientside: { set_props: () => {} }, localStorage };

const { addressRefusal, pasted } = await import("../../../frontend/assets/evident/upload/files.mjs");
const { forgetRecent, keepRecent, recent } = await import("../../../frontend/assets/evident/upload/recent.mjs");

test("an address is answered in a sentence, any other text is not", () => {
  for (const address of ["https://a.org/b.png", " HTTP://a.org ", "www.a.org/x", "data:image/png;base64,AA", "file:///etc/passwd"]) {
    assert.match(addressRefusal(address), /Nothing is fetched/);
  }
  for (const text of ["", "cough", "see https://a.org/b.png for it", "httpd"]) assert.equal(addressRefusal(text), "");
});

test("a picture of the clipboard gets a name that says where it came from; a file keeps its own", () => {
  assert.equal(pasted(new File(["x"], "image.png", { type: "image/png" })).name, "pasted picture.png");
  assert.equal(pasted(new File(["x"], "cat.png")).name, "cat.png");
});

test("files are remembered newest first, once each, six of them unless more are asked for, without samples", () => {
  const input = (id, more = {}) => ({ id, name: `${id}.png`, modality: "image", waveform: [1, 2], ...more });
  for (const id of ["a", "b", "c", "d", "e", "f", "g", "b"]) keepRecent(input(id));
  keepRecent(input("s", { sample: "star" }));
  keepRecent(null);
  assert.deepEqual(
    recent().map(({ id }) => id),
    ["b", "g", "f", "e", "d", "c"],
  );
  assert.deepEqual(recent()[0], { id: "b", modality: "image", name: "b.png" });
  forgetRecent("g");
  forgetRecent("never");
  assert.deepEqual(
    recent(40).map(({ id }) => id),
    ["b", "f", "e", "d", "c", "a"],
  );
});

test("what is forgotten while it is open is remembered when it is opened again, not when the page tells of it once more", () => {
  const mine = { id: "mine", name: "mine.png", modality: "image" };
  const listed = () => recent(40).some(({ id }) => id === "mine");
  keepRecent(mine);
  forgetRecent("mine");
  keepRecent(mine); // an answer about it that came late
  assert.equal(listed(), false);
  keepRecent(null);
  keepRecent(mine);
  assert.equal(listed(), true);
});

test("what lies in the storage may be anything", () => {
  for (const text of ["", "{", "[]", "{}", '[null, 1, {"id": 3}]']) {
    storage.set("evident-recent", text);
    assert.deepEqual(recent(), []);
  }
});
