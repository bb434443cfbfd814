/* The choices of a page in its address bar, replaced rather than pushed: what "Copy link" copies.
   Read back by frontend/compare/address.py and frontend/concepts/address.py. */
import { toast } from "../core/dialog.mjs";
import { seedOf } from "./stale.mjs";

/** The Compare page as a query. Pure. */
export function compareQuery(subject, methods, target, params, layer, seed, outlined, ...look) {
  const query = new URLSearchParams();
  if (!subject) return "";
  query.set("model", subject.model);
  query.set("input", subject.input);
  if (subject.start != null) query.set("start", subject.start);
  if (target && target.input === subject.input && target.target != null) query.set("target", target.target);
  query.set("methods", (methods || []).join(","));
  if (layer) query.set("layer", layer);
  if (seedOf(seed)) query.set("seed", seed);
  if (params && Object.keys(params).length) query.set("params", JSON.stringify(params));
  query.set("look", look.join(","));
  if (outlined === false) query.set("evidence", "0");
  return query.toString();
}

/** The Concepts page as a query. Pure. */
export function conceptsQuery(model, inputs, layers, target, negatives, shown, job, ticks, ids) {
  const query = new URLSearchParams();
  if (!model) return "";
  query.set("model", model);
  if (inputs?.length) query.set("input", inputs.map(({ input }) => input).join(","));
  query.set(
    "concepts",
    ids
      .filter((_, i) => ticks[i])
      .map(({ ref }) => ref)
      .join(","),
  );
  query.set("layers", (layers || []).join(","));
  if (target) query.set("class", target);
  if (negatives && negatives !== "random") query.set("negatives", negatives);
  if (shown?.input) query.set("shown", shown.input);
  if (job?.id) query.set("analysis", job.id);
  return query.toString();
}

/** Writes a query into the address bar while its page is open; answers the full address. */
function publish(page, query) {
  const { location, history } = window;
  const address = location.pathname + (query ? `?${query}` : "");
  if (location.pathname === page && address !== location.pathname + location.search) history.replaceState(history.state, "", address);
  return location.origin + address;
}

/** Clientside callbacks of the two pages. */
export const compareLink = (...choices) => publish("/", compareQuery(...choices));
export const conceptsLink = (...choices) => publish("/concepts", conceptsQuery(...choices));

/** Copies the address bar. */
export async function copyLink() {
  try {
    await navigator.clipboard.writeText(window.location.href);
    toast("Link copied.");
  } catch {
    toast("The browser did not allow copying. Copy the address bar instead.");
  }
}
