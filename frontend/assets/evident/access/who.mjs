/* who: the button in the header that says under which name things are written down. Behind it: where nobody signs in, another name; where
   people do, another password and the way out. When a session ends under somebody's hands it asks for the password in place. */
import { callApi } from "../core/api.mjs";
import { on } from "../core/bus.mjs";
import { openDialog, toast } from "../core/dialog.mjs";
import { el, icon, say } from "../core/elements.mjs";
import { chooseReviewer, chosenReviewer, LETTERS, mirror, NAMELESS, reviewer } from "../core/reviewer.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { complaint, field, signInForm } from "./form.mjs";

class Who {
  /** @param {HTMLElement} root */
  constructor(root) {
    /** @type {{sign_in: string, name: string | null, role: string | null}} */
    this.session = { sign_in: "off", name: reviewer(), role: "admin" };
    this.name = el("span.ev-who-name", {}, reviewer());
    this.card = el("div.ev-who-card", { id: "who-card", popover: "auto", role: "dialog", "aria-label": "Who you are here" });
    this.button = el(
      "button.ev-button.ev-who-button",
      { type: "button", title: "Who you are here", "aria-haspopup": "dialog", onclick: () => this.open() },
      icon("user"),
      this.name,
    );
    root.append(this.button, this.card);
    mirror();
    this.leave = on("signed-out", () => this.askAgain());
    // Back after signing out shows the page as it was, out of the browser's memory.
    window.addEventListener("pageshow", (event) => event.persisted && this.ask());
    this.ask();
  }

  async ask() {
    try {
      const session = await callApi("/session");
      if (session.name === null || session.change_password) return window.location.assign("/sign-in");
      this.session = session;
      this.name.textContent = session.sign_in === "off" ? reviewer() : session.name;
    } catch {
      // the button keeps the name of before
    }
  }

  open() {
    const { sign_in } = this.session;
    this.card.replaceChildren(sign_in === "off" ? this.nameForm() : sign_in === "proxy" ? this.facts() : this.account());
    const { bottom, right } = this.button.getBoundingClientRect();
    this.card.style.top = `${bottom + 6}px`;
    this.card.style.right = `${Math.max(8, document.documentElement.clientWidth - right)}px`;
    this.card.showPopover();
    this.card.querySelector("input, button")?.focus();
  }

  nameForm() {
    const props = { type: "text", maxLength: LETTERS, value: chosenReviewer(), placeholder: NAMELESS, autocomplete: "name" };
    const name = field("Your name", "who-name", { ...props, required: false });
    const save = (event) => {
      event.preventDefault();
      this.name.textContent = chooseReviewer(name.input.value);
      this.card.hidePopover();
      say(`You are ${reviewer()}.`);
    };
    const words = "Stands beside what you do here: verdicts, reports, deletions. It stays in this browser; nobody checks it.";
    return el(
      "form.ev-who-form",
      { onsubmit: save },
      name.node,
      el("p.ev-muted.ev-small", {}, words),
      el("button.ev-button.ev-button--primary", { type: "submit" }, "Save"),
    );
  }

  facts() {
    const role = this.session.role === "admin" ? "admin" : "reviewer";
    return el("p", {}, "Signed in as ", el("strong", {}, this.session.name ?? ""), `, ${role}.`);
  }

  account() {
    const change = el("button.ev-button", { type: "button", onclick: () => this.passwordDialog() }, "Change password");
    const leave = el("button.ev-button", { type: "button", onclick: () => this.signOut() }, "Sign out");
    const users = this.session.role === "admin" && el("a.ev-button", { href: "/about#users" }, "Manage users");
    return el("div.ev-who-form", {}, this.facts(), change, users, leave);
  }

  async signOut() {
    await callApi("/session", { method: "DELETE" });
    window.location.assign("/sign-in");
  }

  passwordDialog() {
    this.card.hidePopover();
    const secret = { type: "password", maxLength: 1000 };
    const present = field("Present password", "who-present", { ...secret, autocomplete: "current-password" });
    const fresh = field("New password, at least 10 characters", "who-new", { ...secret, minLength: 10, autocomplete: "new-password" });
    const problem = complaint();
    const save = async (event) => {
      event.preventDefault();
      try {
        await callApi("/session/password", { method: "PUT", json: { present: present.input.value, new: fresh.input.value } });
        dialog.close();
        toast("The password is changed; your other sessions have ended.");
      } catch (refusal) {
        problem.tell(refusal.message);
      }
    };
    const button = el("button.ev-button.ev-button--primary", { type: "submit" }, "Change password");
    const user = el("input", { type: "text", autocomplete: "username", value: this.session.name ?? "", hidden: true, readOnly: true });
    const form = el("form.ev-who-form", { onsubmit: save }, user, present.node, fresh.node, problem.node, button);
    const dialog = openDialog("Change password", form);
    present.input.focus();
  }

  /** Nothing on the page is lost: whoever signs in again goes on where they were. */
  askAgain() {
    if (this.dialog?.isConnected || this.session.sign_in !== "password") return;
    const { form, focus } = signInForm(() => {
      this.dialog.close();
      toast("You are signed in again; do again what was refused.");
      this.ask();
    }, this.session.name ?? "");
    this.dialog = openDialog("You were signed out", form);
    focus();
  }

  update() {}

  destroy() {
    this.leave();
  }
}

declareWidget("who", [], (root) => new Who(root));
