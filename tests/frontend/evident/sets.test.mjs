// Which inputs the filters of a layer can be studied over, and what is told of them.
import assert from "node:assert/strict";
import test from "node:test";

const storage = new Map();
globalThis.window = {
  dash_clientside: { set_props: () => {} },
  localStorage: { getItem: (key) => storage.get(key) ?? null, setItem: (key, text) => storage.set(key, text) },
};
globalThis.document = { body: { dataset: {} } };
const { asked, inputSets } = await import("../../../frontend/assets/evident/inside/sets.mjs");

/** @param {{[path: string]: any}} answers by the beginning of the path */
function serve(answers) {
  globalThis.fetch = async (url) => {
    const path = Object.keys(answers).find((start) => String(url).startsWith(`/api/v1${start}`));
    return new Response(JSON.stringify(path ? answers[path] : { status: 404, detail: "No." }), { status: path ? 200 : 404 });
  };
}

const opened = (count, modality) => Array.from({ length: count }, (_, n) => ({ id: `${modality}${n}`, name: "x", modality }));
const cases = (count, more = {}) =>
  Array.from({ length: count }, (_, n) => ({ input: `i${n}`, modality: "audio", gone: false, label: "wheeze", ...more }));

test("folder, this device and worklists are offered where they hold ten inputs that the model takes", async () => {
  storage.set("evident-recent", JSON.stringify([...opened(9, "image"), ...opened(12, "audio")]));
  serve({
    "/worklists": [
      { id: "w", title: "Ward 3", total: 10 },
      { id: "v", title: "Few", total: 9 },
    ],
  });
  const folder = { title: "12 files of your folder", inputs: [] };
  const sets = await inputSets([folder], ["audio"]);
  assert.deepEqual(
    sets.map(({ title }) => title),
    ["12 files of your folder", "12 files opened on this device", "Worklist Ward 3 (10)"],
  );
  assert.equal(sets[1].inputs.length, 12);
  assert.equal((await inputSets([], ["image"])).length, 1, "nine pictures are too few");
  serve({});
  assert.deepEqual(await inputSets([folder], ["image"]), [folder], "nobody has signed in");
});

test("of a worklist the inputs are taken and nothing that is said of its cases", async () => {
  serve({
    "/cases?worklist=w": { cases: [...cases(10), ...cases(2, { gone: true, input: "g" }), ...cases(3, { modality: "image", input: "p" })] },
  });
  const over = await asked({ title: "", worklist: "w" }, ["audio"]);
  assert.deepEqual(over, { inputs: cases(10).map(({ input }) => input) });
  await assert.rejects(asked({ title: "", worklist: "w" }, ["image"]), /Fewer than 10/);
});

test("a folder keeps its labels", async () => {
  assert.deepEqual(await asked({ title: "", inputs: ["a"], labels: [1] }, []), { inputs: ["a"], labels: [1] });
  assert.deepEqual(await asked({ title: "", inputs: ["a"], labels: null }, []), { inputs: ["a"] });
});
