/* Published networks by name: a search as one types, and fetching the one that is chosen.

   hub: data-store a counter, told when a network has come · data-most bytes a file may have */
import { callApi } from "../core/api.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import { integer, megabytes, millions } from "../maps/words.mjs";
import { Fetching, useLinks } from "./fetching.mjs";

const PAUSE = 120;
const SHOWN = 60;
const COLUMNS = ["Name", "Family", "Parameters", "Download", "Input", "Licence"];

/** The name with what was typed set off. */
export function marked(key, query) {
  const word = query.trim().toLowerCase().split(/\s+/)[0] || "";
  const at = word ? key.toLowerCase().indexOf(word, key.includes(":") && !word.includes(":") ? key.indexOf(":") + 1 : 0) : -1;
  if (at < 0) return [key];
  return [key.slice(0, at), el("mark", {}, key.slice(at, at + word.length)), key.slice(at + word.length)];
}

class Hub {
  /** Fetches under way, by name: a search does not stop them. */
  fetches = new Map();
  chosen = "";

  constructor(root) {
    this.root = root;
    this.field = el("input.ev-search-field", {
      type: "search",
      placeholder: "resnet, efficientnet b0, convnext ...",
      "aria-label": "Name of a network",
      autocomplete: "off",
      spellcheck: false,
      maxLength: 100,
      oninput: () => this.later(),
    });
    this.count = el("span.ev-muted.ev-search-count", { role: "status" });
    this.list = el("ul.ev-hub-list", { "aria-label": "Networks" });
    this.foot = el("div.ev-hub-foot.ev-muted.ev-small");
    const head = el("div.ev-hub-row.ev-hub-head", { "aria-hidden": "true" }, ...COLUMNS.map((word) => el("span", {}, word)));
    root.append(el("div.ev-search", {}, icon("search"), this.field, this.count), el("div.ev-hub-box", {}, head, this.list), this.foot);
    this.ask();
  }

  update() {}

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  async ask() {
    const query = this.field.value;
    this.abort?.abort();
    this.abort = new AbortController();
    try {
      this.show(await callApi(`/hub?query=${encodeURIComponent(query)}&limit=${SHOWN}`, { signal: this.abort.signal }), query);
    } catch (problem) {
      if (problem.name !== "AbortError") this.list.replaceChildren(el("li.ev-problem", {}, icon("warning"), problem.message));
    }
  }

  show(answer, query) {
    this.answer = answer;
    this.query = query;
    const asked = query.trim() !== "";
    this.count.textContent = asked ? `${integer(answer.found)} of ${integer(answer.total)} names` : `${integer(answer.total)} names`;
    this.draw();
    const from = answer.downloads
      ? "From huggingface.co, on your word only. Numbers are read; no code is run."
      : "This server fetches nothing (EVIDENT_DOWNLOADS=false): download the file elsewhere and drop it here.";
    this.foot.replaceChildren(el("span", {}, "Labels: those of ImageNet, where there are 1,000"), el("span", {}, from));
  }

  draw() {
    const { names, found, nearest } = this.answer;
    const rows = names.map((entry) => this.row(entry));
    if (!names.length) rows.push(this.nothing(nearest));
    if (found > names.length)
      rows.push(el("li.ev-muted.ev-small.ev-hub-more", {}, `${integer(found - names.length)} more; type on to narrow them down.`));
    this.list.replaceChildren(...rows);
  }

  nothing(nearest) {
    const suggestion =
      nearest &&
      el(
        "button.ev-link",
        {
          type: "button",
          onclick: () => {
            this.field.value = nearest;
            this.ask();
          },
        },
        nearest,
      );
    return el("li.ev-muted.ev-hub-more", {}, "No network of that name. ", suggestion && "Did you mean ", suggestion, suggestion && "?");
  }

  row(entry) {
    const open = entry.key === this.chosen || this.fetches.get(entry.key)?.active;
    const button = el(
      "button.ev-hub-row",
      { type: "button", "aria-expanded": String(Boolean(open)), onclick: () => this.choose(entry.key) },
      el("span.ev-hub-name", {}, ...marked(entry.key, this.query)),
      el("span.ev-muted", {}, entry.family),
      el("span.ev-number", {}, millions(entry.parameters)),
      el("span.ev-number", {}, entry.reason ? "\u2013" : entry.here ? "here" : megabytes(entry.download_bytes)),
      el("span.ev-number.ev-muted", {}, `${entry.input[1]} \u00d7 ${entry.input[2]}`),
      el("span.ev-muted", {}, entry.licence || "not stated"),
    );
    const classes = `li.ev-hub-entry${open ? ".ev-hub-entry--open" : ""}${entry.reason ? ".ev-hub-entry--off" : ""}`;
    return el(classes, {}, button, open && this.detail(entry));
  }

  choose(key) {
    this.chosen = this.chosen === key ? "" : key;
    this.draw();
    const buttons = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(".ev-hub-row")]);
    buttons.find((node) => node.textContent?.startsWith(key))?.focus();
  }

  /** What can be done with the chosen network. */
  detail(entry) {
    const most = Number(this.root.dataset.most) || Infinity;
    const line = (...parts) => el("div.ev-fetch-line.ev-hub-detail", {}, ...parts);
    const known = this.fetches.get(entry.key);
    if (known) return el("div.ev-hub-detail", {}, !known.active && known.done.hidden && this.starter(entry), known.node);
    if (entry.reason) return line(icon("info"), el("span.ev-muted", {}, `${entry.reason[0].toUpperCase()}${entry.reason.slice(1)}.`));
    if (entry.here) return line(icon("check"), el("span", {}, "On this server."), ...useLinks(entry.key));
    if (entry.download_bytes > most)
      return line(icon("info"), el("span.ev-muted", {}, `Larger than this server takes (${megabytes(most)}).`));
    if (!this.answer.downloads) {
      const link = el("a", { href: entry.address, target: "_blank", rel: "noopener noreferrer" }, "model.safetensors");
      const way = el("span", {}, "Download ", link, " on a machine with internet and drop it here: its architecture is recognised.");
      return line(icon("info"), way);
    }
    return el("div.ev-hub-detail", {}, this.starter(entry));
  }

  starter(entry) {
    const classes = `${integer(entry.classes)} classes${entry.classes === 1000 ? " (ImageNet)" : ""}`;
    const word = `Fetch ${megabytes(entry.download_bytes)}`;
    const start = () => this.fetch(entry);
    return el(
      "div.ev-fetch-line",
      {},
      el("span.ev-muted", {}, classes),
      el(
        "button.ev-button.ev-button--primary",
        { type: "button", "aria-label": `${word} for ${entry.key}`, onclick: start },
        icon("download"),
        word,
      ),
    );
  }

  fetch(entry) {
    const fetching =
      this.fetches.get(entry.key) ||
      new Fetching(entry.key, () => {
        entry.here = true;
        this.draw();
        tellDash(this.root.dataset.store, { data: Date.now() });
      });
    fetching.onEnd = () => this.draw();
    this.fetches.set(entry.key, fetching);
    say(`Fetching ${entry.key}.`);
    fetching.start();
    this.draw();
  }

  destroy() {
    clearTimeout(this.timer);
    this.abort?.abort();
    for (const fetching of this.fetches.values()) fetching.destroy();
  }
}

declareWidget("hub", ["most"], (root) => new Hub(root));
