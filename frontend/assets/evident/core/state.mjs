/* What one page shares: the values of the look controls, and what the person points at. */

export const viewState = {
  /** What the look controls say. @type {Look} */
  look: { opacity: 70, top: 100, sign: "both", scale: "shared", colours: "cividis", cell: "auto" },
  /** The crosshair. @type {Cursor | null} */
  cursor: null,
  /** Axes of the figure it was set on. @type {Axes | null} */
  aimed: null,
  /** The figure that was pointed at last. @type {import("../figure/figure.mjs").Figure | null} */
  pointed: null,
  /** The two maps of a pair share the end of their colour scale. */
  paired: false,
  /** The maps are put away and the bare input shows. */
  original: false,
  /** Known evidence of the input. @type {Evidence | null} */
  evidence: null,
  /** Known evidence of what stands beside. @type {Evidence | null} */
  evidenceBeside: null,
  /** Whether it is outlined. */
  outlined: false,
  /** The region being drawn, and the user's own that is kept with the input. @type {{input: string, region: DrawnRegion} | null} */
  drawn: null,
  /** @type {{input: string, region: DrawnRegion} | null} */
  own: null,
  /** Outline of the cells that the maps agree on, when it is asked for. @type {Segments | null} */
  consensus: null,
  /** Axes of the input on show. @type {Axes | null} */
  axes: null,
  /** The score is withheld: nothing on the page names the class that it would be for. */
  withheld: false,
  /** Id of the input that they belong to. */
  seen: "",
};
