/* users: who may sign in, for an admin: add, change role, reset the password, end sessions, let in no longer, remove. Nothing where nobody
   signs in with a password, and nothing for reviewers. */
import { callApi } from "../core/api.mjs";
import { openDialog, toast } from "../core/dialog.mjs";
import { el, say } from "../core/elements.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { deeds, standing } from "./accounts.mjs";
import { complaint, field } from "./form.mjs";
import { moment } from "./log.mjs";

class Users {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.mine = "";
    this.list = el("div", {});
    this.problem = complaint();
    this.ask();
  }

  async ask() {
    try {
      const session = await callApi("/session");
      if (session.sign_in !== "password" || session.role !== "admin") return;
      this.mine = session.name;
      const head = el("div.ev-card-head", {}, el("h2.ev-card-title", {}, "Users"));
      this.root.replaceChildren(
        el("section.ev-card.ev-users", { "aria-label": "Users" }, head, this.list, this.problem.node, this.addForm()),
      );
      await this.show();
      if (window.location.hash === "#users") this.root.scrollIntoView();
    } catch {
      this.root.replaceChildren(); // the log below says what is wrong
    }
  }

  async show() {
    const users = await callApi("/users");
    const head = ["Name", "Role", "Last signed in", "State", "Change"].map((text) => el("th", { scope: "col" }, text));
    const table = el("table.ev-data-table.ev-stacked", {}, el("caption", {}, "Users"), el("thead", {}, el("tr", {}, ...head)));
    table.append(el("tbody", {}, ...users.map((user) => this.row(user))));
    this.list.replaceChildren(table);
  }

  row(user) {
    const roles = ["reviewer", "admin"].map((role) => el("option", { value: role, selected: role === user.role }, role));
    const change = (event) => this.patch(user, { role: event.target.value }, `${user.name} is ${event.target.value} now.`);
    const role = el("select.ev-select", { "aria-label": `Role of ${user.name}`, onchange: change }, ...roles);
    const menu = el(
      "select.ev-select",
      { "aria-label": `Change ${user.name}`, onchange: (event) => this.choose(user, event.target) },
      el("option", { value: "" }, "Choose …"),
      ...deeds(user).map(([value, text]) => el("option", { value }, text)),
    );
    return el(
      user.active ? "tr" : "tr.ev-away",
      {},
      el("td.ev-user-name.ev-breaks", {}, user.name, user.name === this.mine && el("span.ev-muted", {}, " (you)")),
      el("td", {}, role),
      el("td", {}, user.signed_in === null ? "never signed in" : moment(user.signed_in)),
      el("td", {}, standing(user)),
      el("td", {}, menu),
    );
  }

  /** Menus act when they are left, not at every arrow key: a choice is asked for once more, in a dialog. */
  choose(user, menu) {
    const deed = menu.value;
    menu.value = "";
    const name = encodeURIComponent(user.name);
    const ways = {
      password: [
        "Give a one-time password",
        `${user.name} is signed out everywhere; the password of now holds no longer.`,
        () => this.reset(user, name),
      ],
      sessions: [
        "End sessions",
        `${user.name} is signed out everywhere, at once.`,
        () => this.send(`/users/${name}/sessions`, "DELETE", `${user.name} is signed out.`),
      ],
      deactivate: [
        "Let in no longer",
        `${user.name} is signed out and cannot sign in; what they did stays.`,
        () => this.patch(user, { active: false }, `${user.name} is let in no longer.`),
      ],
      activate: [
        "Let in again",
        `${user.name} can sign in again, with the same password.`,
        () => this.patch(user, { active: true }, `${user.name} is let in again.`),
      ],
      remove: [
        "Remove",
        `${user.name} is gone for good; what they did stays in the log, under that name.`,
        () => this.send(`/users/${name}`, "DELETE", `${user.name} is removed.`),
      ],
    };
    if (ways[deed]) this.confirm(...ways[deed]);
  }

  confirm(title, words, act) {
    const go = async () => {
      dialog.close();
      await act();
    };
    const button = el("button.ev-button.ev-button--primary", { type: "button", onclick: go }, title);
    const dialog = openDialog(title, el("p", {}, words), el("div.ev-row", {}, button));
    button.focus();
  }

  patch(user, json, words) {
    return this.send(`/users/${encodeURIComponent(user.name)}`, "PATCH", words, json);
  }

  async reset(user, name) {
    const answer = await this.send(`/users/${name}/password`, "POST", "");
    if (answer) this.tellPassword(user.name, answer.password);
  }

  /** @returns {Promise<any>} the answer; undefined where it was refused, which is said */
  async send(path, method, words, json) {
    this.problem.tell("");
    let answer;
    try {
      answer = await callApi(path, { method, json });
      if (words) toast(words);
    } catch (refusal) {
      this.problem.tell(refusal.message);
    }
    await this.show().catch((refusal) => this.problem.tell(refusal.message));
    return answer;
  }

  tellPassword(name, password) {
    const words = `For ${name}, shown this once. At the first sign-in it is changed for one that only ${name} knows.`;
    openDialog("One-time password", el("p", {}, words), el("p.ev-one-time", { tabIndex: 0 }, password));
    say(`The one-time password of ${name} is shown.`);
  }

  addForm() {
    const name = field("Name", "user-add-name", { type: "text", maxLength: 40, autocomplete: "off" });
    const role = el(
      "select.ev-select",
      { id: "user-add-role" },
      el("option", { value: "reviewer" }, "reviewer"),
      el("option", { value: "admin" }, "admin"),
    );
    const label = "Password (none: a one-time password is made)";
    const password = field(label, "user-add-password", { type: "password", maxLength: 200, autocomplete: "new-password", required: false });
    const add = async (event) => {
      event.preventDefault();
      const chosen = password.input.value;
      const json = { name: name.input.value, role: role.value, ...(chosen ? { password: chosen } : {}) };
      const added = await this.send("/users", "POST", chosen ? `${name.input.value} can sign in now.` : "", json);
      if (!added) return;
      form.reset();
      if (added.password) this.tellPassword(added.name, added.password);
    };
    const form = el(
      "form.ev-row.ev-user-add",
      { onsubmit: add, "aria-label": "Add a user" },
      name.node,
      el("div.ev-field", {}, el("label", { htmlFor: "user-add-role" }, "Role"), role),
      password.node,
      el("button.ev-button", { type: "submit" }, "Add"),
    );
    return form;
  }

  update() {}
}

declareWidget("users", [], (root) => new Users(root));
