/* Keys. Off in text fields and dialogs; can be switched off for good in the help. */
import { emit } from "./core/bus.mjs";
import { openDialog } from "./core/dialog.mjs";
import { el, isTyping } from "./core/elements.mjs";
import { viewState } from "./core/state.mjs";
import { copyLink } from "./dash/address.mjs";
import { tellDash } from "./dash/tell.mjs";
import { outlineEvidence } from "./evidence/marks.mjs";
import { pointAt, stepCursor } from "./figure/cursor.mjs";
import { setLook } from "./panel/look.mjs";
import { allPanels } from "./panel/panels.mjs";
import { openReport } from "./report/report.mjs";

const OFF = "evident-keys-off";

/** Storage may be forbidden (private windows): the switch then holds for this page only. */
let off = false;
try {
  off = window.localStorage.getItem(OFF) === "1";
} catch {
  off = false;
}

function switchOff(value) {
  off = value;
  try {
    if (value) window.localStorage.setItem(OFF, "1");
    else window.localStorage.removeItem(OFF);
  } catch {
    // not remembered
  }
}

const SIGNS = ["both", "for", "against"];
const SCALES = ["own", "shared", "raw"];
const after = (list, x) => list[(list.indexOf(x) + 1) % list.length];

/** Changes one look control: the maps at once, the control through Dash. */
function look(key, value) {
  setLook({ [key]: value });
  tellDash(`look-${key}`, { value });
}

const slide = (key, low, by) => () => look(key, Math.max(low, Math.min(100, Math.round(viewState.look[key] + by))));

function original(shown) {
  if (viewState.original === shown) return;
  viewState.original = shown;
  emit("original");
}

/** Focuses the n-th panel, or leaves it when it has the focus. */
function focusPanel(n) {
  const panel = allPanels()[n - 1];
  if (!panel) return;
  const { canvas } = panel.figure;
  if (document.activeElement === canvas) canvas.blur();
  else canvas.focus();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Arrows outside a map move the crosshair once there is one; otherwise they scroll as usual. */
function arrow(event) {
  const figure = viewState.pointed;
  if (
    !viewState.cursor ||
    !figure?.node.isConnected ||
    event.target.closest("[role=slider], [role=radiogroup], [role=tablist], input, button, a, summary")
  )
    return false;
  stepCursor(...ARROWS[event.key], event.shiftKey ? 10 : 1, figure);
  return true;
}

const KEYS = {
  " ": () => emit("play"),
  0: () => original(!viewState.original),
  "[": slide("opacity", 0, -10),
  "]": slide("opacity", 0, 10),
  "-": slide("top", 1, -5),
  "=": slide("top", 1, 5),
  s: () => look("sign", after(SIGNS, viewState.look.sign)),
  n: () => look("scale", after(SCALES, viewState.look.scale)),
  a: () => emit("agreement"),
  e: () => viewState.evidence && tellDash("look-evidence", { checked: outlineEvidence(!viewState.outlined) }),
  b: () => emit("whatif"),
  g: () => openReport(),
  k: () => copyLink(),
  "?": () => help(),
  Escape: () => viewState.cursor && pointAt(null),
};

const HELP = [
  ["Space", "play or pause the recording"],
  ["1 \u2026 9", "focus a map, again to leave it"],
  ["0, hold O", "the input without maps"],
  ["[  ]", "less, more opacity"],
  ["\u2212  =", "show less, more of each map"],
  ["S", "sign: both, for, against"],
  ["N", "scale: own, shared, raw"],
  ["Arrows", "move the crosshair; Shift for ten cells"],
  ["Esc", "put the crosshair away"],
  ["A", "outline where maps agree"],
  ["E", "outline the evidence of a generated input"],
  ["B", "what if: draw a region"],
  ["G", "report of this view; check a report"],
  ["K", "copy the link to this view"],
  ["?", "this help"],
];

/** Keys of the page on show, before those that all pages share, and what the help says of them. A key's function answers false where it is none. */
let own = { keys: {}, help: /** @type {string[][]} */ ([]) };

/**
 * @param {{[key: string]: (event: KeyboardEvent) => unknown}} keys
 * @param {string[][]} help [keys, words]
 * @returns {() => void} takes them away again
 */
export function pageKeys(keys, help) {
  const mine = { keys, help };
  own = mine;
  return () => {
    if (own === mine) own = { keys: {}, help: [] };
  };
}

/** What a key does here, the page's own first. */
function helpRows() {
  const said = own.help.flatMap(([keys]) => keys.split(/\s+/));
  return [...own.help, ...HELP.filter(([keys]) => !keys.split(/[\s,]+/).some((key) => said.includes(key)))];
}

function help() {
  if (document.querySelector(".ev-dialog")) return;
  const box = el("input", { type: "checkbox", checked: !off, onchange: () => switchOff(!box.checked) });
  const rows = helpRows().map(([keys, text]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, keys)), el("td", {}, text)));
  openDialog(
    "Keyboard",
    el("table.ev-table.ev-table--pairs.ev-table--keys", {}, el("tbody", {}, ...rows)),
    el("label.ev-check", {}, box, " Use these keys on this device"),
  );
}

function press(event) {
  if (off && event.key !== "?") return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const onButton = event.key === " " && event.target.closest("button, a, summary, [role=button], [role^=menuitem], input");
  if (onButton) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (own.keys[key] && own.keys[key](event) !== false) {
    // the page has done it
  } else if (key === "o") original(true);
  else if (/^[1-9]$/.test(key)) focusPanel(Number(key));
  else if (ARROWS[key]) {
    if (!arrow(event)) return;
  } else if (KEYS[key]) KEYS[key]();
  else return;
  event.preventDefault();
}

export function listenForKeys() {
  document.addEventListener("keydown", press);
  document.addEventListener("keyup", (event) => event.key.toLowerCase() === "o" && original(false));
  window.addEventListener("blur", () => original(false));
  document.addEventListener("click", ({ target }) => target instanceof Element && target.closest("#help-button") && help());
}
