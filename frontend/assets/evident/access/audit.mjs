/* audit: how long inputs stay, and who did what to which object: newest first, filtered, page by page. The log is for admins. */
import { callApi } from "../core/api.mjs";
import { el } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { integer } from "../maps/words.mjs";
import { stays } from "../upload/files.mjs";
import { complaint } from "./form.mjs";
import { deed, facts, moment, query } from "./log.mjs";

const PAGE = 25;

class Audit {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.filter = { who: "", action: "", object: "" };
    this.offset = 0;
    this.retention = el("p", {});
    this.holder = el("div.ev-audit", {}, el("p.ev-muted", {}, "The log is being read …"));
    this.problem = complaint();
    root.append(this.retention, this.holder, this.problem.node);
    this.tellRetention();
    this.show();
  }

  async tellRetention() {
    try {
      const sentence = stays(await callApi("/limits"));
      this.retention.textContent = `What is uploaded ${sentence}. Deleting an input deletes every byte of it, and everything made of it.`;
    } catch {
      this.retention.textContent = "";
    }
  }

  async show() {
    try {
      const log = await callApi(`/audit?${query({ ...this.filter, offset: this.offset, limit: PAGE })}`);
      this.holder.replaceChildren(this.controls(log), this.table(log), this.steps(log.total));
      this.problem.tell("");
    } catch (refusal) {
      if (refusal.code !== "admin_only") return this.problem.tell(refusal.message); // what was there stays
      this.holder.replaceChildren(el("p.ev-muted", {}, "Who did what is written down; an admin of this server can read it here."));
    }
  }

  /** @param {Partial<{who: string, action: string, object: string}>} change */
  choose(change) {
    this.filter = { ...this.filter, ...change };
    this.offset = 0;
    return this.show();
  }

  controls({ people, actions }) {
    const select = (label, name, values, word) => {
      const options = [["", label], ...values.map((value) => [value, word(value)])].map(([value, text]) =>
        el("option", { value, selected: value === this.filter[name] }, text),
      );
      return el("select.ev-select", { "aria-label": label, onchange: (event) => this.choose({ [name]: event.target.value }) }, ...options);
    };
    const object = el("input.ev-text", {
      type: "search",
      value: this.filter.object,
      maxLength: 200,
      placeholder: "Object: an id, or its beginning",
    });
    object.setAttribute("aria-label", "Object");
    const search = (event) => {
      event.preventDefault();
      this.choose({ object: object.value.trim() });
    };
    return el(
      "form.ev-row.ev-audit-controls",
      { onsubmit: search },
      select("Everybody", "who", people.filter(Boolean), (name) => name),
      select("Every deed", "action", actions, deed),
      object,
      el("button.ev-button", { type: "submit" }, "Search"),
    );
  }

  table({ entries }) {
    const head = ["When", "Who", "What", "Object", "Versions and counts"].map((text) => el("th", { scope: "col" }, text));
    const rows = entries.map((entry) =>
      el(
        "tr",
        {},
        el("td.ev-audit-when.ev-beside", {}, moment(entry.at)),
        el("td.ev-beside", {}, entry.who || "somebody unknown"),
        el("td.ev-audit-what", {}, deed(entry.action)),
        el("td.ev-breaks", {}, entry.object && el("code", {}, entry.object)),
        el("td.ev-muted.ev-small.ev-breaks", {}, facts(entry.facts)),
      ),
    );
    const none = el("tr", {}, el("td", { colSpan: 5, className: "ev-muted" }, "Nothing matches."));
    const table = el("table.ev-data-table.ev-stacked", {}, el("caption", {}, "Who did what"), el("thead", {}, el("tr", {}, ...head)));
    table.append(el("tbody", {}, ...(rows.length ? rows : [none])));
    return el("div.ev-table-box", { tabIndex: 0, role: "region", "aria-label": "Who did what" }, table);
  }

  steps(total) {
    const go = (by) => () => {
      this.offset += by;
      this.show();
    };
    const last = Math.min(total, this.offset + PAGE);
    return el(
      "div.ev-row",
      {},
      el("button.ev-button.ev-button--small", { type: "button", disabled: this.offset === 0, onclick: go(-PAGE) }, "Newer"),
      el("button.ev-button.ev-button--small", { type: "button", disabled: last >= total, onclick: go(PAGE) }, "Older"),
      el("span.ev-muted", { role: "status" }, total ? `${integer(this.offset + 1)} to ${integer(last)} of ${integer(total)}` : ""),
    );
  }

  update() {}
}

declareWidget("audit", [], (root) => new Audit(root));
