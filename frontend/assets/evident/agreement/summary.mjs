/* In words: the place that the finished maps point at together, and how much of each map's support lies there. */
import { nextFrame, on } from "../core/bus.mjs";
import { el } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { pointAt } from "../figure/cursor.mjs";
import * as describe from "../maps/describe.mjs";
import { Field } from "../maps/field.mjs";
import * as stats from "../maps/statistics.mjs";
import * as words from "../maps/words.mjs";
import { checksOf } from "../trust/checks.mjs";
import { togetherWords } from "../trust/words.mjs";
import { comparable } from "./agreement.mjs";

const TOP = 10; // percent of cells that count as strongest
const WIDE = 0.5; // a place larger than this share of the picture is no place
const STRONG = 2; // points there: at least this many times what an even map would have there

/** Positive evidence per cell as shares of the map's sum; null for a map without any. */
const shares = (field) =>
  field.once("shares", () => {
    const strength = field.strength("for");
    const sum = strength.reduce((total, x) => total + x, 0);
    return sum > 0 ? new Float64Array(strength).map((x) => x / sum) : null;
  });

/**
 * Fields of one grid -> {box: [r0, r1, c0, c1] inclusive, area, inside: [share or null per field]}; null without positive evidence.
 * The box is that of the strongest cells of the mean of the maps, each divided by its own sum, so that every map counts alike
 * whatever its unit. It does not follow the look's sliders: the sentence stays the same while one plays with them.
 */
export function pointedAt(fields) {
  const [{ rows, cols }] = fields;
  const each = fields.map(shares);
  const known = each.filter(Boolean);
  if (!known.length) return null;
  const mean = new Float32Array(rows * cols);
  for (const part of known) for (let i = 0; i < mean.length; i += 1) mean[i] += part[i] / known.length;
  const together = new Field(mean, rows, cols, false);
  const box = stats.evidenceBox(mean, rows, cols, together.cut("both", TOP));
  if (!box) return null;
  const [r0, r1, c0, c1] = box;
  const within = (part) => {
    let sum = 0;
    for (let r = r0; r <= r1; r += 1) for (let c = c0; c <= c1; c += 1) sum += part[r * cols + c];
    return sum;
  };
  return { box, area: ((r1 - r0 + 1) * (c1 - c0 + 1)) / (rows * cols), inside: each.map((part) => part && within(part)) };
}

/** Evidence at the very start may be the cut itself, a known shortcut of sound models. */
/** @param {Box} box */
const atStart = ([, , firstColumn], axes) =>
  axes?.x_axis.unit === "s" && firstColumn === 0
    ? " It begins with the first moment the model hears: listen whether that is the cough or the cut."
    : "";

/** What the checks of the maps say together; "" before there are any. */
function onShortcut(panels) {
  const told = togetherWords(panels.map((panel) => checksOf(panel).checks?.shortcut).filter(Boolean));
  return told;
}

/** How many of the maps mean the place: "4 of 5 have at least twice the 8 % that chance would put there." */
function counted({ inside, area }) {
  const strong = inside.filter((share) => share >= STRONG * area).length;
  return inside.length > 1
    ? `${strong} of ${inside.length} have at least twice the ${words.percent(area)} that chance would put there.`
    : `Chance would put ${words.percent(area)} there.`;
}

const HOW =
  `The place: the box around the strongest ${TOP} % of cells of all maps together, each map divided by its own sum, 5 % of their strength left out at each side. ` +
  "A map's share: its positive relevance inside the box. It is a summary of these maps, not a measure of their truth.";

class Summary {
  constructor(root) {
    this.line = el("p.ev-summary-line", { title: HOW });
    this.parts = el("p.ev-summary-parts");
    this.each = el("details.ev-summary-each", {}, el("summary", {}, "Each map's share"), this.parts);
    this.node = el("div.ev-summary", { hidden: true }, this.line, this.each);
    root.append(this.node);
    const later = () => nextFrame(this, () => this.show());
    this.offs = ["maps", "axes", "checks"].map((name) => on(name, later));
  }

  update() {
    this.show();
  }

  /** The place of these maps; the same maps are not added up again because a check of one has ended. */
  placeOf(fields) {
    if (fields.map((field) => field.id).join() !== this.fields?.map((field) => field.id).join()) {
      this.fields = fields;
      this.place = fields.length ? pointedAt(fields) : null;
    }
    return this.place;
  }

  show() {
    const panels = comparable().filter((panel) => panel.axes);
    const place = this.placeOf(panels.map((panel) => panel.field));
    this.node.hidden = !place;
    if (!place) return;
    const { area } = place;
    const many = panels.length > 1;
    const [first] = panels;
    if (area > WIDE) {
      renew(
        this.line,
        `${many ? `The ${panels.length} maps together do` : `${first.title} does`} not single out one place: the strongest evidence is spread over ${words.percent(area)} of the picture.`,
      );
      this.each.hidden = true;
      return;
    }
    const where = describe.place(place.box, first.field, first.axes);
    const go = el(
      "button.ev-link",
      { type: "button", title: "Set the crosshair there", onclick: () => this.point(place.box, first.field) },
      where,
    );
    renew(
      this.line,
      many ? `The ${panels.length} maps together point at ` : `${first.title} points at `,
      go,
      ` (${words.percent(area)} of the picture). `,
      onShortcut(panels) || counted(place) + atStart(place.box, first.axes),
    );
    this.each.hidden = false;
    renew(this.parts, ...this.held(panels, place));
  }

  /** "Of what speaks for Covid, there lies: Grad-CAM 64 %, ..." */
  held(panels, { inside }) {
    const target = panels[0].target;
    const named = panels.map((panel, i) =>
      el(
        "button.ev-link",
        { type: "button", title: `Go to ${panel.title}`, onclick: () => this.goTo(panel) },
        `${panel.title} ${inside[i] === null ? words.percent(0) : words.percent(inside[i])}`,
      ),
    );
    const list = named.flatMap((button, i) => (i ? [", ", button] : [button]));
    return [`Of what speaks for ${target || "the class"}, there lies: `, ...list, "."];
  }

  point([r0, r1, c0, c1], { rows, cols }) {
    pointAt({ u: (c0 + c1 + 1) / 2 / cols, v: (r0 + r1 + 1) / 2 / rows });
  }

  goTo(panel) {
    panel.figure.canvas.scrollIntoView({ block: "nearest" });
    panel.figure.canvas.focus({ preventScroll: true });
  }

  destroy() {
    for (const off of this.offs) off();
  }
}

declareWidget("summary", [], (root) => new Summary(root));
