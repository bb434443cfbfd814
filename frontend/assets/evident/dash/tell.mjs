/* The other direction: what the widgets tell Dash. */
import { emit } from "../core/bus.mjs";

/** Sets props of a Dash component; silent on a page that has no such component. */
export function tellDash(id, props) {
  if (!id) return;
  emit("tell", { id, props });
  const dash = window.dash_clientside;
  if (!dash?.set_props) return;
  try {
    dash.set_props(id, props);
  } catch {
    // this page has no such store: nobody to tell
  }
}
