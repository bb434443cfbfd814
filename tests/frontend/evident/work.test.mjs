/* A job of the Inside page: what is known early stays, what nobody waits for is stopped, filters are switched off once. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

/** What the server answers, by method and path. @type {Map<string, any[]>} */
let answers;
/** @type {string[]} */
let asked;

beforeEach(() => {
  answers = new Map();
  asked = [];
  globalThis.document = /** @type {any} */ ({ body: { dataset: {} } });
  globalThis.window = /** @type {any} */ ({});
  globalThis.fetch = /** @type {any} */ (
    async (url, { method }) => {
      const name = `${method} ${url.replace("/api/v1", "")}`;
      asked.push(name);
      const list = answers.get(name) ?? [];
      const body = list.length > 1 ? list.shift() : list[0];
      return {
        ok: body !== undefined,
        status: body === null ? 204 : body === undefined ? 404 : 200,
        json: async () => body,
        text: async () => "{}",
        headers: new Map(),
      };
    }
  );
});

/** @type {{leave: () => void}[]} */
const open = [];
afterEach(() => {
  for (const work of open.splice(0)) work.leave();
});

const { Work } = await import("../../../frontend/assets/evident/job/work.mjs");

const job = (state, more = {}) => ({ id: "j", state, result: null, progress: { done: 0, total: 2, partial: 0 }, ...more });

/** Lets answers arrive. */
const settle = async () => {
  for (let i = 0; i < 30; i += 1) await Promise.resolve();
};

function start() {
  const seen = [];
  const work = new Work("/lens", { model: "m" }, ({ state, result }) => seen.push([state, result]), true);
  open.push(work);
  return { work, seen };
}

test("an early result is asked for when there is one, and events without it do not take it away", async () => {
  answers.set("POST /lens", [job("queued")]);
  const early = { layers: ["a"] };
  const partial = { done: 1, total: 2, partial: 1 };
  answers.set("GET /lens/j", [job("running", { progress: partial }), job("running", { progress: partial, result: early })]);
  const { work, seen } = start();
  await settle();
  assert.deepEqual(seen.at(-1), ["running", early]);
  work.take(job("running", { progress: partial }));
  assert.deepEqual(work.result, early);
  work.take(job("done", { result: { layers: ["a", "b"] } }));
  assert.deepEqual([work.state, work.result], ["done", { layers: ["a", "b"] }]);
});

test("a result that is known is not followed", async () => {
  answers.set("POST /lens", [job("done", { result: 7 })]);
  const { work } = start();
  await settle();
  assert.deepEqual([work.result, asked], [7, ["POST /lens"]]);
});

test("what nobody waits for is stopped, what is finished stays", async () => {
  answers.set("POST /lens", [job("queued")]);
  answers.set("GET /lens/j", [job("running")]);
  answers.set("DELETE /lens/j", [null]);
  const { work } = start();
  await settle();
  work.leave();
  await settle();
  assert.equal(asked.at(-1), "DELETE /lens/j");
  answers.set("POST /lens", [job("done", { result: 7 })]);
  const known = start();
  await settle();
  known.work.leave();
  await settle();
  assert.equal(asked.at(-1), "POST /lens");
});

test("a page that is left before the answer stops the work as soon as it has a name", async () => {
  answers.set("POST /lens", [job("queued")]);
  const { work, seen } = start();
  work.leave();
  await settle();
  assert.deepEqual([asked, seen], [["POST /lens", "DELETE /lens/j"], []]);
});

test("a refusal is told and the same request can be made again", async () => {
  const { work } = start();
  await settle();
  assert.equal(work.state, "failed");
  assert.ok(work.problem?.message);
  answers.set("POST /lens", [job("done", { result: 7 })]);
  work.again();
  await settle();
  assert.deepEqual([work.state, work.result, work.problem], ["done", 7, null]);
});
