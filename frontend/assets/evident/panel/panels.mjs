/* The live map panels of the page. */

export const panels = new Set();

/** Live panels in the order of the page. */
export const allPanels = () =>
  [...panels].sort((a, b) => (a.root.compareDocumentPosition(b.root) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));

/** Panels with a finished map, the ones that are compared with each other. */
export const finishedPanels = () => allPanels().filter((panel) => panel.field && panel.state === "done");

/** Largest |v| of all panels, the range of the raw scale. */
export const largestValue = () => Math.max(0, ...[...panels].filter((p) => p.view).map((p) => p.view.max));
