/* Turns <div data-evident="NAME" data-...> into a widget when it appears, updates it when its data attributes change and ends it when it goes. */
import { emit } from "./bus.mjs";

/** @type {Map<string, (root: HTMLElement) => Widget>} */
const kinds = new Map();
/** @type {Map<Element, {name: string, widget: Widget}>} */
const alive = new Map();
const watched = new Set(["data-evident", "data-mantine-color-scheme", "data-evident-level"]);

/**
 * Declares a widget.
 * @param {string} name
 * @param {string[]} attributes names after "data-" whose changes it is told
 * @param {(root: HTMLElement) => Widget} create
 */
export function declareWidget(name, attributes, create) {
  kinds.set(name, create);
  for (const attribute of attributes) watched.add(`data-${attribute}`);
}

/**
 * The live widget of an element.
 * @param {Element} root
 */
export const widgetOf = (root) => alive.get(root)?.widget;

/** @param {HTMLElement} root */
function enhance(root) {
  const name = root.dataset.evident ?? "";
  const known = alive.get(root);
  if (known && known.name === name) return;
  if (known) end(root);
  const create = kinds.get(name);
  if (!create) return;
  const widget = create(root);
  alive.set(root, { name, widget });
  widget.update(null);
}

/** @param {Element} root */
function end(root) {
  const known = alive.get(root);
  alive.delete(root);
  known?.widget.destroy?.();
  root.replaceChildren();
}

function sweep() {
  for (const root of [...alive.keys()]) if (!root.isConnected || !root.getAttribute("data-evident")) end(root);
}

/** @param {MutationRecord[]} records */
function observe(records) {
  /** @type {Map<Element, Set<string>>} */
  const changed = new Map();
  let removed = false;
  for (const record of records) {
    if (record.type === "childList") {
      removed = removed || record.removedNodes.length > 0;
      for (const node of record.addedNodes) if (node instanceof Element) scan(node);
      continue;
    }
    const root = /** @type {HTMLElement} */ (record.target);
    if (root === document.documentElement) {
      emit("theme");
    } else if (record.attributeName === "data-evident") {
      enhance(root);
    } else if (alive.has(root)) {
      const names = changed.get(root) ?? new Set();
      changed.set(root, names.add(String(record.attributeName).slice("data-".length)));
    }
  }
  if (removed) sweep();
  for (const [root, names] of changed) alive.get(root)?.widget.update(names);
}

/** @param {Element} node */
function scan(node) {
  if (node instanceof HTMLElement && node.dataset.evident) enhance(node);
  for (const root of node.querySelectorAll("[data-evident]")) enhance(/** @type {HTMLElement} */ (root));
}

/** Called by main.mjs when every widget is declared. */
export function startWidgets() {
  new MutationObserver(observe).observe(document, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: [...watched],
  });
  scan(document.documentElement);
}
