/* Turns <div data-evident="NAME" data-...> into a widget when it appears, updates it when its data attributes change and ends it when it goes. */
import { emit } from "./bus.mjs";

const kinds = new Map();
const alive = new Map();
const watched = new Set(["data-evident", "data-mantine-color-scheme", "data-evident-level"]);

/** Declares a widget. attributes: names after "data-"; create(root) -> {update(changed: Set | null), destroy()?}. */
export function declareWidget(name, attributes, create) {
  kinds.set(name, create);
  for (const attribute of attributes) watched.add(`data-${attribute}`);
}

/** The live widget of an element, for tests and neighbours. */
export const widgetOf = (root) => (alive.get(root) || {}).widget;

function enhance(root) {
  const name = root.dataset.evident;
  const known = alive.get(root);
  if (known && known.name === name) return;
  if (known) end(root);
  const create = kinds.get(name);
  if (!create) return;
  const widget = create(root);
  alive.set(root, { name, widget });
  widget.update(null);
}

function end(root) {
  const { widget } = alive.get(root);
  alive.delete(root);
  if (widget.destroy) widget.destroy();
  root.replaceChildren();
}

function sweep() {
  for (const root of [...alive.keys()]) if (!root.isConnected || !root.dataset.evident) end(root);
}

function observe(records) {
  const changed = new Map();
  let removed = false;
  for (const record of records) {
    if (record.type === "childList") {
      removed = removed || record.removedNodes.length > 0;
      for (const node of record.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) scan(node);
    } else if (record.target === document.documentElement) {
      emit("theme");
    } else if (record.attributeName === "data-evident") {
      enhance(record.target);
    } else if (alive.has(record.target)) {
      if (!changed.has(record.target)) changed.set(record.target, new Set());
      changed.get(record.target).add(record.attributeName.slice(5));
    }
  }
  if (removed) sweep();
  for (const [root, names] of changed) if (alive.has(root)) alive.get(root).widget.update(names);
}

function scan(node) {
  if (node.dataset && node.dataset.evident) enhance(node);
  for (const root of node.querySelectorAll("[data-evident]")) enhance(root);
}

/** Called by the last script of the folder, when every widget is declared. */
export function startWidgets() {
  new MutationObserver(observe).observe(document, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: [...watched],
  });
  scan(document.documentElement);
}
