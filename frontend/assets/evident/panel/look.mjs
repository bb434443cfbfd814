/* The look controls, as the maps see them. */
import { emit } from "../core/bus.mjs";
import { viewState } from "../core/state.mjs";

/** Takes the values of the look controls; draws every panel in one frame when something changed. */
export function setLook(look) {
  const before = JSON.stringify(viewState.look);
  for (const [key, value] of Object.entries(look)) if (value !== null && value !== undefined) viewState.look[key] = value;
  if (JSON.stringify(viewState.look) !== before) emit("look");
}
