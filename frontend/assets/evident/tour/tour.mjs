/* The tour's card: says what a step is about, points at the one thing to press, notices that it was pressed, and says what is then to be
   seen. The page does what it always does; the card only looks.

   tour: the card, on every page · tour-start: the way in, and back in */
import { callApi } from "../core/api.mjs";
import { nextFrame, on } from "../core/bus.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { viewState } from "../core/state.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { weigh } from "../evidence/marks.mjs";
import { allPanels, finishedPanels } from "../panel/panels.mjs";
import { forget, recall, remember } from "./memory.mjs";
import { ANSWER, addressOf, STEPS, stepOf } from "./steps.mjs";

const MOVED = "evident-tour-moved";
/** What says that the person moves about. */
const TOUCHES = ["wheel", "touchmove", "keydown", "pointerdown"];
/** So much of what is pointed at must be in view, in css pixels. */
const SEEN = 120;

/** @type {Promise<{key: string, input: string, model: string, label: string | null}[]> | null} */
let asked = null;
const bundled = () => {
  asked ??= callApi("/samples");
  return asked;
};

/** The page is about to be left: what it shows is no longer the step's. */
let going = false;
window.addEventListener("pageshow", () => {
  going = false;
});

/** Opens a step: the whole page anew, so that nothing of the step before is left. */
async function go(number) {
  going = true;
  remember({ step: number, open: true, noted: {} });
  const address = addressOf(STEPS[number], await bundled());
  try {
    window.sessionStorage.setItem(MOVED, "1");
  } catch {
    // the focus then stays where a new page puts it
  }
  window.location.assign(address ?? "/");
}

/** Whether the page was opened by the tour; asked once. */
function moved() {
  try {
    const was = window.sessionStorage.getItem(MOVED) === "1";
    window.sessionStorage.removeItem(MOVED);
    return was;
  } catch {
    return false;
  }
}

const text = (selector) => document.querySelector(selector)?.textContent?.trim() ?? "";

/** Each concept of a finished analysis with its verdicts, layer by layer. */
const verdicts = () =>
  [...document.querySelectorAll(".ev-concept-table tbody tr")].map((row) => ({
    name: row.querySelector("th strong, th")?.textContent?.trim() ?? "",
    words: [...row.querySelectorAll("td .ev-chip")].map((chip) => chip.textContent?.trim() ?? ""),
  }));

/**
 * What the page shows now.
 * @param {string[]} pressed
 * @param {string | null} truth
 * @returns {import("./steps.mjs").View}
 */
function look(pressed, truth) {
  const panels = allPanels();
  const subject = panels.map((panel) => panel.subject).find(Boolean);
  const finished = finishedPanels();
  const held = finished.flatMap((panel) =>
    weigh(panel).map(({ region, share, uniform }) => ({ map: panel.title, key: region.key, label: region.title, share, uniform })),
  );
  const whole = panels.length > 0 && finished.length === panels.length;
  const label = text(`${ANSWER} .ev-score-label`);
  const card = document.getElementById("prediction-card");
  const undecided = /undecided/i.test(card?.textContent ?? "");
  return {
    model: subject?.model ?? "",
    answer: label && card?.getAttribute("aria-busy") !== "true" ? { label, score: text(`${ANSWER} .ev-score-value`), undecided } : null,
    held: whole ? held : [],
    truth,
    pointed: Boolean(viewState.cursor),
    sign: viewState.look.sign,
    pressed,
    verdicts: verdicts(),
  };
}

class Tour {
  /** @type {string[]} */
  pressed = [];
  said = "";
  /** The person has scrolled, pressed or typed on this page. */
  touched = false;
  /** The element pointed at. @type {Element | null} */
  target = null;

  constructor(root) {
    this.root = root;
    this.heading = el("h2.ev-tour-title", { tabIndex: -1 });
    this.count = el("span.ev-muted.ev-small");
    const leave = el("button.ev-icon-button", { type: "button", title: "Leave the tour", onclick: () => this.leave() }, icon("close"));
    leave.append(el("span.ev-visually-hidden", {}, "Leave the tour"));
    this.text = el("p");
    this.press = el("p.ev-tour-press");
    this.buttons = el("div.ev-row");
    const head = el("header.ev-tour-head", {}, this.count, leave);
    this.node = el("section.ev-tour", { "aria-label": "Tour", hidden: true }, head, this.heading, this.text, this.press, this.buttons);
    root.append(this.node);
    const wished = stepOf(window.location.search);
    if (wished !== null) {
      forget();
      go(wished);
    }
    const later = () => this.later();
    this.offs = ["tour", "maps", "cursor", "look", "evidence", "axes"].map((name) => on(name, later));
    this.watcher = new MutationObserver(later);
    this.onPress = (event) => this.noticed(event.target);
    document.addEventListener("click", this.onPress, true);
    this.fresh = moved();
    this.sizes = new ResizeObserver(later);
    this.onTouch = () => {
      this.touched = true;
    };
    for (const name of TOUCHES) document.addEventListener(name, this.onTouch, { passive: true });
  }

  async update() {
    const content = document.getElementById("content");
    if (content) {
      this.watcher.observe(content, { childList: true, subtree: true });
      this.sizes.observe(content);
    }
    this.later();
    if (!recall().open) return;
    this.samples = await bundled();
    this.later();
  }

  get step() {
    return STEPS[Math.min(recall().step, STEPS.length - 1)];
  }

  get sample() {
    return this.samples?.find(({ key }) => key === this.step.sample);
  }

  /** Whether the page on show is the step's: its page, with its input. */
  get here() {
    const { pathname, search } = window.location;
    const inputs = new URLSearchParams(search).get("input")?.split(",") ?? [];
    return pathname === this.step.page && inputs.includes(this.sample?.input ?? "");
  }

  noticed(node) {
    const { at } = this.step;
    if (!recall().open || !(node instanceof Element) || !node.closest(at)) return;
    if (!this.pressed.includes(at)) this.pressed.push(at);
    this.later();
  }

  later() {
    nextFrame(this, () => this.show());
  }

  show() {
    if (going) return;
    const { open, step: number, done } = recall();
    this.node.hidden = !open;
    document.documentElement.toggleAttribute("data-evident-tour", open);
    if (!open) {
      this.point(null);
      return;
    }
    const { step } = this;
    this.count.textContent = `Tour \u00b7 step ${number + 1} of ${STEPS.length}`;
    this.heading.textContent = step.title;
    if (!this.samples) this.tell(step.before);
    else if (this.here) this.follow(step, number, done);
    else this.elsewhere(number);
    if (this.fresh) {
      this.fresh = false;
      this.heading.focus({ preventScroll: true });
    }
  }

  follow(step, number, done) {
    const view = look(this.pressed, this.sample?.label ?? null);
    this.note(step, view);
    const did = step.done(view);
    const after = did ? step.after(view, recall().noted[step.key] ?? {}) : null;
    if (after && !done.includes(step.key)) remember({ done: [...done, step.key] });
    this.point(did ? null : document.querySelector(step.at));
    this.bring();
    this.tell(after || step.before);
    this.press.hidden = did;
    this.press.textContent = step.press;
    if (did && !after) this.tell("One moment: the page is computing.");
    this.offer([
      number > 0 && this.button("Back", () => go(number - 1)),
      !did && this.target && this.whereabouts(),
      this.next(number, Boolean(after)),
    ]);
  }

  /** Before the person changes anything: what the page showed first. */
  note(step, view) {
    const { noted } = recall();
    if (noted[step.key] || !view.answer || !view.held.length || step.done(view)) return;
    remember({ noted: { ...noted, [step.key]: { answer: view.answer, held: view.held } } });
  }

  elsewhere(number) {
    this.point(null);
    this.tell("You are somewhere else now; the tour waits.");
    this.press.hidden = true;
    this.offer([this.button("Go on with the tour", () => go(number), true)]);
  }

  tell(sentence) {
    if (this.said === sentence) return;
    this.said = sentence;
    this.text.textContent = sentence;
    say(sentence);
  }

  button(label, onclick, primary = false) {
    return el(`button.ev-button${primary ? ".ev-button--primary" : ""}`, { type: "button", onclick }, label);
  }

  next(number, ready) {
    if (number + 1 < STEPS.length) return this.button(ready ? "Next" : "Skip", () => go(number + 1), ready);
    return this.button("Finish", () => this.finish(), ready);
  }

  /** For the keyboard: puts the focus on what is pointed at. */
  whereabouts() {
    return this.button("Take me there", () => {
      const { target } = this;
      const control = target?.matches("button, input, canvas") ? target : target?.querySelector("input:checked, input, button");
      const canvas = target?.closest(".ev-figure")?.querySelector("canvas");
      const goal = /** @type {HTMLElement | null | undefined} */ (canvas ?? control ?? target);
      goal?.focus();
    });
  }

  offer(buttons) {
    const held = this.buttons.contains(document.activeElement);
    renew(this.buttons, ...buttons.filter(Boolean));
    if (held && !this.buttons.contains(document.activeElement)) this.buttons.lastElementChild?.focus();
  }

  /** Marks one element of the page. */
  point(element) {
    if (this.target === element) return;
    this.target?.removeAttribute("data-toured");
    this.target = element;
    element?.setAttribute("data-toured", "");
  }

  /** Brings it into view, again while the page above it still grows; not once the person has taken over. */
  bring() {
    const { target, touched } = this;
    if (!target || touched) return;
    const { top, bottom } = target.getBoundingClientRect();
    const narrow = window.innerWidth <= 820;
    const foot = narrow ? this.node.getBoundingClientRect().top : window.innerHeight;
    const seen = top >= 0 && Math.min(bottom, top + SEEN) <= foot;
    if (!seen) target.scrollIntoView({ block: narrow ? "start" : "nearest" });
  }

  leave() {
    remember({ open: false });
    document.getElementById("content")?.focus({ preventScroll: true });
  }

  finish() {
    forget();
    window.location.assign("/");
  }

  destroy() {
    document.removeEventListener("click", this.onPress, true);
    for (const name of TOUCHES) document.removeEventListener(name, this.onTouch);
    this.watcher.disconnect();
    this.sizes.disconnect();
    for (const off of this.offs) off();
  }
}

declareWidget("tour", [], (root) => new Tour(root));

class TourStart {
  constructor(root) {
    this.root = root;
    this.off = on("tour", () => this.update());
  }

  update() {
    const { step, done } = recall();
    const begun = step > 0 || done.length > 0;
    const primary = (label, number) =>
      el("button.ev-button.ev-button--primary.ev-tour-go", { type: "button", onclick: () => go(number) }, icon("play"), label);
    if (!begun) {
      this.root.replaceChildren(
        primary("Show me in three minutes", 0),
        el("span.ev-muted.ev-small", {}, "Six steps, one thing to click each"),
      );
      return;
    }
    const again = el("button.ev-link", { type: "button", onclick: () => go(0) }, "from the start");
    const where = el("span.ev-muted.ev-small", {}, `Step ${step + 1} of ${STEPS.length}, or `, again);
    this.root.replaceChildren(primary("Go on with the tour", step), where);
  }

  destroy() {
    this.off();
  }
}

declareWidget("tour-start", [], (root) => new TourStart(root));
