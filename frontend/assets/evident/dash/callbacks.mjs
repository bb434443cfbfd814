/* The clientside callbacks of the pages, by the names that frontend/**.py wires. State comes in, properties go out. */
import { emit } from "../core/bus.mjs";
import { viewState } from "../core/state.mjs";
import { outlineEvidence } from "../evidence/marks.mjs";
import { setLook } from "../panel/look.mjs";
import { publish } from "./bar.mjs";
import { linkTo } from "./work.mjs";

export { casesLink, casesQuery, compareChoice, compareLink, compareOpened, conceptsLink, insideLink, measureLink } from "./address.mjs";
export { besideAlone, besideInput, besideOff, besideOn, besideStale, paired } from "./beside.mjs";
export { stale } from "./stale.mjs";

const noUpdate = () => window.dash_clientside.no_update;

/** Look controls: opacity 0..100, top 1..100, sign for|against|both, scale own|shared|raw, colours. */
export function look(opacity, top, sign, scale, colours, cell) {
  setLook({ opacity, top, sign, scale, colours, cell });
  return noUpdate();
}

/** The box "Known evidence". */
export function outlined(checked) {
  outlineEvidence(Boolean(checked));
  return checked ? "1" : "";
}

export const percent = (opacity, top) => [`${opacity} %`, `${top} %`];

export function level(value) {
  document.documentElement.dataset.evidentLevel = value || "lab";
  return value;
}

/** Which page is open, and where its links lead. */
export const navigation = (pathname, ids) => [
  ids.map(({ path }) => (path === pathname ? "page" : "false")),
  ids.map(({ path }) => linkTo(path)),
];

export const mode = (input) => (input ? "ev-compare" : "ev-compare ev-compare--empty");

/** Whether the first screen was seen: its samples are asked for when it is. */
export const startSeen = (input, seen) => (input || seen ? noUpdate() : true);

/** Whether the row of the known evidence is hidden, and whose evidence it is. */
export const known = (answer) => (answer?.known ? [false, JSON.stringify(answer.known)] : [true, ""]);

/** While the gate withholds the score, maps do not name their class, and nothing says where they agree. asked: inputs whose score was asked for. */
export function withheld(answer, asked) {
  viewState.withheld = answer?.prediction.gate?.state === "abstain" && !(asked || []).includes(answer.subject.input);
  emit("withheld");
  return viewState.withheld ? "1" : "";
}

/** Closes the input: at once in the address, whatever is still on its way. */
export function remove(clicks) {
  if (!clicks) return noUpdate();
  publish("/", "", null, null);
  return null;
}

export function target(value, answer) {
  if (value == null || !answer) return noUpdate();
  return { input: answer.prediction.input, model: answer.prediction.model, target: Number(value) };
}

/** The part of the recording that the model looks at, for every player. */
export const playerWindow = (answer, ids) =>
  ids.map(() => (answer?.prediction.window ? JSON.stringify(answer.prediction.window) : noUpdate()));

/** What a panel's end is called for screen readers. */
export function announce(panel) {
  if (!panel?.title) return noUpdate();
  if (panel.state === "done") return `${panel.title} finished${panel.seconds == null ? "" : ` in ${panel.seconds.toFixed(1)} s`}.`;
  if (panel.state === "failed") return `${panel.title} failed.`;
  if (panel.state === "cancelled") return `${panel.title} was stopped.`;
  return noUpdate();
}

/** Read pictures as spectrograms: told to the drop zone beside the box. */
export function pictures(checked) {
  const kind = checked ? "spectrogram" : "auto";
  for (const zone of document.querySelectorAll('[data-evident="upload"]')) zone.setAttribute("data-as", kind);
  return kind;
}
