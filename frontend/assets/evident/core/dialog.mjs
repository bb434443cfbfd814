/* A modal dialog, and one passing line at the foot of the page. */
import { el, icon, say } from "./elements.mjs";

/** Opens a modal dialog with a heading and content; removed when closed. */
export function openDialog(title, ...content) {
  const close = el("button.ev-map-more", { type: "button", "aria-label": "Close", onclick: () => node.close() }, icon("close"));
  const node = el(
    "dialog.ev-dialog",
    { "aria-label": title },
    el("header.ev-dialog-head", {}, el("h2", {}, title), close),
    el("div.ev-dialog-body", {}, ...content),
  );
  node.addEventListener("close", () => node.remove());
  node.addEventListener("click", (event) => event.target === node && node.close());
  document.body.append(node);
  node.showModal();
  return node;
}

/** One line at the foot of the page for a few seconds, also spoken. */
export function toast(sentence) {
  const old = document.querySelector(".ev-toast");
  if (old) old.remove();
  const node = el("div.ev-toast", {}, sentence);
  document.body.append(node);
  say(sentence);
  setTimeout(() => node.remove(), 4000);
}
