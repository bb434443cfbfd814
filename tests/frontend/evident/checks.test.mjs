// Checks of maps follow what they count: the own region of the input.
import assert from "node:assert/strict";
import { test } from "node:test";
import { emit } from "../../../frontend/assets/evident/core/bus.mjs";
import { panels } from "../../../frontend/assets/evident/panel/panels.mjs";
import { checksOf, listenForChecks } from "../../../frontend/assets/evident/trust/checks.mjs";

globalThis.document = { body: { dataset: { api: "/api/v1" } } };
globalThis.window = {};
globalThis.requestAnimationFrame = (fn) => setTimeout(fn);

const settled = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve));
};

test("a map is checked again when the own region of its input has changed, and only then", async (t) => {
  const asked = [];
  t.mock.method(globalThis, "fetch", async (url, options = {}) => {
    if (options.method === "POST") asked.push(url);
    return Response.json({ id: "c1", state: "done", result: { words: `check ${asked.length}` } });
  });
  const request = { input: "i1", model: "m", method: "a", layer: null, params: {} };
  const panel = { id: "e1", state: "done", votes: true, job: { request }, record: {}, root: { dataset: { checked: "1" } } };
  panels.add(/** @type {any} */ (panel));
  listenForChecks();
  emit("maps");
  await settled();
  assert.deepEqual(asked, ["/api/v1/checks", "/api/v1/sanity"]);
  emit("own-region", "another");
  emit("maps");
  await settled();
  assert.equal(asked.length, 2);
  emit("own-region", "i1");
  assert.equal(checksOf(/** @type {any} */ (panel)).checks.words, "check 1");
  await settled();
  assert.deepEqual(asked.slice(2), ["/api/v1/checks"]);
  assert.equal(checksOf(/** @type {any} */ (panel)).checks.words, "check 3");
  panels.clear();
});
