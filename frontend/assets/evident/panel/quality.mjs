/* The quality mark in a panel's head: what the method measured about its own map, in a figure and a word. */
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";

const ICONS = { good: "check", fair: "info", poor: "warning" };

/** "R² 0.71 fair" */
export const inWords = ({ figure, word }) => [figure, word].filter(Boolean).join(" ");

/**
 * What can be said of the map on screen, the gravest first: nothing of a map that grows, of a stage, or of none.
 * @param {import("./panel.mjs").MapPanel} panel
 * @returns {Quality[]}
 */
export const qualityOf = ({ state, record, stage }) => (state === "done" && !stage && record?.quality) || [];

export class QualityMark {
  /** open: shows all figures with their conditions. */
  constructor(panel, open) {
    this.panel = panel;
    this.node = el("button.ev-quality", { type: "button", hidden: true, onclick: open });
  }

  refresh() {
    const said = qualityOf(this.panel);
    const [gravest] = said;
    this.node.hidden = !gravest;
    if (!gravest) return;
    this.node.dataset.state = gravest.state;
    this.node.dataset.key = gravest.key;
    renew(this.node, icon(ICONS[gravest.state]), el("span.ev-quality-figure", {}, gravest.figure), " ", el("span", {}, gravest.word));
    const all = said.map((each) => `${inWords(each)}: ${each.meaning}`).join("\n");
    this.node.title = all;
    this.node.setAttribute("aria-label", `Quality of ${this.panel.title}: ${all}`);
  }
}
