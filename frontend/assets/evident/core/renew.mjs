/* Children drawn anew while somebody may be at them: a press that is under way and the focus survive what happens in the background. */
import { hearAs } from "./elements.mjs";

/** Replaced as a whole: their words and what a press on them does belong together, or they draw themselves. */
const WHOLE = "a, button, input, select, option, textarea, summary, canvas, svg, img, audio, video, iframe, [role=button], [data-evident]";
/** What markup does not tell of a field. */
const HELD = ["value", "checked", "selected"];
/** Milliseconds in which a browser sends the click after a finger is lifted; after a mouse button it comes with it. */
const TAP = 350;

/** The press under way, from its beginning to the click that it ends with. @type {{target: EventTarget | null, mouse: boolean} | null} */
let press = null;
/** Newest children of those parents whose change waits for the release. @type {Map<Element, Node[]>} */
const waiting = new Map();
/** @type {WeakSet<Node>} */
const kept = new WeakSet();

/**
 * Like parent.replaceChildren(...children), for what is redrawn by itself (progress, checks, lists asked for again).
 *
 * Place by place, or by `data-key` where there is one: what is equal stays, what only holds others stays around them, the rest is
 * replaced. So a press or the focus on what stays does not notice. Focus on a part that is replaced goes to the equal part, that of the
 * same key, or the one in its place, where there is one; a <details> stays as open as it is. While a press is under way in a child that
 * changes, all waits until it is released; then the newest children come.
 *
 * What stays answers like the new one that it stands for: it takes over the listeners given to `el` (those of addEventListener stay the
 * old ones). Hence such a listener names its own element by `event.currentTarget`: the new one may never be used. An element that an
 * object keeps to change it later must be `lasting`. Draw a parent only by this function, or what waited comes too late.
 * @param {Element} parent
 * @param {...(Node | string)} children
 */
export function renew(parent, ...children) {
  const fresh = children.map((child) => (typeof child === "string" ? document.createTextNode(child) : child));
  waiting.delete(parent);
  if (pressedIn(parent, fresh)) waiting.set(parent, fresh);
  else keepingFocus(parent, () => put(parent, fresh));
}

/**
 * Marks an element that somebody holds on to: it is never made like another one, nor another one like it.
 * @template {Element} T
 * @param {T} element
 * @returns {T}
 */
export function lasting(element) {
  kept.add(element);
  return element;
}

/** Whether a press is under way in a child that will not stay as and where it is. */
function pressedIn(parent, fresh) {
  const target = press?.target;
  if (!(target instanceof Node) || target === parent || !parent.contains(target)) return false;
  const stays = ([old, node], i) => old?.contains(target) && (old === node ? parent.childNodes[i] === node : alike(old, node));
  return !pairs(parent, fresh).some(stays);
}

/** Each new child with what stands in its place now, or null; one that is given again stands for itself. */
function pairs(parent, fresh) {
  const loose = [...parent.childNodes].filter((node) => !fresh.includes(node));
  return fresh.map((node) => {
    if (node.parentNode === parent) return [node, node];
    const at = loose.findIndex((old) => old.dataset?.key === node.dataset?.key);
    return [at < 0 ? null : loose.splice(at, 1)[0], node];
  });
}

function put(parent, fresh) {
  const stand = pairs(parent, fresh).map(([old, node]) => settled(old, node));
  for (const old of [...parent.childNodes]) if (!stand.includes(old)) old.remove();
  let at = parent.firstChild;
  for (const node of stand)
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at); // what stands already is not touched: to be moved would cost it the focus
}

/** Which of the two is to stand: the old one where it can be made like the fresh one. */
function settled(old, fresh) {
  if (!old || old === fresh) return fresh;
  if (alike(old, fresh)) {
    for (const [stays, like] of zip(all(old), all(fresh))) hearAs(stays, like);
    return old;
  }
  if (!(old instanceof Element && fresh instanceof Element) || old.nodeName !== fresh.nodeName) return fresh;
  if ([old, fresh].some((node) => node.matches(WHOLE) || kept.has(node))) return fresh;
  dress(old, fresh);
  hearAs(old, fresh);
  put(old, [...fresh.childNodes]);
  return old;
}

/** Attributes of the fresh one; whether a <details> is open is up to who opened it. */
function dress(old, fresh) {
  const names = new Set([...old.attributes, ...fresh.attributes].map(({ name }) => name));
  for (const name of names) {
    const value = fresh.getAttribute(name);
    if (name === "open" || value === old.getAttribute(name)) continue;
    if (value === null) old.removeAttribute(name);
    else old.setAttribute(name, value);
  }
}

/** Equal in markup and in what fields hold, with nothing inside that draws itself or that somebody holds on to. */
function alike(old, fresh) {
  if (!old.isEqualNode(fresh)) return false;
  const same = ([a, b]) => a.nodeName !== "CANVAS" && !kept.has(a) && !kept.has(b) && HELD.every((name) => a[name] === b[name]);
  return zip(all(old), all(fresh)).every(same);
}

const all = (node) => (node instanceof Element ? [node, ...node.querySelectorAll("*")] : [node]);
const zip = (some, others) => some.map((one, i) => [one, others[i]]);

/** Makes the change, and puts the focus back where it took it away. */
function keepingFocus(parent, change) {
  const focused = document.activeElement;
  const inside = focused && focused !== parent && parent.contains(focused);
  const path = inside ? pathTo(focused, parent) : [];
  change();
  if (!inside || document.activeElement === focused) return;
  const { key } = /** @type {HTMLElement} */ (focused).dataset;
  const others = [...parent.querySelectorAll(focused.localName)];
  const same = others.find((node) => node.isEqualNode(focused));
  const there = key ? others.find((node) => node.dataset.key === key) : path.reduce((node, i) => node?.children[i], parent);
  (same ?? there)?.focus({ preventScroll: true });
}

/** Which child of which child, from the parent on. */
function pathTo(node, parent) {
  const path = [];
  for (let at = node; at !== parent; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
  return path;
}

// ---- presses -----------------------------------------------------------------------------------------------------------------------
function begin({ target, pointerType }) {
  press = { target, mouse: pointerType === "mouse" };
}

/** What waited comes, unless another press has begun. */
function come() {
  if (press) return;
  for (const [parent, fresh] of [...waiting]) renew(parent, ...fresh);
}

function end() {
  press = null;
  come();
}

/** When the click has been through, or none has come. @param {number} after */
function endSoon(after) {
  const ended = press;
  setTimeout(() => ended === press && end(), after);
}

/** The press has done what it does: that is drawn at once, and what waited after its listeners. */
function through({ isTrusted }) {
  if (!isTrusted) return;
  press = null;
  setTimeout(come, 0);
}

/** @type {{[type: string]: (event: any) => void}} */
const PRESSES = {
  pointerdown: (event) => event.button === 0 && begin(event),
  pointerup: ({ pointerType }) => endSoon(pointerType === "mouse" ? 0 : TAP),
  click: through,
  change: through,
  // where a list of options opens, the page is not told of the release
  pointermove: ({ buttons, pointerType }) => press?.mouse && pointerType === "mouse" && buttons === 0 && end(),
  pointercancel: end,
  contextmenu: end,
  blur: ({ target }) => target === window && end(),
  // the space bar presses a button when it is let go; a key that is held down repeats
  keydown: (event) => event.key === " " && !event.repeat && begin(event),
  keyup: ({ key }) => key === " " && endSoon(0),
};
// at the window and first of all, so that none can keep it from being seen
for (const [type, hear] of Object.entries(PRESSES)) globalThis.addEventListener?.(type, hear, true);
