// After signing in somebody goes on where they wanted to, on this server only.
import assert from "node:assert/strict";
import test from "node:test";
import { deeds, standing } from "../../../frontend/assets/evident/access/accounts.mjs";
import { destination } from "../../../frontend/assets/evident/access/form.mjs";
import { deed, facts, moment, query } from "../../../frontend/assets/evident/access/log.mjs";
import { stays } from "../../../frontend/assets/evident/upload/files.mjs";

const ORIGIN = "https://evident.example";

test("an address of this server, with query and fragment", () => {
  assert.equal(destination("/cases?list=3#row", ORIGIN), "/cases?list=3#row");
  assert.equal(destination("/about", ORIGIN, "#papers"), "/about#papers");
  assert.equal(destination(null, ORIGIN), "/");
});

test("never another's", () => {
  for (const wished of [
    "//evil.example/",
    "https://evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/.//evil.example",
    "/..//evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    " //evil.example",
    "evil.example",
    "/sign-in?next=/sign-in",
    "http://[",
  ])
    assert.equal(destination(wished, ORIGIN), "/", wished);
});

test("the log in words", () => {
  assert.equal(deed("input.delete"), "input deleted");
  assert.equal(deed("session.open"), "signed in");
  assert.equal(deed("whatif.start"), "what-if asked for");
  assert.equal(deed("concept_analysis.stop"), "concept analysis stopped");
  assert.equal(deed("something.new"), "something.new");
  assert.equal(facts({ evident: "0.1.0", concepts: [], layers: ["a", "b"], gone: null, n: 0 }), "evident 0.1.0 · layers a, b · n 0");
  assert.equal(query({ who: "Ann Ø", action: "", offset: 0 }), "who=Ann+%C3%98&offset=0");
  const at = new Date(2026, 10, 22, 14, 2, 10);
  assert.equal(moment(at.getTime() / 1000), "2026-11-22 14:02:10");
});

test("how long an upload stays", () => {
  assert.equal(stays({}), "stays until it is deleted");
  assert.equal(stays({ retention_days: 30 }), "is deleted after 30 days, unless a case holds it");
  assert.equal(stays({ retention_days: 1, retention_cases: true }), "is deleted after 1 day");
});

test("what can be done with a user and how they are doing", () => {
  const user = { active: true, one_time: false, sessions: 2 };
  assert.deepEqual(
    deeds(user).map(([value]) => value),
    ["password", "sessions", "deactivate", "remove"],
  );
  assert.deepEqual(
    deeds({ active: false, sessions: 0 }).map(([value]) => value),
    ["password", "activate", "remove"],
  );
  assert.equal(standing(user), "2 sessions open");
  assert.equal(standing({ ...user, one_time: true }), "has yet to choose a password");
  assert.equal(standing({ ...user, active: false }), "let in no longer");
});
