// What Dash calls: which maps are stale, what the address bar says, and the small callbacks.
import assert from "node:assert/strict";
import test from "node:test";
import { compareQuery, conceptsQuery } from "../../../frontend/assets/evident/dash/address.mjs";
import * as callbacks from "../../../frontend/assets/evident/dash/callbacks.mjs";
import { besideAlone, besideOff, besideStale } from "../../../frontend/assets/evident/dash/beside.mjs";
import { equal, isStale, stale, wantedTarget } from "../../../frontend/assets/evident/dash/stale.mjs";

const UNCHANGED = Symbol("no update");
globalThis.window = { dash_clientside: { no_update: UNCHANGED }, location: { pathname: "/", search: "" } };

const answer = { prediction: { input: "in1", model: "m", top: 1, window: [0, 2] }, classes: 5 };
const request = { target: 1, seed: 0, params: { steps: 50 }, layer: "conv4" };
const runs = { runs: { lrp: { request }, rise: { request: { ...request, layer: null, params: {} } }, refused: {} } };
const ids = [{ method: "lrp" }, { method: "rise" }, { method: "refused" }, { method: "new" }];
const now = ({ target = null, params = { lrp: { steps: 50 } }, layer = "conv4", seed = 0 } = {}) =>
  stale(runs, null, answer, target, params, layer, seed, ids);

test("JSON values are equal by structure", () => {
  assert.ok(equal({ a: [1, { b: null }], c: 2 }, { c: 2, a: [1, { b: null }] }));
  assert.ok(!equal({ a: 1 }, { a: 1, b: undefined }));
  assert.ok(!equal([1, 2], [1, 2, 3]));
  assert.ok(!equal(null, {}));
  assert.ok(!equal("1", 1));
});

test("the target is the chosen class only where it was chosen for this input and model", () => {
  assert.equal(wantedTarget(answer, null), 1);
  assert.equal(wantedTarget(answer, { input: "in1", model: "m", target: 2 }), 2);
  assert.equal(wantedTarget(answer, { input: "in1", target: 0 }), 0);
  assert.equal(wantedTarget(answer, { input: "in1", target: 4 }), 4);
  assert.equal(wantedTarget(answer, { input: "in2", model: "m", target: 2 }), 1);
  assert.equal(wantedTarget(answer, { input: "in1", model: "other", target: 2 }), 1);
  assert.equal(wantedTarget(answer, { input: "in1", model: "m", target: 5 }), 1);
});

test("nothing is stale while nothing changed, and what was never made is not stale", () => {
  assert.deepEqual(now(), [["0", "0", "0", "0"], ""]);
  assert.deepEqual(stale(runs, null, null, null, {}, null, 0, ids), [["0", "0", "0", "0"], ""]);
  assert.equal(isStale(undefined, {}), false);
});

test("class and seed make every map stale, a layer only maps that used one, a parameter only its method", () => {
  const two = "2 maps were made with other settings: press Run.";
  const single = "1 map was made with other settings: press Run.";
  assert.deepEqual(now({ target: { input: "in1", model: "m", target: 2 } }), [["1", "1", "0", "0"], two]);
  assert.deepEqual(now({ seed: 3 }), [["1", "1", "0", "0"], two]);
  assert.deepEqual(now({ layer: "conv1" }), [["1", "0", "0", "0"], single]);
  assert.deepEqual(now({ params: { lrp: { steps: 51 } } }), [["1", "0", "0", "0"], single]);
  assert.deepEqual(now({ params: { lrp: { steps: 50 }, rise: { cells: 8 } } }), [["0", "1", "0", "0"], single]);
  assert.deepEqual(now({ seed: -1 })[0], ["0", "0", "0", "0"], "no seed is sent as 0");
  assert.deepEqual(now({ seed: 2 ** 31 })[0], ["0", "0", "0", "0"], "nor is one too large for a request");
});

test("the address of Compare holds what differs from nothing", () => {
  const subject = { model: "m", input: "in1", start: 0 };
  const target = { input: "in1", target: 0 };
  const query = new URLSearchParams(
    compareQuery(subject, ["lrp", "rise"], target, { lrp: { a: 1 } }, "conv4", 7, false, null, false, 70, 100, "both"),
  );
  assert.deepEqual(Object.fromEntries(query), {
    model: "m",
    input: "in1",
    start: "0",
    target: "0",
    methods: "lrp,rise",
    layer: "conv4",
    seed: "7",
    params: '{"lrp":{"a":1}}',
    look: "70,100,both",
    evidence: "0",
  });
  const other = new URLSearchParams(compareQuery(subject, ["lrp"], { input: "in1", model: "other", target: 3 }, {}, null, 0, true));
  assert.equal(other.get("target"), null, "a class of another model");
  const bare = new URLSearchParams(compareQuery({ model: "m", input: "in2" }, null, target, {}, null, 0, true, null, true, 70));
  assert.deepEqual(Object.fromEntries(bare), { model: "m", input: "in2", methods: "", look: "70" });
  assert.equal(compareQuery(null, ["lrp"], target, {}, "conv4", 7, true), "");
});

test("the address of Compare holds what stands beside", () => {
  const beside = (other, paired) =>
    new URLSearchParams(compareQuery({ model: "m", input: "a" }, [], null, {}, null, 0, true, other, paired, 70));
  const query = beside({ kind: "model", key: "timm:resnet18", at: 3 }, true);
  assert.deepEqual([query.get("beside"), query.get("paired")], ["model:timm:resnet18", "1"]);
  assert.equal(beside({ kind: "input", key: "b" }, false).get("paired"), null);
  assert.equal(beside(null, true).get("paired"), null, "nothing is beside");
});

test("a map beside is as stale as its partner", () => {
  const ids = [{ method: "lrp" }, { method: "lime" }];
  assert.deepEqual(besideStale(["0", "1"], [], ids, [{ method: "lime" }, { method: "rise" }, { method: "lrp" }]), ["1", "0", "0"]);
});

test("the second side closes by its button, or with the input of the first", () => {
  globalThis.document = { getElementById: () => null };
  assert.equal(besideOff(1), null);
  assert.equal(besideOff(0), UNCHANGED, "the button only arrived");
  assert.equal(besideAlone({ id: "b" }), UNCHANGED, "another input of the first side");
  assert.equal(besideAlone(null), null);
});

test("the address of Concepts holds the ticked concepts only", () => {
  const refs = [{ ref: "striped" }, { ref: "dotted" }];
  const full = conceptsQuery("m", [{ input: "a" }, { input: "b" }], ["c1"], "2", "pure", { input: 1 }, { id: "j" }, [false, true], refs);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(full)), {
    model: "m",
    input: "a,b",
    concepts: "dotted",
    layers: "c1",
    class: "2",
    negatives: "pure",
    shown: "1",
    analysis: "j",
  });
  const bare = conceptsQuery("m", [], null, null, "random", null, null, [], []);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(bare)), { model: "m", concepts: "", layers: "" });
  assert.equal(conceptsQuery(null, [], null, null, null, null, null, [], refs), "");
});

test("the page names no class while the gate withholds the score, until it was asked for for this input", () => {
  const kept = { subject: { input: "in1" }, prediction: { gate: { state: "abstain" } } };
  const open = { subject: { input: "in1" }, prediction: { gate: { state: "doubtful" } } };
  assert.deepEqual(
    [callbacks.withheld(kept, null), callbacks.withheld(kept, ["in2"]), callbacks.withheld(kept, ["in1"]), callbacks.withheld(open, null)],
    ["1", "1", "", ""],
  );
  assert.equal(callbacks.withheld(null, null), "");
});

test("small callbacks answer properties, or nothing where nothing is to change", () => {
  assert.deepEqual(callbacks.percent(70, 20), ["70 %", "20 %"]);
  const pages = [{ path: "/" }, { path: "/about" }];
  assert.deepEqual(callbacks.navigation("/about", pages), [
    ["false", "page"],
    ["/", "/about"],
  ]);
  assert.deepEqual(callbacks.known({ known: { sample: "x" } }), [false, '{"sample":"x"}']);
  assert.deepEqual(callbacks.known(null), [true, ""]);
  assert.equal(callbacks.remove(0), UNCHANGED);
  assert.equal(callbacks.remove(1), null);
  assert.deepEqual(callbacks.target("2", answer), { input: "in1", model: "m", target: 2 });
  assert.equal(callbacks.target(null, answer), UNCHANGED);
  assert.deepEqual(callbacks.playerWindow(answer, [{}, {}]), ["[0,2]", "[0,2]"]);
  assert.deepEqual(callbacks.playerWindow(null, [{}]), [UNCHANGED]);
});

test("the end of a map is announced once it is one", () => {
  assert.equal(callbacks.announce({ title: "LRP", state: "done", seconds: 0.34 }), "LRP finished in 0.3 s.");
  assert.equal(callbacks.announce({ title: "LRP", state: "done", seconds: null }), "LRP finished.");
  assert.equal(callbacks.announce({ title: "LRP", state: "failed" }), "LRP failed.");
  assert.equal(callbacks.announce({ title: "LRP", state: "cancelled" }), "LRP was stopped.");
  assert.equal(callbacks.announce({ title: "LRP", state: "running" }), UNCHANGED);
  assert.equal(callbacks.announce(null), UNCHANGED);
});
