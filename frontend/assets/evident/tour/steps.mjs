/* The six steps of the tour. Pure: what a step says comes from the figures of the page it stands on, and says what they say, whatever that is.

   A step: sample: the bundled one it opens · query: the rest of its address · before: what this is · press: what to do · at: where, a selector
   done(view): the person did it · after(view): what is then to be seen, null until the page can tell. */
import * as words from "../maps/words.mjs";

/**
 * One known region on one finished map.
 * @typedef {{map: string, key: string, label: string, share: number | null, uniform: number}} Held
 * What the page shows now. answer: the class that the bars name first; pressed: selectors that were pressed on this step.
 * @typedef {{model: string, answer: {label: string, score: string} | null, undecided: boolean, held: Held[], truth: string | null,
 *   pointed: boolean, sign: Sign, pressed: string[], told: string}} View
 * @typedef {{key: string, title: string, sample: string, page: "/" | "/concepts", query: {[name: string]: string}, before: string, press: string,
 *   at: string, done: (view: View) => boolean, after: (view: View, noted: Noted) => string | null}} Step
 * What a step noted of its beginning.
 * @typedef {{answer?: {label: string, score: string}, held?: Held[]}} Noted
 */

const MAPS = "grad_cam,lrp,fused";
/** Held more than this many times what an even map would hold: the map points there. */
const CLEAR = 1.5;

/**
 * "Grad-CAM 55 %, LRP 88 %" and how many point there.
 * @param {Held[]} held
 * @param {string} key
 */
function weighed(held, key) {
  const told = held.filter((one) => one.key === key && one.share !== null);
  if (!told.length) return null;
  const list = told.map(({ map, share }) => `${map} ${words.percent(Number(share))}`).join(", ");
  const there = told.filter(({ share, uniform }) => Number(share) > CLEAR * uniform).length;
  return { list, there, of: told.length, area: words.percent(told[0].uniform) };
}

/** @param {{there: number, of: number}} counted */
const most = ({ there, of }) => there * 2 > of;
const ANSWER = "#prediction-card .ev-score";

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
      const right = answer.label === truth;
      const verdict =
        right && most(sign)
          ? "Right, and most maps point at the thing itself."
          : right
            ? "Right, but most maps do not point at the thing itself."
            : "This answer is wrong.";
      return `It says ${answer.label}, ${answer.score}. The frame holds the sign and covers ${sign.area} of the picture; of what speaks for the answer it holds: ${sign.list}. ${verdict} Your crosshair marks one place on every map.`;
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
    after({ answer, held, truth, undecided }) {
      const rocket = weighed(held, "evidence");
      if (!answer || !rocket) return null;
      const verdict = answer.label === truth ? "That is right." : `That is wrong${undecided ? ", and the network is undecided" : ""}.`;
      return `It says ${answer.label}, ${answer.score}. ${verdict} The frame, ${rocket.area} of the picture, holds of what speaks for this answer: ${rocket.list}. Now you see the other side: blue spoke against it.`;
    },
  },
  {
    key: "cheat",
    title: "A cheat, and its honest twin",
    sample: "shortcut",
    page: "/",
    query: { methods: MAPS },
    before: "While this network learned, every star and nothing else wore a sticker. This red thing wears one too.",
    press: "Open the list Model and choose Shapes: the honest twin, which saw stickers on everything.",
    at: "#model-select",
    done: ({ model }) => model === "shapes",
    after({ answer, held }, noted) {
      const now = weighed(held, "sticker");
      const then = weighed(noted.held ?? [], "sticker");
      if (!answer || !now || !then || !noted.answer) return null;
      return `The cheat said ${noted.answer.label}, ${noted.answer.score}; the sticker, ${then.area} of the picture, held of what spoke for it: ${then.list}. The twin says ${answer.label}, ${answer.score}; the sticker holds: ${now.list}. Same picture, another reason.`;
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
    press: "Press \u201conly\u201d under a map: hear just what it marks.",
    at: ".ev-listen button",
    done: ({ pressed }) => pressed.includes(".ev-listen button"),
    after({ answer, held, truth }) {
      const hum = weighed(held, "hum");
      if (!answer || !hum) return null;
      const verdict = most(hum) ? "It listens to the room." : "Most maps do not single out the hum.";
      return `It says ${answer.label}, ${answer.score}; the truth is ${truth ?? "no wheeze"}. The hum lies in ${hum.area} of the picture and holds of what speaks for the answer: ${hum.list}. ${verdict}`;
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
    after: ({ told }) => told && `The page says: \u201c${told}\u201d A concept counts only where chance does less.`,
  },
  {
    key: "link",
    title: "Take it with you",
    sample: "photo_street_sign",
    page: "/",
    query: { methods: MAPS, look: "100,20,for,own,cividis" },
    before:
      "Back at the sign, drawn another way: only the strongest fifth of each map, in full colour. The address above holds all of that.",
    press: "Press Copy link.",
    at: "#copy-link",
    done: ({ pressed }) => pressed.includes("#copy-link"),
    after: () =>
      "Whoever opens this address on this server sees the same input, model, class, methods and look. That was the tour: now bring something of your own.",
  },
];

export { ANSWER };

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
