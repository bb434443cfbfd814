/* What the Cases page computes and says of lists, recordings and verdicts, as far as no document is needed. */
import assert from "node:assert/strict";
import { test } from "node:test";

const at = "../../../frontend/assets/evident/cases";
const choosing = await import(`${at}/choice.mjs`);
const reading = await import(`${at}/reading.mjs`);
const spectrum = await import(`${at}/spectrum.mjs`);

test("the address holds list, case, step and filters, and reads back as it was written", () => {
  const choice = { list: "l1", case: "c7", step: 3, state: "todo", verdict: "", search: "heavy cough", low: "0.4", high: "", sort: "name" };
  assert.deepEqual(choosing.fromQuery(choosing.toQuery(choice)), choice);
  assert.deepEqual(choosing.toQuery(choosing.fromQuery({})), {}, "the page's own beginning needs no address");
  assert.deepEqual(choosing.toQuery(choosing.fromQuery({ case: "c1", step: "2" })), {}, "no case without its list");
  for (const step of ["0", "5", "2.5", "x", ""]) assert.equal(choosing.fromQuery({ list: "l", step }).step, 1, step);
  assert.equal(choosing.fromQuery({ state: "secret", sort: "__proto__" }).sort, "arrival");
});

test("in a blind list the model comes after one's own reading, in an open one at once", () => {
  assert.equal(choosing.farthest({ blind: true, revealed: false }), 2);
  assert.equal(choosing.farthest({ blind: true, revealed: true }), 4);
  assert.equal(choosing.farthest({ blind: false, revealed: true }), 4);
});

test("other lines are asked for when the list, a filter or the order changes, not for another case or step", () => {
  const choice = choosing.fromQuery({ list: "l", case: "c" });
  assert.ok(!choosing.otherRows(choice, { ...choice, case: "d", step: 2 }));
  for (const part of [{ list: "m" }, { state: "todo" }, { search: "x" }, { low: "0.5" }, { high: "0.5" }, { sort: "score" }])
    assert.ok(choosing.otherRows(choice, { ...choice, ...part }), JSON.stringify(part));
});

test("a range of scores is within 0 and 1, either way round, and the line shows what it is narrowed by", () => {
  const ends = (from, to) => {
    const { low, high } = choosing.fromQuery({ score_from: from, score_to: to });
    return [low, high];
  };
  assert.deepEqual(ends("60", "-1"), ["1", "0"]);
  assert.deepEqual(ends("many", ""), ["", ""]);
  const asked = (low, high) => {
    const query = new URLSearchParams(choosing.rowsQuery({ ...choosing.fromQuery({ list: "l" }), low, high }, 0, 10));
    return [query.get("score_from"), query.get("score_to")];
  };
  assert.deepEqual(asked("0.6", "0.5"), ["0.5", "0.6"]);
  assert.deepEqual(asked("", "0"), [null, "0"], "nought is an end");
  const line = { model_says: "No Covid", score: 0.318, score_of: "Covid" };
  assert.deepEqual([reading.modelWord(line), reading.modelWord(line, true)], ["No Covid", "Covid 0.32"]);
  assert.equal(reading.modelWord({ model_says: "withheld", score: null }, true), "withheld");
});

/** A 16-bit mono WAV as the server writes it, with another chunk before the sound. */
function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 10 + 2 * samples.length));
  const text = (place, word) => {
    for (const [i, letter] of [...word].entries()) view.setUint8(place + i, letter.charCodeAt(0));
  };
  text(0, "RIFF");
  text(8, "WAVE");
  text(12, "LIST");
  view.setUint32(16, 1, true); // of odd length: padded by a byte
  text(22, "fmt ");
  view.setUint32(26, 16, true);
  view.setUint16(30, 1, true);
  view.setUint16(32, 1, true);
  view.setUint32(34, rate, true);
  view.setUint16(44, 16, true);
  text(46, "data");
  view.setUint32(50, 2 * samples.length, true);
  for (const [i, x] of samples.entries()) view.setInt16(54 + 2 * i, Math.round(32767 * x), true);
  return view.buffer;
}

test("a WAV gives back its samples and rate, and what is none is refused", () => {
  const sent = Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const { rate, samples } = spectrum.readWav(wav(sent, 16000));
  assert.equal(rate, 16000);
  assert.equal(samples.length, sent.length);
  for (const [i, x] of sent.entries()) assert.ok(Math.abs(samples[i] - x) < 1e-4);
  assert.throws(() => spectrum.readWav(new ArrayBuffer(60)), /not a WAV/);
});

test("the fast transform is the slow one", () => {
  const n = 64;
  const [re, im] = [
    Float64Array.from({ length: n }, (_, i) => Math.sin(i * i)),
    Float64Array.from({ length: n }, (_, i) => Math.cos(3 * i)),
  ];
  const slow = Array.from({ length: n }, (_, k) => {
    let [a, b] = [0, 0];
    for (let i = 0; i < n; i += 1) {
      const angle = (-2 * Math.PI * i * k) / n;
      a += re[i] * Math.cos(angle) - im[i] * Math.sin(angle);
      b += re[i] * Math.sin(angle) + im[i] * Math.cos(angle);
    }
    return [a, b];
  });
  spectrum.fft(re, im);
  for (const [k, [a, b]] of slow.entries()) assert.ok(Math.abs(re[k] - a) + Math.abs(im[k] - b) < 1e-9, String(k));
});

test("a tone shows at its frequency and at its time, on axes that are ascending and reach over the recording", () => {
  for (const [rate, tone] of [
    [16000, 1000],
    [8000, 300],
    [48000, 9000],
  ]) {
    const seconds = 1.2;
    const samples = Float32Array.from({ length: rate * seconds }, (_, i) =>
      i > 0.6 * rate && i < 0.9 * rate ? Math.sin((2 * Math.PI * tone * i) / rate) : 0,
    );
    const { grey, rows, cols, axes } = spectrum.spectrogram({ rate, samples });
    let best = 0;
    for (let i = 0; i < grey.length; i += 1) if (grey[i] > grey[best]) best = i;
    const [row, col] = [Math.floor(best / cols), best % cols];
    const { values: hertz } = axes.y_axis;
    const { values: times } = axes.x_axis;
    assert.equal(hertz.length, rows);
    assert.equal(times.length, cols);
    assert.ok(Math.abs(hertz[row] - tone) < Math.max(2 * (hertz[row + 1] - hertz[row]), 1.5 / 0.032), `${tone}: ${hertz[row]}`);
    assert.ok(times[col] > 0.58 && times[col] < 0.92, String(times[col]));
    assert.ok([hertz, times].every((values) => values.every((x, i) => i === 0 || x > values[i - 1])));
    assert.ok(Math.abs(times[cols - 1] + (times[1] - times[0]) / 2 - seconds) < 1e-6, "the last cell ends with the recording");
    assert.equal(grey[Math.floor(cols / 8)], 0, "silence is black");
  }
});

test("a recording of ten minutes is not wider than can be drawn", () => {
  const { cols } = spectrum.spectrogram({ rate: 8000, samples: new Float32Array(600 * 8000) });
  assert.ok(cols <= 1000);
});

const binary = (p, more = {}) => ({
  classes: [
    { index: 0, label: "no Covid-19", probability: 1 - p },
    { index: 1, label: "Covid-19", probability: p },
  ],
  top: p > 0.5 ? 1 : 0,
  interval: { 0: [0.39, 0.54], 1: [0.46, 0.61] },
  coughs: [{ scores: { 0: 0.54, 1: 0.46 } }, { scores: { 0: 0.39, 1: 0.61 } }],
  ...more,
});

test("of two classes the line runs from the first to the second, whichever is likelier", () => {
  const line = reading.scoreLine(binary(0.2));
  assert.deepEqual(
    [line.word, line.score, line.left, line.right, line.low, line.high],
    ["no Covid-19", 0.2, "no Covid-19", "Covid-19", 0.46, 0.61],
  );
  assert.deepEqual(line.ticks, [0.46, 0.61]);
  assert.equal(reading.scoreLine(binary(0.54, { undecided: true })).word, "undecided");
  assert.equal(reading.intervalWords(line), "(0.46 to 0.61 over 2 coughs)");
  assert.equal(reading.intervalWords(reading.scoreLine(binary(0.2, { interval: {}, coughs: [] }))), "");
});

test("of many classes the line is that of the likeliest", () => {
  const classes = ["cat", "dog", "owl"].map((label, index) => ({ index, label, probability: [0.1, 0.2, 0.7][index] }));
  const line = reading.scoreLine({ classes, top: 2, interval: { 2: [0.6, 0.8] } });
  assert.deepEqual([line.word, line.score, line.left, line.right, line.middle], ["owl", 0.7, "0", "owl", false]);
});

test("what a map holds of a region is weighed against chance", () => {
  const text = (held) =>
    reading
      .regionSentence({ any: true, ...held })
      .map(([part]) => part)
      .join("");
  assert.match(text({ share: 0.11, uniform: 0.11, times: 1 }), /11 % of its support, as much as chance \(11 % of the picture\)/);
  assert.match(text({ share: 0.22, uniform: 0.11, times: 2 }), /twice its share/);
  assert.match(text({ share: 0.01, uniform: 0.2, times: 0.05 }), /less than chance/);
  assert.match(text({ share: 0, uniform: 0.2, times: 0 }), /almost nothing/);
  assert.match(text({ share: null, uniform: 0.2, times: null }), /Nothing in this map is positive/);
  assert.match(text({ any: false, share: 0, uniform: 0, times: null }), /outside the part/);
});

test("labels along a line keep their order, do not touch, and stay as near as they can", () => {
  for (let round = 0; round < 300; round += 1) {
    const [width, length] = [40, 600];
    const n = 1 + Math.floor(Math.random() * 15);
    const centres = Array.from({ length: n }, () => Math.random() * length).sort((a, b) => a - b);
    const lefts = reading.spread(centres, width, length);
    assert.ok(lefts);
    lefts.forEach((left, i) => {
      assert.ok(left >= -1e-9 && left + width <= length + 1e-9, "inside");
      if (i) assert.ok(left - lefts[i - 1] >= width - 1e-9, "apart");
    });
  }
  assert.deepEqual(reading.spread([100, 300], 40, 600), [80, 280], "where there is room each stands at its place");
  assert.deepEqual(reading.spread([290, 300, 310], 40, 600), [240, 280, 320], "those that meet stand around their middle");
  assert.equal(reading.spread(new Array(16).fill(1), 40, 600), null, "too many for the line");
});

test("kappa is said in words, also where it is not defined", () => {
  assert.equal(reading.kappaLine({ kappa: 0.412, low: 0.12, high: 0.7 }), "0.41 (0.12\u20130.70), moderate");
  assert.equal(reading.kappaLine({ kappa: 0.1, low: -0.3, high: 0.5 }), "0.10 (\u22120.30 to 0.50), slight");
  assert.equal(reading.kappaLine({ kappa: null, low: null, high: null }), "not defined");
  assert.equal(reading.kappaLine({ kappa: -1, low: null, high: null }), "\u22121.00, too few cases for an interval");
  assert.equal(reading.sameWords({ agree: 12 / 14, n: 14, left_out: 1 }), "12 of 14; 1 left out");
  assert.equal(reading.sameWords({ agree: 0.5, n: 2, left_out: 13, after: 1 }), "1 of 2, in the end 2; 13 left out");
  assert.equal(reading.sameWords({ agree: null, n: 0, left_out: 3, after: null }), "no case in common; 3 left out");
  assert.deepEqual([-0.1, 0, 0.2, 0.21, 0.6, 0.61, 0.8, 0.81, 1].map(reading.kappaWords), [
    "less than by chance",
    "slight",
    "slight",
    "fair",
    "moderate",
    "substantial",
    "substantial",
    "almost perfect",
    "almost perfect",
  ]);
});

test("a check that passed shows its figure at a glance", () => {
  const figure = (detail, state = "ok") => reading.figureOf({ state, detail });
  assert.equal(figure("The loudest sound is 85 dB above the background."), "85 dB");
  assert.equal(figure("Sound up to 7.6 kHz."), "7.6 kHz");
  assert.equal(figure("No clipping."), "none");
  assert.equal(figure("5.2 s."), "5.2 s");
  assert.equal(figure("Another channel: sound above 4 kHz", "bad"), "", "what is not in order is said in full");
});

test("long names lose their middle, never their ending", () => {
  assert.equal(reading.shortName("cough.wav"), "cough.wav");
  const short = reading.shortName("hRB1GYdIabcdefghijklmnopqrstuvwxyz cough-heavy.flac", 24);
  assert.equal(short.length, 24);
  assert.ok(short.startsWith("hRB1GYdI") && short.endsWith("heavy.flac"), short);
});

test("a narrow list leaves out that a case is generated, and nothing else of its name", () => {
  assert.equal(reading.listName(`A dry cough${reading.GENERATED}`), "A dry cough");
  assert.equal(reading.listName("cough (generated) 2.wav"), "cough (generated) 2.wav");
});

test("a reading is a class of the model, cannot say, or nothing", () => {
  const labels = ["no Covid-19", "Covid-19"];
  assert.deepEqual(
    [0, 1, "cannot_say", null, undefined].map((value) => reading.readingWord(value, labels)),
    ["no Covid-19", "Covid-19", "cannot say", "", ""],
  );
});

test("the AUCs of a card are all of them, the network's own first", () => {
  const figures = [
    { label: "accuracy", value: 0.9 },
    { label: "AUC by person", value: 0.63, low: 0.57, high: 0.69 },
  ];
  const card = { caution: "x", figures, "AUC, side by side": [{ label: "Loudness alone", value: 0.74 }, { label: "unknown" }] };
  assert.deepEqual(
    reading.aucs(card).map(({ value }) => value),
    [0.63, 0.74],
  );
  assert.equal(reading.aucWords(reading.aucs(card)[0]), "0.63 (0.57\u20130.69)");
  assert.equal(reading.aucWords(reading.aucs(card)[1]), "0.74");
  assert.deepEqual(reading.aucs(undefined), []);
});

test("a list is narrowed to what was said, by words that the server knows", () => {
  const choices = reading.verdictChoices(["no Covid-19", "Covid-19"]);
  assert.deepEqual(choices.slice(0, 3), [
    ["", "any verdict"],
    ["0", "you said no Covid-19"],
    ["1", "you said Covid-19"],
  ]);
  assert.deepEqual(
    choices.slice(3).map(([value]) => value),
    ["cannot_say", "plausible", "not_plausible", "useful", "misleading"],
  );
});
