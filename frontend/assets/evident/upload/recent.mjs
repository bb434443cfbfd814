/* The files that were opened here, to open again. Only this browser remembers them: by their ids, in its own storage, so nobody sees
   what somebody else has opened.

   data-store the store that gets the input */
import { apiUrl, callApi } from "../core/api.mjs";
import { emit, on } from "../core/bus.mjs";
import { toast } from "../core/dialog.mjs";
import { el, icon, parseJson } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";

const KEY = "evident-recent";
/** Files offered to be opened again, and remembered. */
const OFFERED = 6;
const MOST = 40;

/** @typedef {{id: string, name: string, modality: string}} Recent */

/**
 * Newest first.
 * @returns {Recent[]}
 */
export function recent(most = OFFERED) {
  try {
    const known = parseJson(window.localStorage.getItem(KEY) ?? "", []);
    return Array.isArray(known) ? known.filter((entry) => typeof entry?.id === "string").slice(0, most) : [];
  } catch {
    return []; // storage may be closed to us: then nothing is remembered
  }
}

/** @param {Recent[]} entries */
function keep(entries) {
  try {
    window.localStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    return;
  }
  emit("recent");
}

/** The input that is open. @type {string | undefined} */
let open;

/**
 * An input is open; told again and again, it counts once: what is forgotten stays so, while the page still tells of it.
 * Bundled samples stand in the gallery and are not listed.
 * @param {{id: string, name: string, modality: string, sample?: string | null} | null} input
 */
export function keepRecent(input) {
  const told = open === input?.id;
  open = input?.id;
  const known = recent(MOST);
  if (!input || told || input.sample || known[0]?.id === input.id) return;
  const { id, modality, name } = input;
  keep([{ id, modality, name }, ...known.filter((entry) => entry.id !== id)].slice(0, MOST));
}

/** @param {string | undefined} id */
export function forgetRecent(id) {
  const known = recent(MOST);
  if (known.some((entry) => entry.id === id)) keep(known.filter((entry) => entry.id !== id));
}

class RecentInputs {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.offs = [on("recent", () => this.update()), on("confirmed", ({ input }) => forgetRecent(input))];
  }

  update() {
    const entries = recent();
    this.root.hidden = !entries.length;
    const forget = el("button.ev-link", { type: "button", title: "Only this list; the files stay", onclick: () => keep([]) }, "Forget");
    const list = el("ul", {}, ...entries.map((entry) => el("li", {}, this.button(entry))));
    this.root.replaceChildren(el("span.ev-muted", {}, "Opened on this device"), list, forget);
  }

  /** @param {Recent} entry */
  button({ id, modality, name }) {
    const src = apiUrl(`/inputs/${encodeURIComponent(id)}/preview.png?size=64`);
    const glyph = icon(modality === "audio" ? "sound" : "image");
    const picture = modality === "audio" ? glyph : el("img", { src, alt: "", onerror: () => picture.replaceWith(glyph) });
    return el("button.ev-recent", { type: "button", title: name, onclick: () => this.open(id, name) }, picture, el("span", {}, name));
  }

  async open(id, name) {
    try {
      const data = await callApi(`/inputs/${encodeURIComponent(id)}`);
      tellDash(this.root.dataset.store || "input-store", { data });
      tellDash("samples-drawer", { opened: false });
    } catch (error) {
      if (error.status === 404) forgetRecent(id);
      toast(error.status === 404 ? `${name} is no longer on the server: drop it again.` : error.message);
    }
  }

  destroy() {
    for (const off of this.offs) off();
  }
}

declareWidget("recent", ["store"], (root) => new RecentInputs(root));
