// Evaluates one JSON line {code, argument} after the other with the modules at hand; answers {value} or {error}. Started by modules.py.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [base, handles] = process.argv.slice(2);
// biome-ignore lint/security/noGlobalEval: a test's own code
const evaluate = globalThis.eval;
await evaluate(readFileSync(handles, "utf8"))(base);

for await (const line of createInterface({ input: process.stdin })) {
  const { code, argument } = JSON.parse(line);
  try {
    const result = evaluate(`(${code})`);
    const value = await (typeof result === "function" ? result(argument) : result);
    process.stdout.write(`${JSON.stringify({ value })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: String(error.stack) })}\n`);
  }
}
