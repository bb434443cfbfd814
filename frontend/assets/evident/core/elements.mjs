/* Elements, the JSON of their attributes, and one sentence for screen readers. */

/**
 * el("button.ev-button", {type: "button", onclick: fn, "aria-label": "..."}, "text", child, ...)
 * @param {string} tag element and classes
 * @param {{[name: string]: any}} props listeners, properties and attributes
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any} the element, of the tag's own type
 */
export function el(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  /** @type {any} */
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) hear(node, key.slice(2), value);
    else if (key in node && !key.startsWith("aria")) node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}

/** What the listeners given to `el` call now, by element. @type {WeakMap<Node, {[type: string]: ((event: any) => void) | undefined}>} */
const heard = new WeakMap();

function hear(node, type, fn) {
  const own = heard.get(node) ?? {};
  heard.set(node, own);
  if (!(type in own)) node.addEventListener(type, (event) => own[type]?.call(node, event));
  own[type] = fn;
}

/**
 * From now on `kept` answers as `fresh` would have: its listeners given to `el` call those of `fresh`.
 * @param {Node} kept
 * @param {Node} fresh
 */
export function hearAs(kept, fresh) {
  const next = heard.get(fresh) ?? {};
  for (const type of Object.keys({ ...heard.get(kept), ...next })) hear(kept, type, next[type]);
}

/**
 * One of the mask icons of icons.css; words stand beside it, so it is hidden from screen readers.
 * @param {string} name
 */
export const icon = (name) => el(`span.ev-icon.ev-icon--${name}`, { "aria-hidden": "true" });

/**
 * Text of an attribute holding JSON, or `fallback` when it is missing or not JSON.
 * @param {string | undefined} text
 * @param {any} fallback
 * @returns {any}
 */
export function parseJson(text, fallback = null) {
  if (!text) return fallback;
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** @type {HTMLElement | null} */
let live = null;

/**
 * Says one sentence to screen readers without moving the focus.
 * @param {string} sentence
 */
export function say(sentence) {
  if (!live) {
    const region = el("div.ev-visually-hidden", { role: "status", "aria-live": "polite" });
    document.body.append(region);
    live = region;
  }
  /** @type {HTMLElement} */ (live).textContent = sentence;
}

/**
 * True where letters belong to what has the focus.
 * @param {EventTarget | null} node
 */
export const isTyping = (node) =>
  node instanceof Element &&
  Boolean(
    node.closest(
      "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true], [role=combobox], [role=textbox]",
    ),
  );
