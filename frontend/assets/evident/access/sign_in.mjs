/* The page to sign in. Whoever is signed in already (a link from elsewhere comes without the session's cookie) goes on at once. */
import { callApi } from "../core/api.mjs";
import { choosePasswordForm, destination, signInForm } from "./form.mjs";

function goOn() {
  const wished = new URLSearchParams(window.location.search).get("next");
  window.location.replace(destination(wished, window.location.origin, window.location.hash));
}

function show({ form, focus }) {
  document.querySelector("#sign-in")?.replaceChildren(form);
  focus();
}

show(signInForm(goOn));
try {
  const session = await callApi("/session");
  if (session.change_password) show(choosePasswordForm(goOn, session.name));
  else if (session.name !== null) goOn();
} catch {
  // the form says what is wrong when it is sent
}
