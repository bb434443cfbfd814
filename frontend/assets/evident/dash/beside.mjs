/* The second side of Compare: on, off, and in step with the first. */
import { emit } from "../core/bus.mjs";
import { viewState } from "../core/state.mjs";

const noUpdate = () => window.dash_clientside.no_update;

/** Whether something is beside, and what kind it is, for the styles; what was chosen closes the list it was chosen from. */
export const besideOn = (beside) => [beside?.kind ?? "", false];

/** A file that was sent, or opened again, for the second side. */
export const besideInput = (input) => (input ? { kind: "input", key: input.id } : noUpdate());

/** Closed by its button, which goes with it; the focus is then where a side is chosen. */
export function besideOff(clicks) {
  if (!clicks) return noUpdate();
  document.getElementById("beside-input-open")?.focus();
  return null;
}

/** Nothing stands beside nothing: the input of the first side was closed. */
export const besideAlone = (input) => (input ? noUpdate() : null);

/** A map is as stale as its partner of the first side, whose settings it was made with. */
export function besideStale(flags, _children, ids, own) {
  const stale = new Map(ids.map(({ method }, i) => [method, flags[i]]));
  return own.map(({ method }) => stale.get(method) ?? "0");
}

/** Whether the two maps of a pair share the end of their colour scale. */
export function paired(checked) {
  viewState.paired = Boolean(checked);
  emit("look");
  return checked ? "1" : "";
}
