/* What the outlines stand for; fetches the evidence of a sample once.

   evidence: data-known JSON {sample, input, model} or "" */
import { callApi } from "../core/api.mjs";
import { emit, on } from "../core/bus.mjs";
import { el, parseJson } from "../core/elements.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { place, swatch } from "./marks.mjs";
import { unpackMask } from "./regions.mjs";

const KNOWN = {
  program: "Known because a program made this input.",
  eye: "A box drawn by eye, to about 2 % of the picture.",
};

/**
 * The evidence of a sample, ready to be placed.
 * @param {{sample: string, input: string, model: string}} known
 * @returns {Promise<Evidence>}
 */
export async function fetchEvidence(known) {
  const { label, how, regions } = await callApi(`/samples/${encodeURIComponent(known.sample)}/evidence`);
  const ready = regions.map((region) => ({ ...region, mask: region.mask && unpackMask(region.mask), made: new WeakMap() }));
  return { ...known, label, how, regions: ready };
}

class Legend {
  constructor(root) {
    this.root = root;
    this.text = el("div.ev-evidence");
    root.append(this.text);
    this.offs = [on("axes", () => this.tell()), on("evidence", () => this.tell())];
  }

  update(changed) {
    if (changed === null || changed.has("known")) this.load(parseJson(this.root.dataset.known));
  }

  async load(known) {
    this.known = known;
    this.problem = null;
    this.take(null);
    if (!known) return;
    try {
      const evidence = await fetchEvidence(known);
      if (this.known === known) this.take(evidence);
    } catch (error) {
      if (this.known !== known) return;
      this.problem = error;
      this.tell();
    }
  }

  take(evidence) {
    if (viewState.evidence === evidence) return;
    viewState.evidence = evidence;
    this.root.dataset.regions = String(evidence?.regions.length ?? 0);
    emit("evidence");
  }

  tell() {
    const { evidence, axes } = viewState;
    if (this.problem || !evidence) {
      this.text.replaceChildren(...(this.problem ? [el("p", {}, this.problem.message)] : []));
      return;
    }
    const lines = evidence.regions.map((region) => el("p", {}, swatch(region), el("span", {}, meaning(region, evidence, axes))));
    this.text.replaceChildren(...lines, el("p", {}, KNOWN[evidence.how] || KNOWN.program));
  }

  destroy() {
    for (const off of this.offs) off();
    this.known = null;
    this.take(null);
  }
}

/** What a line style stands for. */
function meaning(region, { label, how }, axes) {
  const told = how === "eye" ? "the thing itself, for the network" : "what makes it";
  const what = region.key === "evidence" ? `${told} \u201c${label}\u201d` : region.title.toLowerCase();
  return axes && !place(region, axes).any ? `${what}: outside the part shown` : what;
}

declareWidget("evidence", ["known"], (root) => new Legend(root));
