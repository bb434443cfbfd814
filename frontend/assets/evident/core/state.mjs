/* What one page shares: the values of the look controls, and what the person points at. */

export const viewState = {
  /** What the look controls say. */
  look: { opacity: 70, top: 100, sign: "both", scale: "shared", colours: "cividis" },
  /** The crosshair, {u, v} in 0..1 along the array's columns and rows, and the figure that set it. */
  cursor: null,
  pointed: null,
  /** The maps are put away and the bare input shows. */
  original: false,
  /** Known evidence of the input, and whether it is outlined. */
  evidence: null,
  outlined: false,
  /** Outline of the cells that the maps agree on, when it is asked for. */
  consensus: null,
  /** Axes of the input on show. */
  axes: null,
};
