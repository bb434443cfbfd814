/* The live map panels of the page. */

/** @type {Set<import("./panel.mjs").MapPanel>} */
export const panels = new Set();

/** Live panels in the order of the page, those of the second side too. */
export const bothSides = () =>
  [...panels].sort((a, b) => (a.root.compareDocumentPosition(b.root) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));

/** Those of the first side, which the page is about. */
export const allPanels = () => bothSides().filter((panel) => !panel.beside);

/**
 * The map of the same method on the other side.
 * @param {import("./panel.mjs").MapPanel} panel
 */
export const partnerOf = (panel) =>
  [...panels].find((other) => other.beside !== panel.beside && other.root.dataset.key === panel.root.dataset.key) ?? null;

/** @typedef {import("../maps/field.mjs").Field} Field */
/** @typedef {import("./panel.mjs").MapPanel & {field: Field, compared: Field}} FinishedPanel */

/** Panels with a finished map, the ones that are compared with each other. */
export const finishedPanels = () => /** @type {FinishedPanel[]} */ (allPanels().filter((panel) => panel.field && panel.state === "done"));

/** Largest |v| of all panels, the range of the raw scale. */
export const largestValue = () => Math.max(0, ...[...panels].map(({ view }) => view?.max ?? 0));
