// The address bar: what is an entry of the history, what Back asks for, and what travels from page to page.
import assert from "node:assert/strict";
import test from "node:test";

const bar = { pathname: "/", search: "", origin: "http://here" };
const entries = [];
const told = [];
let body = "compare-body";

const write = (kind) => (_state, _title, address) => {
  [bar.pathname, bar.search] = [address.split("?")[0], address.includes("?") ? `?${address.split("?")[1]}` : ""];
  bar.href = bar.origin + address;
  entries.push([kind, address]);
};
globalThis.window = {
  location: bar,
  history: { pushState: write("push"), replaceState: write("replace") },
  dash_clientside: { no_update: null, set_props: (id, props) => told.push([id, props]) },
};
globalThis.document = { getElementById: (id) => (id === body ? {} : null) };

const { compareChoice, compareLink } = await import("../../../frontend/assets/evident/dash/address.mjs");
const { arrive, follow, isChoice, publish } = await import("../../../frontend/assets/evident/dash/bar.mjs");
const { queryFor } = await import("../../../frontend/assets/evident/dash/work.mjs");

const visit = (address, detail = "popstate") => {
  const seen = { stopped: false };
  write("visit")(null, "", address);
  entries.length = 0;
  follow({ detail, preventDefault: () => Object.assign(seen, { stopped: true }) });
  return seen.stopped;
};
const work = (input, model = "m", target = null) => ({ input, model, target });

test("a choice is another input, model or class; the predicted class, once known, is none", () => {
  assert.ok(isChoice("/", "input=a&model=m&target=1", "input=b&model=m"));
  assert.ok(isChoice("/", "input=a&model=m&target=1", "input=a&model=n"));
  assert.ok(isChoice("/", "input=a&model=m&target=1", "input=a&model=m&target=2"));
  assert.ok(isChoice("/", "", "input=a&model=m"));
  assert.ok(isChoice("/", "input=a&model=m", ""));
  assert.ok(!isChoice("/", "input=a&model=m", "input=a&model=m&target=1"));
  assert.ok(!isChoice("/", "input=a&model=m&look=70", "input=a&model=m&look=80&layer=x"));
  assert.ok(isChoice("/concepts", "model=m", "model=m&class=2"), "on Concepts no class is the predicted one");
  assert.ok(isChoice("/concepts", "model=m&input=a", "model=m&input=a,b"));
  assert.ok(!isChoice("/concepts", "model=m&input=a,b", "model=m&input=b"), "an input that is gone");
});

test("opening replaces, a choice pushes, a look replaces, closing clears", () => {
  visit("/");
  publish("/", "", null, { asked: 1 });
  publish("/", "model=m&input=a", work("a"), { asked: 1 });
  publish("/", "model=m&input=a&target=1&look=70", work("a"), { asked: 1 });
  publish("/", "model=m&input=b", work("b"), { asked: 1 });
  publish("/", "", null, { asked: 1 });
  assert.deepEqual(entries, [
    ["push", "/?model=m&input=a"],
    ["replace", "/?model=m&input=a&target=1&look=70"],
    ["push", "/?model=m&input=b"],
    ["push", "/"],
  ]);
});

test("a choice made before the page has written is one; what a link could not have is none", () => {
  visit("/?model=unknown&input=a");
  const [, { data }] = told.at(-1);
  arrive(data);
  publish("/", "model=m&input=a&target=1", work("a"), data);
  assert.deepEqual(entries, [["replace", "/?model=m&input=a&target=1"]]);
  visit("/?model=m&input=b");
  arrive(told.at(-1)[1].data);
  publish("/", "", null, told.at(-1)[1].data);
  assert.deepEqual(entries, [["push", "/"]]);
});

test("Back asks the page on show, and what is still on its way from before writes nothing", () => {
  assert.ok(visit("/?model=m&input=a&target=1"), "Dash does not draw the page again");
  const [store, { data }] = told.at(-1);
  assert.equal(store, "query-store");
  assert.deepEqual({ ...data, asked: 0 }, { model: "m", input: "a", target: "1", asked: 0 });
  publish("/", "model=m&input=b&look=1", work("b"), { asked: data.asked - 1 });
  publish("/", "model=m&input=b&look=1", work("b"), null);
  assert.equal(entries.length, 0, "the page of before");
  publish("/", "model=m&input=a&target=1&look=9", work("a"), data);
  assert.deepEqual(entries, [["replace", "/?model=m&input=a&target=1&look=9"]]);
  const asked = told.length;
  assert.ok(visit("/?model=m&input=a&target=1&look=9"), "a link within the page");
  assert.equal(told.length, asked, "is no reason to draw it again");
});

test("a second side is a choice, and the way back from it", () => {
  assert.ok(isChoice("/", "model=m&input=a", "model=m&input=a&beside=model:n"));
  assert.ok(isChoice("/", "model=m&input=a&beside=model:n", "model=m&input=a"));
  assert.ok(!isChoice("/", "model=m&input=a&beside=model:n", "model=m&input=a&beside=model:n&paired=1"));
  const own = { query: "model=m&input=a&beside=model:n&paired=1", subject: work("a") };
  assert.match(queryFor("/", work("b"), own), /beside=model%3An&paired=1/);
  assert.doesNotMatch(queryFor("/", work("b", "n"), own), /beside/);
});

test("another page is Dash's to open", () => {
  body = "concepts-body";
  assert.ok(!visit("/?model=m&input=a"));
  body = "compare-body";
});

test("an address whose input is gone stays, and nothing is half written", () => {
  visit("/?model=m&input=gone");
  arrive(told.at(-1)[1].data, false);
  publish("/", "", null, told.at(-1)[1].data);
  assert.equal(entries.length, 0);
  const [opened, input, subject] = [told.at(-1)[1].data, { id: "b" }, { input: "a", model: "m" }];
  compareLink(opened, input, subject, null, []);
  assert.equal(entries.length, 0, "the model of input b is not known yet");
  visit("/?model=m&input=c");
  compareChoice(told.at(-1)[1].data, { id: "c" }, { input: "c", model: "m" }, null, []);
  assert.equal(entries.length, 0, "its layer is not known yet");
});

test("a link of the navigation holds the work, and what else its page was set to where that still fits", () => {
  const own = { query: "model=m&input=a&target=2&methods=lrp&layer=c1&look=7&start=1", subject: work("a", "m", "2") };
  const parts = (subject) => Object.fromEntries(new URLSearchParams(queryFor("/", subject, own)));
  assert.equal(queryFor("/", work("a", "m", "2"), own), own.query);
  assert.deepEqual(parts(work("b")), { model: "m", input: "b", methods: "lrp", look: "7", layer: "c1" });
  assert.deepEqual(parts(work("b", "n", "4")), { model: "n", input: "b", target: "4", methods: "lrp", look: "7" });
  assert.equal(queryFor("/concepts", work("a", "m", "2"), undefined), "model=m&input=a&class=2");
  assert.equal(queryFor("/about", work("a"), undefined), "");
  assert.equal(queryFor("/", undefined, undefined), "");
});

test("a link to Compare that names a model takes the open input along, Back does not", () => {
  visit("/");
  publish("/", "", null, told.at(-1)[1].data);
  publish("/", "model=m&input=a&methods=lrp&layer=c1&target=2", work("a", "m", "2"), null);
  body = "models-body";
  const link = "_dashprivate_pushstate";
  assert.ok(!visit("/?model=n", link));
  assert.deepEqual(entries, [["replace", "/?model=n&methods=lrp&along=a"]]);
  visit("/?model=n&input=b", link);
  visit("/?model=n");
  visit("/models", link);
  assert.equal(entries.length, 0);
  visit("/?model=n", link);
  body = "compare-body";
  arrive({});
  publish("/", "model=n&input=a&methods=lrp", work("a", "n"), {});
  assert.deepEqual(entries.at(-1), ["replace", "/?model=n&input=a&methods=lrp"], "no entry of its own: Back would come here again");
});

test("closing the input puts the work away", () => {
  visit("/");
  publish("/", "", null, told.at(-1)[1].data);
  publish("/", "model=m&input=a", work("a"), null);
  assert.deepEqual(told.slice(-4), [
    [{ type: "nav", path: "/" }, { href: "/?model=m&input=a" }],
    [{ type: "nav", path: "/concepts" }, { href: "/concepts?model=m&input=a" }],
    [{ type: "nav", path: "/inside" }, { href: "/inside?model=m&input=a" }],
    [{ type: "nav", path: "/measure" }, { href: "/measure?model=m&input=a" }],
  ]);
  publish("/", "", null, null);
  assert.deepEqual(
    told.slice(-4).map(([, props]) => props.href),
    ["/", "/concepts", "/inside", "/measure"],
  );
});

test("a study comes back with its choice, also after another input of the same model", () => {
  const own = { query: "model=m&set=s&methods=lrp&study=e1&cell=lrp%3Ax", subject: work("a") };
  assert.equal(queryFor("/measure", work("a"), own), own.query);
  assert.equal(queryFor("/measure", work("b"), own), "model=m&input=b&set=s&methods=lrp&study=e1");
  assert.equal(queryFor("/measure", work("b", "n"), own), "model=n&input=b");
});
