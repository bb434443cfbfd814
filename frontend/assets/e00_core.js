/* window.evident: what all browser widgets share. A bus, one animation frame for everybody, the API, elements, and the observer that
   turns <div data-evident="NAME" data-...> into a widget when it appears, updates it when its data attributes change and ends it when it goes.

   Scripts in this folder are classic scripts loaded in alphabetical order; files below e40 hold pure functions or small services and
   touch no widget. Nothing here writes to the console: every failure becomes a sentence on the page. */
(() => {
  "use strict";
  const evident = (window.evident = window.evident || {});

  /** Shared state. look: what the controls say; cursor: {u, v} in 0..1 along the array's columns and rows, or null. */
  evident.state = {
    look: { opacity: 70, top: 100, sign: "both", scale: "shared", colours: "cividis" },
    cursor: null,
    original: false,
    outlined: false,
    evidence: null,
    axes: null,
  };

  // ---- bus -------------------------------------------------------------------------------------------------------------------
  const listeners = new Map();

  /** Calls fn(detail) on every emit of `name`; returns the function that ends it. */
  evident.on = (name, fn) => {
    if (!listeners.has(name)) listeners.set(name, new Set());
    listeners.get(name).add(fn);
    return () => listeners.get(name).delete(fn);
  };

  evident.emit = (name, detail) => {
    for (const fn of [...(listeners.get(name) || [])]) fn(detail);
  };

  const due = new Map();

  /** Runs fn once in the next animation frame; a later call with the same key replaces it, so one frame does each thing once. */
  evident.frame = (key, fn) => {
    if (due.size === 0) requestAnimationFrame(runDue);
    due.set(key, fn);
  };

  function runDue() {
    const jobs = [...due.values()];
    due.clear();
    for (const job of jobs) job();
  }

  // ---- elements --------------------------------------------------------------------------------------------------------------
  /** el("button.ev-button", {type: "button", onclick: fn, "aria-label": "..."}, "text", child, ...) */
  evident.el = (tag, props = {}, ...children) => {
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
  };

  /** One of the mask icons of icons.css; words stand beside it, so it is hidden from screen readers. */
  evident.icon = (name) => evident.el(`span.ev-icon.ev-icon--${name}`, { "aria-hidden": "true" });

  /** Text of an attribute holding JSON, or `fallback` when it is missing or not JSON. */
  evident.parse = (text, fallback = null) => {
    if (!text) return fallback;
    try {
      return JSON.parse(text);
    } catch {
      return fallback;
    }
  };

  let live = null;

  /** Says one sentence to screen readers without moving the focus. */
  evident.say = (sentence) => {
    if (!live) {
      live = evident.el("div.ev-visually-hidden", { role: "status", "aria-live": "polite" });
      document.body.append(live);
    }
    live.textContent = sentence;
  };

  /** Sets props of a Dash component; silent on a page that has no such component. */
  evident.tell = (id, props) => {
    if (!id) return;
    evident.emit("tell", { id, props });
    const dash = window.dash_clientside;
    if (!dash || !dash.set_props) return;
    try {
      dash.set_props(id, props);
    } catch {
      // this page has no such store: nobody to tell
    }
  };

  // ---- widgets ---------------------------------------------------------------------------------------------------------------
  const kinds = new Map();
  const alive = new Map();
  const watched = new Set(["data-evident", "data-mantine-color-scheme", "data-evident-level"]);

  /** Declares a widget. attributes: names after "data-"; create(root) -> {update(changed: Set | null), destroy()?}. */
  evident.widget = (name, attributes, create) => {
    kinds.set(name, create);
    for (const attribute of attributes) watched.add(`data-${attribute}`);
  };

  /** The live widget of an element, for tests and neighbours. */
  evident.widgetOf = (root) => (alive.get(root) || {}).widget;

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
        evident.emit("theme");
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
  evident.start = () => {
    new MutationObserver(observe).observe(document, {
      childList: true,
      subtree: true,
      attributes: true,
      attributeFilter: [...watched],
    });
    scan(document.documentElement);
  };
})();
