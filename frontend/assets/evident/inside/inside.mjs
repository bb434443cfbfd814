/* The Inside page below its strip: how one input is decided, layer by layer and filter by filter.

   inside: data-subject JSON {input, model, target, top, start, labels, axes, display, sound} · data-layer, data-filter to begin with ·
   data-known JSON: whose evidence is known. Tells inside-place {model, layer, filter}. */
import { el, parseJson } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import { outlineEvidence } from "../evidence/marks.mjs";
import { BigMap, knownEvidence } from "./big_map.mjs";
import { Features } from "./features.mjs";
import { FilterCard } from "./filter_card.mjs";
import { LayerCard } from "./layer_card.mjs";
import { progressLine, trouble } from "../job/lines.mjs";
import * as reading from "./reading.mjs";
import { Scrubber } from "./scrubber.mjs";
import { Session } from "./session.mjs";
import { ratioOf } from "../figure/small_map.mjs";
import { Work } from "../job/work.mjs";

const ABOUT =
  "From which layer on the answer stands, which filters carry it, and what is left without them. Drag through the layers or use the arrow keys.";

class Inside {
  /** @type {Session | null} */
  session = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
  }

  /** @param {Set<string> | null} changed */
  update(changed) {
    const { subject, layer, filter } = this.root.dataset;
    if (changed === null || changed.has("subject")) this.open(parseJson(subject), { layer, filter: parseJson(filter) });
    if (changed?.has("known")) this.evidence?.setAttribute("data-known", this.root.dataset.known ?? "");
  }

  open(subject, wanted) {
    const before = this.session;
    this.end();
    if (!subject) return;
    this.session = new Session(subject, wanted, (what) => this.tell(what));
    const { session } = this;
    if (before) session.ranking = before.ranking;
    if (before && JSON.stringify(before.subject.sets) === JSON.stringify(subject.sets)) session.set = before.set;
    this.scrubber = new Scrubber(session);
    this.map = new BigMap(session, (x, y) => this.askSpot(x, y));
    this.features = new Features(session);
    this.filter = new FilterCard(session);
    this.all = new LayerCard(session);
    this.strong = el("strong.ev-inside-lead");
    this.quiet = el("span.ev-muted");
    this.work = el("div");
    this.note = el("p.ev-muted.ev-small", { hidden: true });
    this.evidence = knownEvidence(this.root.dataset.known);
    outlineEvidence(true);
    const layers = el(
      "section.ev-card.ev-inside-layers",
      { "aria-label": "Layers" },
      el(
        "header.ev-inside-headline",
        {},
        el("h2.ev-inside-title", {}, "Layers"),
        el("p", { role: "status" }, this.strong, " ", this.quiet),
      ),
      this.work,
      this.scrubber.node,
      this.note,
    );
    const side = el("div.ev-inside-side.ev-lab-only", {}, this.filter.node, this.all.node);
    this.root.style.setProperty("--ev-inside-ratio", String(1 / ratioOf(subject)));
    this.root.style.setProperty("--ev-feature-columns", ratioOf(subject) > 0.8 ? "5" : "4");
    this.root.replaceChildren(layers, this.map.node, this.features.node, side, this.evidence);
    this.tell("lens");
  }

  /** A change of the session reaches those that show it. */
  tell(what) {
    if (!this.session || !this.scrubber) return;
    if (what === "lens") {
      this.lens();
      if (!this.session.lens.busy) this.filter?.draw(); // what it asks for waits for the lens
    }
    if (what === "lens" || what === "maps") {
      this.scrubber.maps();
      this.map?.draw();
      this.features?.draw();
    }
    if (what === "layer") this.layer();
    if (what === "filter") {
      this.features?.mark();
      this.filter?.draw();
      this.place();
    }
    if (what === "off") {
      this.map?.switches();
      this.features?.switches();
      this.filter?.draw();
    }
    if (what === "cut") {
      this.headline();
      this.features?.switches();
      this.map?.draw();
      this.filter?.draw();
    }
    if (what === "internals" || what === "layer") this.all?.draw();
    if (what === "internals" && !this.session.studied?.busy) {
      this.filter?.draw();
      this.features?.draw();
    }
    if (what === "sets") this.all?.offerInputs();
    if (what === "ranking") {
      this.features?.ranked();
      this.all?.draw();
    }
  }

  lens() {
    const { lens, result } = /** @type {Session} */ (this.session);
    const work = lens.problem ? [trouble(lens.problem, () => lens.again())] : [];
    if (lens.busy) work.push(progressLine(lens, result ? "Reading each layer" : "Opening the network"));
    if (lens.state === "cancelled")
      work.push(el("p.ev-muted", {}, "Stopped. "), el("button.ev-button", { type: "button", onclick: () => lens.again() }, "Go on"));
    if (this.work) renew(this.work, ...work);
    this.scrubber?.lens();
    const note = result?.note ?? "";
    if (this.note) {
      this.note.textContent = note;
      this.note.hidden = !note;
    }
    this.headline();
  }

  layer() {
    this.spot?.leave();
    this.map?.spoke("");
    this.scrubber?.arrange();
    this.features?.layer();
    this.map?.switches();
    this.filter?.draw();
    this.place();
  }

  /** The first sentence of the page: where it is decided, which filters carry it, what is left without them. */
  headline() {
    const { session } = this;
    if (!session || !this.strong || !this.quiet) return;
    const { result, lens, carrier, subject } = session;
    if (!result || lens.busy) {
      this.strong.textContent = "";
      this.quiet.textContent = ABOUT;
      return;
    }
    const [strong, quiet] = reading.decision(result, subject.labels);
    const numbers = reading.carriers(carrier);
    const cut = numbers.length ? session.cuts.get(`${carrier.name} ${[...numbers].sort((a, b) => a - b)}`) : null;
    const carry = ` ${reading.carried(numbers, reading.change(cut?.result, subject.target))}`;
    this.strong.textContent = `${strong}${carry}`;
    this.quiet.textContent = quiet;
  }

  /** Which filters made a place of the big map. */
  askSpot(x, y) {
    const { session } = this;
    if (!session?.layer) return;
    this.spot?.leave();
    const { layer } = session;
    const request = session.request({ layer: layer.name, x, y });
    this.map?.spoke("Asking which filters made this spot …");
    this.spot = new Work("/spots", request, (work) => {
      if (session.layer !== layer) return;
      if (work.problem) this.map?.spoke(work.problem.message);
      else if (work.result) this.spotted(work.result.filters);
    });
  }

  spotted(filters) {
    const first = filters.filter(({ share }) => share > 0).slice(0, 5);
    const said = first.map(({ filter, share }) => `${filter} (${Math.round(100 * share)} %)`);
    this.map?.spoke(first.length ? `This spot was made by filters ${reading.listed(said)}.` : "No filter supports the class at this spot.");
    this.features?.spotted(first);
  }

  place() {
    const { session } = this;
    if (!session?.layer) return;
    const { layer, filter, subject, touched } = session;
    if (touched || filter !== null) tellDash("inside-place", { data: { model: subject.model, layer: layer.name, filter } });
  }

  end() {
    this.session?.end();
    this.spot?.leave();
    this.scrubber?.destroy();
    this.map?.destroy();
    this.filter?.destroy();
    this.session = null;
  }

  destroy() {
    this.end();
  }
}

declareWidget("inside", ["subject", "known"], (root) => new Inside(root));
