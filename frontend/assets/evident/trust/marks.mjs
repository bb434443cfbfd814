/* Evidence on a panel: the sanity badge and the stable share in its head, the shortcut meter under its map. */
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { checksOf } from "./checks.mjs";
import { showChecks } from "./details.mjs";
import { STATES, sanityWords, share, shortcutWords } from "./words.mjs";

export class TrustMarks {
  /** @param {import("../panel/panel.mjs").MapPanel} panel */
  constructor(panel) {
    this.panel = panel;
    /** Key of the region that the shortcut line is about. */
    this.region = "";
    const open = () => showChecks(panel);
    this.badge = el("button.ev-trust-badge", { type: "button", hidden: true, onclick: open });
    this.stable = el("button.ev-trust-stable", { type: "button", hidden: true, onclick: () => panel.hideUnstable(!panel.hiding) });
    this.fill = el("i.ev-trust-fill");
    this.tick = el("i.ev-trust-tick");
    this.share = el("strong");
    this.state = el("span.ev-trust-state");
    this.words = el("span.ev-trust-words");
    this.label = el("span.ev-trust-label");
    this.shortcut = el(
      "button.ev-trust-shortcut",
      { type: "button", onclick: open },
      this.label,
      el("span.ev-trust-track", { "aria-hidden": "true" }, this.fill, this.tick),
      this.words,
      this.share,
      this.state,
    );
    this.line = el("div.ev-trust-line", {}, this.shortcut);
  }

  refresh() {
    const { panel } = this;
    const { checks, sanity } = checksOf(panel);
    this.badgeOf(sanity);
    const stability = panel.stage ? null : checks?.stability;
    this.stable.hidden = !stability;
    if (stability) {
      renew(this.stable, "stable ", el("span", {}, share(stability.share)));
      this.stable.setAttribute("aria-pressed", String(panel.hiding));
      const what = `Hide what is not stable: ${panel.title}, ${share(1 - stability.share)} of the map`;
      this.stable.setAttribute("aria-label", `stable ${share(stability.share)}. ${what}`);
      this.stable.title = `${stability.words}\n${panel.hiding ? "Hidden cells are hatched; press to show them." : "Press to hide what is not stable."}`;
    }
    this.shortcutOf(panel.stage ? null : (checks?.shortcut ?? null));
  }

  /** @param {SanityResult | null} sanity */
  badgeOf(sanity) {
    this.badge.hidden = !sanity?.state;
    if (!sanity?.state) return;
    const { icon: glyph, word } = STATES[sanity.state];
    this.badge.dataset.state = sanity.state;
    renew(this.badge, icon(glyph), word);
    this.badge.title = sanityWords(sanity);
    this.badge.setAttribute("aria-label", `Sanity of ${this.panel.title}: ${word}. ${sanityWords(sanity)}`);
  }

  /** @param {ShortcutResult | null} shortcut */
  shortcutOf(shortcut) {
    this.shortcut.hidden = !shortcut;
    this.line.hidden = !this.panel.votes;
    this.region = shortcut?.regions[0]?.key ?? "";
    if (!shortcut) return;
    this.shortcut.dataset.state = shortcut.flagged ? "flag" : "ok";
    this.fill.style.width = `${100 * shortcut.share}%`;
    this.tick.style.left = `${100 * shortcut.area}%`;
    this.label.textContent = shortcut.title;
    this.words.textContent = shortcut.words;
    this.share.textContent = share(shortcut.share);
    renew(this.state, icon(shortcut.flagged ? "warning" : "check"), shortcut.flagged ? "flag" : "ok");
    this.shortcut.title = `Shortcut meter. ${shortcutWords(shortcut)} The tick is an even map.`;
  }
}
