// The bus, the API and the following of jobs, with a clock and a server made up.
import assert from "node:assert/strict";
import test from "node:test";
import { apiUrl, callApi, Problem, problemOf } from "../../../frontend/assets/evident/core/api.mjs";
import { emit, nextFrame, on } from "../../../frontend/assets/evident/core/bus.mjs";
import { parseJson } from "../../../frontend/assets/evident/core/elements.mjs";
import { followJob } from "../../../frontend/assets/evident/core/jobs.mjs";
import { ranked } from "../../../frontend/assets/evident/core/ranked.mjs";

globalThis.document = { body: { dataset: { api: "/api/v1" } } };
globalThis.window = {};

test("listeners hear until they leave, also when one leaves while it is told", () => {
  const heard = [];
  const leave = on("x", (detail) => {
    heard.push(detail);
    leave();
  });
  const off = on("x", (detail) => heard.push(-detail));
  emit("x", 1);
  emit("x", 2);
  off();
  emit("x", 3);
  assert.deepEqual(heard, [1, -1, -2]);
});

test("one frame does each thing once, the newest", () => {
  const frames = [];
  globalThis.requestAnimationFrame = (fn) => frames.push(fn);
  const done = [];
  nextFrame("a", () => done.push("old"));
  nextFrame("a", () => done.push("new"));
  nextFrame("b", () => nextFrame("c", () => done.push("later")));
  assert.equal(frames.length, 1);
  frames.shift()();
  assert.deepEqual(done, ["new"]);
  frames.shift()();
  assert.deepEqual(done, ["new", "later"]);
});

test("paths lie below the API, whole addresses stay", () => {
  assert.equal(apiUrl("/limits"), "/api/v1/limits");
  assert.equal(apiUrl("limits"), "/api/v1/limits");
  assert.equal(apiUrl("/api/v1/limits"), "/api/v1/limits");
  for (const whole of ["https://example.org/x", "blob:x", "data:,x"]) assert.equal(apiUrl(whole), whole);
});

test("what is no problem JSON gets our own words for its status", () => {
  const problem = problemOf(413, "<html>Too large</html>", "abc");
  assert.ok(problem instanceof Problem);
  assert.deepEqual([problem.message, problem.status, problem.requestId], ["The file is too large.", 413, "abc"]);
  assert.equal(problemOf(400, '{"detail": "No such layer.", "request_id": "r"}').message, "No such layer.");
  assert.equal(problemOf(418, "").message, "The server could not do this. Try again.");
  assert.equal(parseJson("{", 7), 7);
});

test("requests answer JSON, bytes or nothing, and fail with a problem", async (t) => {
  const answers = [];
  t.mock.method(globalThis, "fetch", async (url, options) => {
    answers.push([url, options.method, options.body]);
    if (url.endsWith("/gone")) return new Response(null, { status: 204 });
    if (url.endsWith("/bytes")) return new Response(new Uint8Array([1, 2]));
    if (url.endsWith("/down")) throw new TypeError("network");
    if (url.endsWith("/quit")) throw new DOMException("stopped", "AbortError");
    return new Response(JSON.stringify({ ok: true }), { status: url.endsWith("/full") ? 503 : 200 });
  });
  assert.deepEqual(await callApi("/x", { method: "POST", json: { a: 1 } }), { ok: true });
  assert.deepEqual(answers[0], ["/api/v1/x", "POST", '{"a":1}']);
  assert.equal(await callApi("/gone"), null);
  assert.equal((await callApi("/bytes", { as: "bytes" })).byteLength, 2);
  await assert.rejects(callApi("/down"), { status: 0, message: /does not answer/ });
  await assert.rejects(callApi("/full"), { status: 503, message: /busy/ });
  await assert.rejects(callApi("/quit"), { name: "AbortError" });
});

/** Lets every promise that can go on go on. */
const settled = async () => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

test("a job is asked for once a second until it is final", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const states = ["queued", "queued", "running", "done"];
  t.mock.method(globalThis, "fetch", async () => Response.json({ state: states.shift() }));
  const seen = [];
  followJob("/jobs/1", ({ state }) => seen.push(state), assert.fail);
  for (let second = 0; second < 6; second += 1) {
    await settled();
    t.mock.timers.tick(1000);
  }
  assert.deepEqual(seen, ["queued", "queued", "running", "done"]);
});

test("a server that is away is asked again ever more slowly, a refusal ends it", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const asked = [];
  let status = 503;
  t.mock.method(globalThis, "fetch", async () => {
    asked.push(Date.now() / 1000);
    return new Response("", { status });
  });
  const problems = [];
  followJob("/jobs/1", assert.fail, (problem, passing) => problems.push([problem.status, passing]));
  for (let second = 0; second < 40; second += 1) {
    await settled();
    if (second === 30) status = 404;
    t.mock.timers.tick(1000);
  }
  assert.deepEqual(asked, [0, 2, 6, 14, 24, 34]);
  assert.deepEqual(problems.at(-1), [404, false]);
  assert.ok(problems.slice(0, -1).every(([code, passing]) => code === 503 && passing));
});

test("at most two jobs listen to a stream, the others ask", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const open = new Set();
  globalThis.window.EventSource = globalThis.EventSource = class {
    constructor(url) {
      this.url = url;
      open.add(this);
    }
    close() {
      open.delete(this);
    }
  };
  t.mock.method(globalThis, "fetch", async () => Response.json({ state: "running" }));
  const followers = [1, 2, 3].map((id) => followJob(`/jobs/${id}`, () => {}, assert.fail));
  await settled();
  assert.equal(open.size, 2);
  const [first] = open;
  first.onmessage({ data: '{"state": "done"}' });
  assert.equal(open.size, 1, "a finished job hangs up");
  t.mock.timers.tick(1000);
  await settled();
  assert.equal(open.size, 2, "and leaves its place to the third");
  for (const follower of followers) follower.stop();
  assert.equal(open.size, 0);
});

test("a search ranks names that begin with it before words, before what stands inside, before scattered words", () => {
  const labels = ["hotdog", "African hunting dog", "cat", "Dögsled", "Maltese dog", "dog, the sled kind"];
  const list = { options: labels.map((label, i) => ({ label, value: String(i) })), limit: 100 };
  const names = (search, limit = 100) => ranked({ ...list, search, limit }).map(({ label }) => label);
  assert.deepEqual(names("dog"), ["Dögsled", "dog, the sled kind", "African hunting dog", "Maltese dog", "hotdog"]);
  assert.deepEqual(names("sled dog"), ["Dögsled", "dog, the sled kind"]);
  assert.deepEqual(names("dog", 2), ["Dögsled", "dog, the sled kind"]);
  assert.deepEqual(names(""), labels);
  assert.deepEqual(names("(*"), []);
});
