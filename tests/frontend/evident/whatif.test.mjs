// Regions as cells and boxes, and the outcome in words and dots.
import assert from "node:assert/strict";
import test from "node:test";
import { cellsInside } from "../../../frontend/assets/evident/evidence/regions.mjs";
import * as cells from "../../../frontend/assets/evident/whatif/cells.mjs";
import { scores, span, stacked } from "../../../frontend/assets/evident/whatif/dots.mjs";
import { spoken } from "../../../frontend/assets/evident/whatif/outcome.mjs";

const axis = (name, unit, values, origin = "upper") => ({ name, unit, values, origin });
const even = (n, first, step) => Array.from({ length: n }, (_, i) => first + i * step);
const photo = { x_axis: axis("x", "px", even(12, 10.5, 3)), y_axis: axis("y", "px", even(8, 4.25, 2.5)) };
const mel = {
  x_axis: axis("time", "s", even(10, 0.5, 0.1)),
  y_axis: axis("frequency", "Hz", [60, 130, 260, 500, 1000, 1900, 3600], "lower"),
};

test("boxes of any cells come back as those cells, on even and on mel axes", () => {
  let state = 7;
  const random = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
  for (const axes of [photo, mel]) {
    const [rows, cols] = [axes.y_axis.values.length, axes.x_axis.values.length];
    for (let trial = 0; trial < 40; trial += 1) {
      const inside = Uint8Array.from({ length: rows * cols }, () => (random() < trial / 40 ? 1 : 0));
      const boxes = cells.boxesOf(inside, axes);
      assert.deepEqual(cellsInside({ boxes, mask: null }, axes), inside);
    }
  }
});

test("a rectangle is one box, also over many rows", () => {
  const inside = cells.fillRect(new Uint8Array(96), 12, { r0: 2, r1: 6, c0: 3, c1: 4 });
  assert.deepEqual(cells.rectsOf(inside, 8, 12), [{ r0: 2, r1: 6, c0: 3, c1: 4 }]);
  assert.deepEqual(cells.boundsOf(inside, 8, 12), { r0: 2, r1: 6, c0: 3, c1: 4 });
  assert.equal(cells.boundsOf(new Uint8Array(96), 8, 12), null);
});

test("a rectangle is moved and sized inside the grid, and never vanishes", () => {
  const rect = { r0: 2, r1: 4, c0: 3, c1: 6 };
  assert.deepEqual(cells.moved(rect, -9, 90, 8, 12), { r0: 0, r1: 2, c0: 8, c1: 11 });
  assert.deepEqual(cells.sized(rect, -9, 90, 8, 12), { r0: 2, r1: 2, c0: 3, c1: 11 });
  for (const at of [
    { row: 0, col: 0 },
    { row: 7, col: 11 },
    { row: 3, col: 5 },
  ]) {
    const around = cells.rectAround(at, 8, 12);
    assert.deepEqual([around.r1 - around.r0, around.c1 - around.c0], [1, 2]);
    assert.ok(around.r0 >= 0 && around.c0 >= 0 && around.r1 < 8 && around.c1 < 12);
  }
});

test("a stroke is every cell whose centre lies within its width, whatever its direction", () => {
  const [rows, cols] = [20, 30];
  const [from, to] = [
    { u: 0.2, v: 0.3 },
    { u: 0.8, v: 0.75 },
  ];
  const painted = cells.stroke(new Uint8Array(rows * cols), rows, cols, from, to, 0.2);
  for (let r = 0; r < rows; r += 1) {
    for (let c = 0; c < cols; c += 1) {
      let nearest = Infinity;
      for (let t = 0; t <= 1; t += 0.001) {
        const x = (from.u + t * (to.u - from.u)) * cols;
        const y = (from.v + t * (to.v - from.v)) * rows;
        nearest = Math.min(nearest, Math.hypot(c + 0.5 - x, r + 0.5 - y));
      }
      if (Math.abs(nearest - 3) > 0.05) assert.equal(painted[r * cols + c], nearest < 3 ? 1 : 0, `${r} ${c}`);
    }
  }
  assert.deepEqual(cells.stroke(new Uint8Array(rows * cols), rows, cols, to, from, 0.2), painted);
  assert.ok(cells.stroke(new Uint8Array(rows * cols), rows, cols, to, to, 0).includes(1), "a tap of a hair paints a cell");
});

test("a place in words", () => {
  const band = cells.fillRect(new Uint8Array(70), 10, { r0: 0, r1: 6, c0: 2, c1: 4 });
  assert.equal(cells.placeOf(band, mel), "0.65\u20130.95 s, all Hz");
  const rows = cells.fillRect(new Uint8Array(96), 12, { r0: 1, r1: 2, c0: 0, c1: 11 });
  assert.equal(cells.placeOf(rows, photo), "full width, y 6\u201311 px");
  assert.equal(cells.placeOf(new Uint8Array(96), photo), "");
});

const told = (more) => ({
  mode: "erase",
  before: 0.81,
  after: 0.44,
  randoms: [0.8, 0.79, 0.2],
  odds_before: 1.45,
  odds_after: -0.24,
  odds_randoms: [1.4, 1.3, -1.4],
  stronger_than: 2,
  ...more,
});

test("the outcome in a sentence", () => {
  assert.equal(spoken(told({})), "Erasing this region: 0.81 \u2192 0.44, stronger than 2 of 3 random regions.");
  assert.equal(spoken(told({ mode: "keep" })), "Keeping only this region: 0.81 \u2192 0.44, higher than with 2 of 3 random regions.");
  assert.match(spoken(told({ randoms: [], odds_randoms: [] })), /no other place/);
});

test("where the probability hides the change, the log odds are told", () => {
  const hidden = told({ before: 0.9999, after: 0.998, odds_before: 9.2, odds_after: 6.2 });
  assert.equal(spoken(hidden), "Erasing this region: 1.00 \u2192 1.00 (log odds 9.2 \u2192 6.2), stronger than 2 of 3 random regions.");
  assert.deepEqual(scores(hidden).randoms, [1.4, 1.3, -1.4]);
  assert.equal(scores(told({ before: 0.9999 })).odds, false, "0.44 says it all");
});

test("dots that meet stand on each other, and all of them are on the line", () => {
  const values = [0.5, 0.5, 0.5, 0.9, 0.1];
  const ends = span(values);
  const dots = stacked(values, ends, 10);
  assert.deepEqual(
    dots.map(({ level }) => level),
    [0, 1, 2, 0, 0],
  );
  assert.ok(dots.every(({ at }) => at > 0 && at < 1));
  assert.ok(dots[4].at < dots[0].at && dots[0].at < dots[3].at);
  const same = span([1, 1]);
  assert.ok(same[0] < 1 && same[1] > 1);
});
