/* The six steps of the tour. Pure: what a step says comes from the figures of the page it stands on, and says what they say, whatever that is.

   A step: sample: the bundled one it opens · query: the rest of its address · before: what this is · press: what to do · at: where, a selector
   done(view): the person did it · after(view): what is then to be seen, null until the page can tell. */
import * as words from "../maps/words.mjs";

/**
 * One known region on one finished map.
 * @typedef {{map: string, key: string, label: string, share: number | null, uniform: number}} Held
 * The class that the bars name first.
 * @typedef {{label: string, score: string, undecided: boolean}} Answer
 * What the page shows now. truth: the sample's label; pressed: selectors that were pressed on this step; verdicts: of a finished concept
 * analysis, layer by layer.
 * @typedef {{model: string, answer: Answer | null, held: Held[], truth: string | null,
 *   pointed: boolean, sign: Sign, pressed: string[], verdicts: {name: string, words: string[]}[]}} View
 * @typedef {{key: string, title: string, sample: string, page: "/" | "/concepts", query: {[name: string]: string}, before: string, press: string,
 *   at: string, done: (view: View) => boolean, after: (view: View, noted: Noted) => string | null}} Step
 * What a step noted of its beginning.
 * @typedef {{answer?: Answer, held?: Held[]}} Noted
 */

const MAPS = "grad_cam,lrp,fused";
/** Held more than this many times what an even map would hold: the map points there. */
const CLEAR = 1.5;

/**
 * How much of what speaks for the answer the maps put into one region: "55 % to 88 %", how many maps do so clearly, and how much of the
 * picture the region covers.
 * @param {Held[]} held
 * @param {string} key
 */
function weighed(held, key) {
  const told = held.filter((one) => one.key === key && one.share !== null);
  if (!told.length) return null;
  const shares = told.map(({ share }) => Number(share)).sort((a, b) => a - b);
  const [least, greatest] = [shares[0], shares[shares.length - 1]];
  const [low, high] = [least, greatest].map(words.percent);
  const clear = told.filter(({ share, uniform }) => Number(share) > CLEAR * uniform).length;
  return {
    span: low === high ? low : `${low.replace(" %", "")} to ${high}`,
    least,
    greatest,
    most: clear * 2 > told.length,
    area: words.percent(told[0].uniform),
  };
}

/** @param {Answer} answer */
const said = ({ label, score, undecided }) => `${label}, ${score}${undecided ? " (undecided)" : ""}`;

/** The answer stands first among the bars. */
export const ANSWER = "#prediction-card .ev-score";

/** @type {Step[]} */
export const STEPS = [
  {
    key: "right",
    title: "Right, for the right reason?",
    sample: "photo_street_sign",
    page: "/",
    query: { methods: MAPS },
    before: "A network that knows 1,000 kinds of things judged this photograph. Each map shows, in its own way, which parts it used.",
    press: "Click on any map.",
    at: ".ev-map:not(.ev-map--input) .ev-plot",
    done: ({ pointed }) => pointed,
    after({ answer, held, truth }) {
      const sign = weighed(held, "evidence");
      if (!answer || !sign) return null;
      const verdict = answer.label === truth ? "right" : "wrong";
      const where = sign.most ? "most of them point at the sign itself" : "most of them do not point at the sign";
      return `It says ${said(answer)}: ${verdict}. The maps put ${sign.span} of what speaks for that into the frame around the sign, which covers ${sign.area} of the picture: ${where}.`;
    },
  },
  {
    key: "wrong",
    title: "Wrong",
    sample: "photo_rocket",
    page: "/",
    query: { methods: MAPS },
    before: "The same network, a rocket at night. Look at the bars: what does it take it for?",
    press: "Under Look, set Sign to Against.",
    at: "#look-sign",
    done: ({ sign }) => sign === "against",
    after({ answer, held, truth }) {
      const rocket = weighed(held, "evidence");
      if (!answer || !rocket) return null;
      const verdict = answer.label === truth ? "right" : "wrong";
      return `It says ${said(answer)}: ${verdict}. The maps put ${rocket.span} of what speaks for that into the frame around the rocket, ${rocket.area} of the picture; the rest came from elsewhere. Blue now marks what spoke against it.`;
    },
  },
  {
    key: "cheat",
    title: "A cheat, and its honest twin",
    sample: "shortcut",
    page: "/",
    query: { methods: MAPS },
    before:
      "While this network learned, every star and nothing else wore a sticker. Its twin saw the sticker on all kinds of things. This red thing wears one.",
    press: "Open the list Model and choose \u201cShapes: known evidence\u201d, the honest twin.",
    at: "#model-select",
    done: ({ model }) => model === "shapes",
    after({ answer, held }, noted) {
      const now = weighed(held, "sticker");
      const then = weighed(noted.held ?? [], "sticker");
      if (!answer || !now) return null;
      const twin = `The twin says ${said(answer)}, with ${now.span} on the sticker.`;
      if (!then || !noted.answer) return twin;
      const end = now.greatest < then.least ? "Same picture, another reason." : "The maps do not tell the two apart.";
      return `The cheat said ${said(noted.answer)}, and put ${then.span} of what spoke for it on the sticker, ${then.area} of the picture. ${twin} ${end}`;
    },
  },
  {
    key: "room",
    title: "A cough, and the room it was in",
    sample: "hum",
    page: "/",
    query: { methods: MAPS },
    before:
      "A cough made by a program, without a wheeze, in a room with a mains hum. This network learned where the hum gave the answer away.",
    press: "Press \u201cMarked part\u201d under a map: hear just what it marks.",
    at: ".ev-listen button",
    done: ({ pressed }) => pressed.includes(".ev-listen button"),
    after({ answer, held, truth }) {
      const hum = weighed(held, "hum");
      if (!answer || !hum) return null;
      const verdict = answer.label === truth ? "right" : "wrong";
      const where = hum.most ? "it listens to the room" : "most of them do not single out the hum";
      return `It says ${said(answer)}: ${verdict}. The maps put ${hum.span} of what speaks for that into the hum, which covers ${hum.area} of the picture: ${where}.`;
    },
  },
  {
    key: "concept",
    title: "A concept",
    sample: "striped",
    page: "/concepts",
    query: { concepts: "striped,dotted" },
    before:
      "Does the network know stripes, and do they count for its answer? Forty pictures of stripes stand for the idea, and random concepts of the same size stand for chance.",
    press: "Press Run.",
    at: "#concept-run",
    done: ({ pressed }) => pressed.includes("#concept-run"),
    after({ verdicts }) {
      const told = verdicts.filter((concept) => concept.words.length);
      if (!told.length) return null;
      const lines = told.map((concept) => `${concept.name}: ${[...new Set(concept.words)].join(" or ")}`).join("; ");
      return `The verdicts, over the layers shown: ${lines}. A concept counts only where random ones of its size do less; point at a verdict to read what it rests on.`;
    },
  },
  {
    key: "report",
    title: "Take it with you",
    sample: "photo_street_sign",
    page: "/",
    query: { methods: MAPS, look: "100,20,for,own,cividis" },
    before:
      "Back at the sign, drawn another way: only the strongest fifth of each map, in full colour. All of it, with what was measured, goes into one report.",
    press: "Press Report, take the PDF or the page if you like, and close the window again.",
    at: "[data-report]",
    done: ({ pressed }) => pressed.includes("[data-report]"),
    after: () =>
      "A report holds the maps with their conditions, versions and hashes, and anybody with Evident can have it computed again and compared. That was the tour: now bring something of your own.",
  },
];

/**
 * Where a step stands: its page with the sample and the sample's model.
 * @param {Step} step
 * @param {{key: string, input: string, model: string}[]} samples
 */
export function addressOf(step, samples) {
  const sample = samples.find(({ key }) => key === step.sample);
  if (!sample) return null;
  return `${step.page}?${new URLSearchParams({ model: sample.model, input: sample.input, ...step.query })}`;
}

/**
 * The step that an address asks for (`?tour=1` is the first): `evident demo` opens the page so. Null where it asks for none.
 * @param {string} search
 */
export function stepOf(search) {
  const wished = new URLSearchParams(search).get("tour");
  if (wished === null) return null;
  const number = Number.parseInt(wished, 10);
  return Math.min(Math.max(Number.isNaN(number) ? 1 : number, 1), STEPS.length) - 1;
}
