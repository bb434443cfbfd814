/* The button "Copy link". */
import { el } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { copyLink } from "./address.mjs";

declareWidget("copy-link", [], (root) => {
  root.append(el("button.ev-button", { type: "button", onclick: copyLink }, "Copy link"));
  return { update() {}, destroy() {} };
});
