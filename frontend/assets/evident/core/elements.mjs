/* Elements, the JSON of their attributes, and one sentence for screen readers. */

/** el("button.ev-button", {type: "button", onclick: fn, "aria-label": "..."}, "text", child, ...) */
export function el(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && !key.startsWith("aria")) node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One of the mask icons of icons.css; words stand beside it, so it is hidden from screen readers. */
export const icon = (name) => el(`span.ev-icon.ev-icon--${name}`, { "aria-hidden": "true" });

/** Text of an attribute holding JSON, or `fallback` when it is missing or not JSON. */
export function parseJson(text, fallback = null) {
  if (!text) return fallback;
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}

let live = null;

/** Says one sentence to screen readers without moving the focus. */
export function say(sentence) {
  if (!live) {
    live = el("div.ev-visually-hidden", { role: "status", "aria-live": "polite" });
    document.body.append(live);
  }
  live.textContent = sentence;
}

/** True where letters belong to what has the focus. */
export const isTyping = (node) =>
  Boolean(node && node.closest && node.closest("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true], [role=combobox], [role=textbox]"));
