/* The menu of a map panel: stages, table, numbers, downloads, link. */
import { apiUrl } from "../core/api.mjs";
import { el, icon } from "../core/elements.mjs";
import { checksOf } from "../trust/checks.mjs";
import { showChecks } from "../trust/details.mjs";
import { copyLink } from "../dash/address.mjs";
import { tellDash } from "../dash/tell.mjs";
import { downloadPicture, fileName } from "./download.mjs";
import { showTable } from "./table.mjs";

/**
 * Where the same input, model and class are shown layer by layer; null before they are known. Pure.
 * @param {Partial<ExplanationRequest> | null | undefined} request
 */
export function insideAddress(request) {
  if (!request?.input || !request.model) return null;
  const query = new URLSearchParams({ model: request.model, input: request.input });
  if (request.target != null) query.set("class", String(request.target));
  if (request.start != null) query.set("start", String(request.start));
  if (request.layer) query.set("layer", request.layer);
  return `/inside?${query}`;
}

export class PanelMenu {
  constructor(panel) {
    this.panel = panel;
    this.button = el(
      "button.ev-map-more",
      { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => this.toggle() },
      icon("more"),
    );
    this.list = el("div.ev-menu", { role: "menu", hidden: true });
    this.node = el("div.ev-menu-holder", {}, this.button, this.list);
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.outside = (event) => {
      if (!this.node.contains(event.target)) this.close();
    };
  }

  refresh() {
    this.button.setAttribute("aria-label", `More about ${this.panel.title}`);
  }

  toggle() {
    if (this.list.hidden) this.open();
    else this.close();
  }

  open() {
    this.list.replaceChildren(...this.items());
    this.list.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", this.outside);
    const first = this.list.querySelector("[role^=menuitem]:not([aria-disabled])");
    if (first) first.focus({ preventScroll: true });
  }

  close() {
    if (this.list.hidden) return;
    const inside = this.list.contains(document.activeElement);
    this.list.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.outside);
    if (inside) this.button.focus({ preventScroll: true });
  }

  key(event) {
    if (this.list.hidden) return;
    const items = [...this.list.querySelectorAll("[role^=menuitem]")];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Escape") this.close();
    else if (event.key === "Tab") this.close();
    else if (to !== undefined) items[(to + items.length) % items.length].focus();
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  }

  items() {
    const { panel } = this;
    const { record, view, id } = panel;
    const base = id && apiUrl(`/explanations/${encodeURIComponent(id)}`);
    const file = fileName(panel);
    const out = [];
    if (record?.stages.length) {
      out.push(el("div.ev-menu-title", { role: "presentation" }, "Stages"), this.stage(null, "Final map"));
      for (const { name, title } of record.stages) out.push(this.stage(name, title));
      out.push(el("hr"));
    }
    if (view) out.push(this.action("table", "Show as table", () => showTable(panel)));
    if (record) out.push(this.action("sliders", "Numbers and conditions", () => this.numbers()));
    const { checks } = checksOf(panel);
    if (record && panel.votes && panel.root.dataset.checked) out.push(this.action("check", "Checks of this map", () => showChecks(panel)));
    if (checks?.stability && !panel.stage) out.push(this.hiding());
    if (view) out.push(this.action("image", "Download PNG", () => downloadPicture(panel)));
    if (record) {
      out.push(this.link("numbers", "Download NPY", `${base}/values.npy`, `${file}.npy`));
      out.push(this.link("file", "Download JSON", base, `${file}.json`));
    }
    const inside = insideAddress(panel.job?.request);
    if (inside) out.push(el("a.ev-menu-item", { role: "menuitem", tabIndex: -1, href: inside }, icon("layers"), "Layers"));
    out.push(this.action("link", "Copy link", () => copyLink()));
    return out;
  }

  /** Asks the page for its drawer with the numbers and the conditions of this map. */
  numbers() {
    const { id, title, root } = this.panel;
    tellDash("numbers-store", { data: { id, method: root.dataset.key || "", title, at: Date.now() } });
  }

  hiding() {
    const { panel } = this;
    const hide = () => {
      this.close();
      panel.hideUnstable(!panel.hiding);
    };
    const mark = panel.hiding ? icon("check") : el("span.ev-menu-blank");
    const props = { type: "button", role: "menuitemcheckbox", "aria-checked": String(panel.hiding), tabIndex: -1, onclick: hide };
    return el("button.ev-menu-item", props, mark, "Hide what is not stable");
  }

  stage(name, title) {
    const chosen = this.panel.stage === name;
    const choose = () => {
      this.close();
      this.panel.choose(name);
    };
    const mark = chosen ? icon("check") : el("span.ev-menu-blank");
    return el(
      "button.ev-menu-item",
      { type: "button", role: "menuitemradio", "aria-checked": String(chosen), tabIndex: -1, onclick: choose },
      mark,
      title,
    );
  }

  action(glyph, text, run) {
    const act = () => {
      this.close();
      run();
    };
    return el("button.ev-menu-item", { type: "button", role: "menuitem", tabIndex: -1, onclick: act }, icon(glyph), text);
  }

  link(glyph, text, href, download) {
    return el("a.ev-menu-item", { role: "menuitem", tabIndex: -1, href, download, onclick: () => this.close() }, icon(glyph), text);
  }

  destroy() {
    this.close();
  }
}
