/* Keys. Off in text fields and dialogs; can be switched off for good in the help. */
(() => {
  "use strict";
  const { evident } = window;
  const { el } = evident;
  const OFF = "evident-keys-off";

  /** True where letters belong to what has the focus. */
  evident.typing = (node) =>
    Boolean(node && node.closest && node.closest("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true], [role=combobox], [role=textbox]"));

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
    evident.look({ [key]: value });
    evident.tell(`look-${key}`, { value });
  }

  const slide = (key, low, by) => () => look(key, Math.max(low, Math.min(100, Math.round(evident.state.look[key] + by))));

  function original(shown) {
    if (evident.state.original === shown) return;
    evident.state.original = shown;
    evident.emit("original");
  }

  /** Focuses the n-th panel, or leaves it when it has the focus. */
  function focusPanel(n) {
    const panel = evident.panels()[n - 1];
    if (!panel) return;
    const { canvas } = panel.figure;
    if (document.activeElement === canvas) canvas.blur();
    else canvas.focus();
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  /** Arrows outside a map move the crosshair once there is one; otherwise they scroll as usual. */
  function arrow(event) {
    const figure = evident.state.pointed;
    if (!evident.state.cursor || !figure || !figure.node.isConnected || event.target.closest("[role=slider], [role=radiogroup], [role=tablist], input, button, a, summary")) return false;
    evident.step(...ARROWS[event.key], event.shiftKey ? 10 : 1, figure);
    return true;
  }

  const KEYS = {
    " ": () => evident.emit("play"),
    0: () => original(!evident.state.original),
    "[": slide("opacity", 0, -10),
    "]": slide("opacity", 0, 10),
    "-": slide("top", 1, -5),
    "=": slide("top", 1, 5),
    s: () => look("sign", after(SIGNS, evident.state.look.sign)),
    n: () => look("scale", after(SCALES, evident.state.look.scale)),
    a: () => evident.emit("agreement"),
    e: () => evident.state.evidence && evident.tell("look-evidence", { checked: evident.outlineEvidence(!evident.state.outlined) }),
    k: () => evident.copyLink(),
    "?": () => help(),
    Escape: () => evident.state.cursor && evident.point(null),
  };

  const HELP = [
    ["Space", "play or pause the recording"], ["1 \u2026 9", "focus a map, again to leave it"], ["0, hold O", "the input without maps"],
    ["[  ]", "less, more opacity"], ["\u2212  =", "show less, more of each map"], ["S", "sign: both, for, against"], ["N", "scale: own, shared, raw"],
    ["Arrows", "move the crosshair; Shift for ten cells"], ["Esc", "put the crosshair away"], ["A", "outline where maps agree"], ["E", "outline the evidence of a generated input"], ["K", "copy the link to this view"], ["?", "this help"],
  ];

  function help() {
    if (document.querySelector(".ev-dialog")) return;
    const box = el("input", { type: "checkbox", checked: !off, onchange: () => switchOff(!box.checked) });
    const rows = HELP.map(([keys, text]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, keys)), el("td", {}, text)));
    evident.dialog("Keyboard", el("table.ev-table.ev-table--pairs.ev-table--keys", {}, el("tbody", {}, ...rows)), el("label.ev-check", {}, box, " Use these keys on this device"));
  }

  function press(event) {
    if (off && event.key !== "?") return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (evident.typing(event.target) || document.querySelector("dialog[open]")) return;
    const onButton = event.key === " " && event.target.closest("button, a, summary, [role=button], [role^=menuitem], input");
    if (onButton) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "o") original(true);
    else if (/^[1-9]$/.test(key)) focusPanel(Number(key));
    else if (ARROWS[key]) {
      if (!arrow(event)) return;
    } else if (KEYS[key]) KEYS[key]();
    else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", press);
  document.addEventListener("keyup", (event) => event.key.toLowerCase() === "o" && original(false));
  window.addEventListener("blur", () => original(false));
  document.addEventListener("click", (event) => event.target.closest && event.target.closest("#help-button") && help());
})();
