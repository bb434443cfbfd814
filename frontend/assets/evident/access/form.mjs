/* The form to sign in: on its own page, and in a dialog where a session has ended under somebody's hands. */
import { callApi } from "../core/api.mjs";
import { el } from "../core/elements.mjs";

/**
 * @param {string} label
 * @param {string} name of the field, and its id
 * @param {{[name: string]: any}} props
 */
export function field(label, name, props) {
  const input = el("input.ev-text", { id: name, name, required: true, ...props });
  return { input, node: el("div.ev-field", {}, el("label", { htmlFor: name }, label), input) };
}

/** A place for one plain sentence, spoken when it comes. */
export function complaint() {
  const node = el("p.ev-problem", { role: "alert", hidden: true });
  const tell = (/** @type {string} */ sentence) => {
    node.textContent = sentence;
    node.hidden = !sentence;
  };
  return { node, tell };
}

/**
 * @param {() => void} done called once somebody is signed in
 * @param {string} known the name, where it is known
 */
export function signInForm(done, known = "") {
  const name = field("Name", "sign-in-name", { type: "text", maxLength: 200, autocomplete: "username", value: known });
  const password = field("Password", "sign-in-password", { type: "password", maxLength: 1000, autocomplete: "current-password" });
  const problem = complaint();
  const button = el("button.ev-button.ev-button--primary", { type: "submit" }, "Sign in");
  const send = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    problem.tell("");
    button.disabled = true;
    try {
      const session = await callApi("/session", { method: "POST", json: { name: name.input.value, password: password.input.value } });
      if (!session.change_password) return done();
      const next = choosePasswordForm(done, session.name, password.input.value);
      form.replaceWith(next.form);
      next.focus();
    } catch (refusal) {
      problem.tell(refusal.message);
      password.input.value = "";
      password.input.focus();
    } finally {
      button.disabled = false;
    }
  };
  const form = el("form.ev-who-form", { onsubmit: send }, name.node, password.node, problem.node, button);
  return { form, focus: () => (known ? password : name).input.focus() };
}

/**
 * A password of one's own, in place of the one-time password that was given.
 * @param {() => void} done called once it is chosen
 * @param {string} name of who is signed in
 * @param {string} given the one-time password; "" where it is to be typed again
 */
export function choosePasswordForm(done, name, given = "") {
  const secret = { type: "password", maxLength: 1000 };
  const present = field("The password you were given", "choose-present", { ...secret, autocomplete: "current-password" });
  const fresh = field("A password of your own, at least 10 characters", "choose-new", {
    ...secret,
    minLength: 10,
    autocomplete: "new-password",
  });
  present.input.value = given;
  present.node.hidden = Boolean(given);
  const problem = complaint();
  const send = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    try {
      await callApi("/session/password", { method: "PUT", json: { present: present.input.value, new: fresh.input.value } });
      done();
    } catch (refusal) {
      problem.tell(refusal.message);
      present.node.hidden = false;
    }
  };
  const form = el(
    "form.ev-who-form",
    { onsubmit: send },
    el("p", {}, "Welcome, ", el("strong", {}, name), ". The password you were given was for the first sign-in."),
    el("input", { type: "text", autocomplete: "username", value: name, hidden: true, readOnly: true }),
    present.node,
    fresh.node,
    problem.node,
    el("button.ev-button.ev-button--primary", { type: "submit" }, "Go on"),
  );
  return { form, focus: () => (given ? fresh : present).input.focus() };
}

/**
 * Where to go after signing in: an address of this server, else its first page.
 * @param {string | null} wished
 * @param {string} origin
 * @param {string} fragment
 */
export function destination(wished, origin, fragment = "") {
  try {
    const url = new URL(wished || "/", origin);
    const here = url.origin === origin && (wished ?? "/").startsWith("/") && url.pathname !== "/sign-in";
    return here && !url.pathname.startsWith("//") ? `${url.pathname}${url.search}${url.hash || fragment}` : "/";
  } catch {
    return "/";
  }
}
