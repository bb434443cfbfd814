// The maps of the layers, as they arrive before and after the lens.
import assert from "node:assert/strict";
import test from "node:test";

globalThis.window = { dash_clientside: { set_props: () => {} } };
globalThis.document = { body: { dataset: {} } };
globalThis.customElements = { define: () => {}, get: () => undefined };
const { Session } = await import("../../../frontend/assets/evident/inside/session.mjs");

test("a map that was asked for before the lens and arrives after it is fetched again", async () => {
  const deliver = [];
  const lens = {
    state: "running",
    left: false,
    result: { layers: [{ name: "relu1", readable: true, kind: "ReLU", shape: [1, 1, 1] }] },
    array: () => new Promise((resolve) => deliver.push(resolve)),
    forget: () => {},
  };
  const parts = { maps: new Map(), everything: new Map(), fetching: new Set(), index: 0, tell: () => {}, lens };
  const session = Object.assign(Object.create(Session.prototype), parts);
  const first = session.fetchMap("relu1");
  lens.state = "done";
  session.refresh();
  deliver[0]({ shape: [2, 1, 1], data: new Float32Array([1, Number.NaN]) });
  await first;
  assert.equal(deliver.length, 2, "asked for again");
  deliver[1]({ shape: [2, 1, 1], data: new Float32Array([1, 0.5]) });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(session.maps.get("relu1").data[1], 0.5);
});
