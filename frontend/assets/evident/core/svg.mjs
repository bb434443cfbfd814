/* An element of a drawing. */

const NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * svg("line", {x1: 0, class: "ev-training-grid"}, child, ...)
 * @param {string} tag
 * @param {{[name: string]: any}} attributes null and undefined are left out
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, String(value));
  for (const child of children) if (child) node.append(child);
  return node;
}
