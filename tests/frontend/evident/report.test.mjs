// Addresses and words of the report.
import assert from "node:assert/strict";
import test from "node:test";
import { ofCase, ofMaps, STATES, VERDICTS } from "../../../frontend/assets/evident/report/words.mjs";

const view = (more) => ({
  ids: ["a", "b"],
  look: { opacity: 70, top: 20, sign: "for", scale: "raw" },
  link: "http://127.0.0.1:8050/?model=x&look=70,20",
  name: "",
  asked: false,
  ...more,
});
const queryOf = (path) => Object.fromEntries(new URLSearchParams(path.split("?")[1]));

test("a report is asked for as the page shows it", () => {
  const path = ofMaps(view({ name: "Röntgen & co.png" })).path("pdf");
  assert.ok(path.startsWith("/explanations/report.pdf?"));
  assert.deepEqual(queryOf(path), {
    ids: "a,b",
    opacity: "0.7",
    top: "20",
    sign: "for",
    scale: "raw",
    link: "http://127.0.0.1:8050/?model=x&look=70,20",
    name: "Röntgen & co.png",
  });
});

test("a withheld score is asked for only where it is shown, and a link that is too long is left out", () => {
  assert.equal(queryOf(ofMaps(view({ asked: true })).path("html")).asked, "true");
  assert.equal("asked" in queryOf(ofMaps(view()).path("html")), false);
  assert.equal("link" in queryOf(ofMaps(view({ link: `http://${"a".repeat(5000)}` })).path("html")), false);
});

test("the dialog says what the report will hold", () => {
  const of = (ids) => ofMaps(view({ ids }));
  assert.match(of([]).words, /^No map is finished/);
  assert.equal(of([]).ready, false);
  assert.match(of(["a"]).words, /^The finished map with/);
  assert.match(of(["a", "b", "c", "d"]).words, /^The 4 finished maps with/);
  assert.equal(of(["a"]).ready, true);
});

test("the report of a case follows once the model was shown", () => {
  const hidden = ofCase({ id: "c 1", blind: true, revealed: false }, "http://x/cases", false);
  assert.deepEqual([hidden.ready, hidden.what], [false, "this case"]);
  assert.match(hidden.words, /still hidden from you/);
  const open = ofCase({ id: "c 1", blind: false, revealed: false }, "http://x/cases", true);
  assert.equal(open.ready, true);
  assert.ok(open.path("json").startsWith("/cases/c%201/report.json?"));
  assert.deepEqual(queryOf(open.path("json")), { link: "http://x/cases", asked: "true" });
  assert.deepEqual(queryOf(ofCase({ id: "c", blind: true, revealed: true }, "a".repeat(5000), false).path("pdf")), {});
});

test("no state is told by colour alone", () => {
  for (const states of [STATES, VERDICTS])
    assert.equal(new Set(Object.values(states).map(({ word }) => word)).size, Object.keys(states).length);
});
