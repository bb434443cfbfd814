// The reviewer's name: kept in the browser, sent so that the server can read it, never something that cannot be seen.
import assert from "node:assert/strict";
import test from "node:test";
import {
  chooseReviewer,
  chosenReviewer,
  cleanName,
  LETTERS,
  NAMELESS,
  reviewer,
  reviewerHeaders,
} from "../../../frontend/assets/evident/core/reviewer.mjs";

const kept = new Map();
globalThis.window = {
  localStorage: {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  },
};
globalThis.document = {};

test("nobody chose a name: none is sent", () => {
  assert.equal(reviewer(), NAMELESS);
  assert.deepEqual(reviewerHeaders(), {});
});

test("a chosen name stays, is sent in ASCII, and goes with the cookie", () => {
  assert.equal(chooseReviewer("  Dr Ødegård\u202e\n "), "Dr Ødegård");
  assert.deepEqual(reviewerHeaders(), { "Evident-Reviewer": "Dr%20%C3%98deg%C3%A5rd" });
  assert.match(document.cookie, /^evident_reviewer=Dr%20%C3%98deg%C3%A5rd; path=\/; max-age=31536000; samesite=strict$/);
  assert.equal(chooseReviewer(""), NAMELESS);
  assert.equal(chosenReviewer(), "");
  assert.match(document.cookie, /max-age=0/);
});

test("a name ends between two characters, and can be sent", () => {
  const long = cleanName("😀".repeat(LETTERS + 5));
  assert.equal([...long].length, LETTERS);
  assert.equal(decodeURIComponent(encodeURIComponent(long)), long);
  assert.equal(cleanName("a\ud800b"), "ab");
});
