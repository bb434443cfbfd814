// Many files on their way to a list: a server that is away is waited for, nothing is sent twice, and a stop is a stop.
import assert from "node:assert/strict";
import { mock, test } from "node:test";

globalThis.window = Object.assign(new EventTarget(), { localStorage: { getItem: () => null } });
globalThis.document = { body: { dataset: {} } };
const { Import } = await import("../../../frontend/assets/evident/cases/import.mjs");
const { plainName } = await import("../../../frontend/assets/evident/upload/dropped.mjs");

/** A server in this process: what it answers to a file is asked of `answer`, which may say {status} or null for an input. */
function serve(answer) {
  const sent = [];
  const lists = new Map();
  globalThis.XMLHttpRequest = class {
    listeners = {};
    upload = { addEventListener() {} };
    status = 0;
    addEventListener(kind, run) {
      this.listeners[kind] = run;
    }
    open() {}
    setRequestHeader() {}
    getResponseHeader() {
      return "";
    }
    abort() {
      this.listeners.abort();
    }
    send(form) {
      const { name } = form.get("file");
      const refusal = answer(name, sent.length);
      if (refusal === "never") return;
      queueMicrotask(() => {
        if (refusal?.status === 0) return this.listeners.error();
        if (!refusal) sent.push(name);
        this.status = refusal?.status ?? 201;
        this.responseText = JSON.stringify(refusal ? { detail: "refused" } : { id: `id of ${name}` });
        return this.listeners.load();
      });
    }
  };
  globalThis.fetch = async (_, { body }) => {
    const { inputs, names, title } = JSON.parse(body);
    const away = answer(null, sent.length);
    if (away) throw new TypeError("away");
    const list = lists.get("l") ?? { id: "l", title };
    lists.set("l", list);
    for (const id of inputs) lists.set(id, names[id]);
    return new Response(JSON.stringify({ worklist: list, added: inputs.length }), { status: 201 });
  };
  return { sent, names: () => [...lists.entries()].filter(([id]) => id !== "l").map(([, name]) => name) };
}

const files = (n) => Array.from({ length: n }, (_, i) => new File(["x"], `${i}.wav`));

/** Runs an import to its end, the clock put forward whenever it waits. @param {(work: any) => void} [seen] */
async function through(work, seen = () => {}) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const ended = work.run();
  while (!work.over) {
    for (let i = 0; i < 200 && !work.over; i += 1) await new Promise(setImmediate);
    seen(work);
    mock.timers.tick(10_000);
  }
  mock.timers.reset();
  await ended;
}

const page = { tell() {}, ended() {} };

test("while the server is away every file keeps its turn, and no file is called unreadable", async () => {
  let asked = 0;
  const server = serve((_, sent) => (sent >= 25 && asked++ < 9 ? { status: 0 } : null));
  const work = new Import(files(60), { model: "m", title: "t" }, {}, page);
  const waited = [];
  await through(work, ({ away, remaining }) => waited.push([Boolean(away), remaining]));
  assert.ok(waited.some(([away, remaining]) => away && remaining === null));
  assert.deepEqual([work.failures, work.added, work.done], [[], 60, 60]);
  assert.deepEqual(
    server.sent.toSorted(),
    files(60)
      .map(({ name }) => name)
      .toSorted(),
    "each was taken once",
  );
  assert.equal(new Set(server.names()).size, 60);
});

test("a busy server is asked again, a full one says so and goes on when asked, a bad file is named", async () => {
  const told = new Map();
  let full = true;
  serve((name) => {
    const times = told.get(name) ?? 0;
    told.set(name, times + 1);
    if (name === "1.wav" && times < 2) return { status: 503 };
    if (name === "2.wav") return { status: 415 };
    return name === "3.wav" && full ? { status: 507 } : null;
  });
  const work = new Import(files(8), { model: "m", title: "t" }, {}, page);
  await through(work);
  assert.equal(work.refused.status, 507);
  full = false;
  await through(work);
  assert.deepEqual([work.refused, work.added, work.done], [null, 7, 8]);
  assert.deepEqual(
    work.failures.map(({ name }) => name),
    ["2.wav"],
  );
});

test("stopped while the server is away, it ends at once and counts what was sent", async () => {
  const server = serve((_, sent) => (sent >= 4 ? { status: 0 } : null));
  const work = new Import(files(30), { model: "m", title: "t" }, {}, page);
  await through(work, () => work.stop());
  assert.deepEqual([work.stopped, work.done, work.failures], [true, server.sent.length, []]);
});

test("a stop takes back what is on its way", async () => {
  const server = serve((name, sent) => (name && sent >= 10 ? "never" : null));
  const work = new Import(files(30), { model: "m", title: "t" }, {}, page);
  await through(work, () => work.stop());
  assert.deepEqual([work.done, work.added], [server.sent.length, server.sent.length]);
  assert.ok(work.done < 30);
});

test("time left is the pace of the last files", async () => {
  serve(() => null);
  const work = new Import(files(5), { model: "m", title: "t" }, {}, page);
  await through(work);
  assert.equal(work.remaining, null, "five files have no pace yet");
  work.count = 105;
  work.queue = files(100);
  work.ends = Array.from({ length: 11 }, (_, i) => 500 * i);
  assert.equal(work.remaining, 50);
});

test("files of one name in two folders are told apart, and a name is one that a list can hold", async () => {
  const server = serve(() => null);
  const dropped = Object.assign(new File(["x"], "a.wav"), { inFolder: "ward/day 1/a.wav" });
  await through(new Import([dropped, new File(["y"], "b.wav")], { model: "m", title: "t" }, {}, page));
  assert.deepEqual(server.names().toSorted(), ["b.wav", "day 1/a.wav"]);
  assert.equal(plainName("a\u0007b\u202ec.wav"), "a?b?c.wav");
  assert.equal(plainName(`${"x".repeat(300)}.wav`).length, 200);
});
