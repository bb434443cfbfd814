/* What cannot be undone is asked about first. A button says what it would do in data-confirm; its press counts only after a second one. */
import { emit } from "./bus.mjs";
import { openDialog } from "./dialog.mjs";
import { el } from "./elements.mjs";

/** The button whose press was confirmed and is on its way. @type {Element | null} */
let confirmed = null;

/** The page may have drawn the button again while the question stood. */
const present = (button) => (button.isConnected || !button.id ? button : (document.getElementById(button.id) ?? button));

/** @param {MouseEvent} event */
function ask(event) {
  const button = event.target instanceof Element ? event.target.closest("[data-confirm]") : null;
  if (!(button instanceof HTMLElement) || button === confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const go = () => {
    dialog.close();
    const target = present(button);
    confirmed = target;
    emit("confirmed", target.dataset);
    target.click();
    confirmed = null;
  };
  const keep = el("button.ev-button", { type: "button", onclick: () => dialog.close() }, "Keep");
  const drop = el("button.ev-button.ev-button--primary", { type: "button", onclick: go }, "Delete");
  const dialog = openDialog("Delete?", el("p.ev-confirm", {}, button.dataset.confirm ?? ""), el("div.ev-confirm-actions", {}, keep, drop));
  dialog.classList.add("ev-dialog--narrow");
  keep.focus();
}

/** Heard on the way down, before the page's own listeners. */
export const listenForConfirm = () => document.addEventListener("click", ask, true);
