/* The live map panels of the page. */

/** @type {Set<import("./panel.mjs").MapPanel>} */
export const panels = new Set();

/** Live panels in the order of the page. */
export const allPanels = () =>
  [...panels].sort((a, b) => (a.root.compareDocumentPosition(b.root) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));

/** @typedef {import("../maps/field.mjs").Field} Field */
/** @typedef {import("./panel.mjs").MapPanel & {field: Field, compared: Field}} FinishedPanel */

/** Panels with a finished map, the ones that are compared with each other. */
export const finishedPanels = () => /** @type {FinishedPanel[]} */ (allPanels().filter((panel) => panel.field && panel.state === "done"));

/** Largest |v| of all panels, the range of the raw scale. */
export const largestValue = () => Math.max(0, ...[...panels].map(({ view }) => view?.max ?? 0));
