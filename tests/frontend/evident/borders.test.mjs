// A page's modules know no other page's: what several pages use lies in a folder of its own.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import test from "node:test";

const ROOT = resolve(import.meta.dirname, "../../../frontend/assets/evident");
const PAGES = ["cases", "concepts", "inside", "measure", "models"];

const imports = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".mjs") && file !== "main.mjs")
  .flatMap((file) =>
    [...readFileSync(join(ROOT, file), "utf8").matchAll(/from "(\.[^"]+)"/g)].map(([, path]) => ({
      from: file,
      to: relative(ROOT, resolve(ROOT, dirname(file), path)),
    })),
  );

const page = (path) => PAGES.find((name) => path.startsWith(`${name}/`));

test("a page knows no other page, and what is shared knows none", () => {
  assert.ok(imports.length > 300, "imports were read");
  const across = imports.filter(({ from, to }) => page(to) && page(to) !== page(from));
  assert.deepEqual(across, []);
});

test("the ground floor imports nothing from above", () => {
  const up = imports.filter(({ from, to }) => from.startsWith("core/") && !to.startsWith("core/"));
  assert.deepEqual(up, []);
});
