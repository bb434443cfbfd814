/* The choices of a page as a query, for its address bar: what "Copy link" copies.
   Read back by address.py of frontend/compare, frontend/concepts, frontend/inside and frontend/measure, and by cases/choice.mjs. */
import { toast } from "../core/dialog.mjs";
import { keepRecent } from "../upload/recent.mjs";
import { arrive, isSettled, publish } from "./bar.mjs";
import { equal, seedOf, wantedTarget } from "./stale.mjs";
import { subjectOfWork } from "./work.mjs";

/** The Compare page as a query. Pure. */
export function compareQuery(subject, methods, target, params, layer, seed, outlined, beside, paired, ...look) {
  const query = new URLSearchParams();
  if (!subject) return "";
  query.set("model", subject.model);
  query.set("input", subject.input);
  if (subject.start != null) query.set("start", subject.start);
  const meant = target && target.input === subject.input && (target.model == null || target.model === subject.model);
  if (meant && target.target != null) query.set("target", target.target);
  query.set("methods", (methods || []).join(","));
  if (layer) query.set("layer", layer);
  if (seedOf(seed)) query.set("seed", seed);
  if (params && Object.keys(params).length) query.set("params", JSON.stringify(params));
  query.set("look", look.join(","));
  if (outlined === false) query.set("evidence", "0");
  if (beside) query.set("beside", `${beside.kind}:${beside.key}`);
  if (beside && paired) query.set("paired", "1");
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

/** The body of Compare was built from an address. */
export function compareOpened(opened, input) {
  arrive(opened, Boolean(input));
  return String(opened?.asked ?? "");
}

/** Clientside callback of Compare; until the model of a new input is known, or a closed one is gone, the address stays. */
export function compareLink(opened, input, subject, answer, methods, target, ...choices) {
  if ((input?.id ?? null) !== (subject?.input ?? null)) return window.location.href;
  keepRecent(input);
  const wanted = answer && equal(answer.subject, subject) ? wantedTarget(answer, target) : null;
  const chosen = wanted === null || wanted === answer.prediction.top ? null : String(wanted);
  const work = subject && { input: subject.input, model: subject.model, target: chosen };
  return publish("/", compareQuery(subject, methods, target, ...choices), work, opened);
}

/** The same as soon as another input or model is chosen; not while an address is opened, whose layer comes a moment later. */
export const compareChoice = (...choices) => (isSettled() ? compareLink(...choices) : window.location.href);

/** Clientside callback of Concepts. */
export function conceptsLink(opened, model, inputs, layers, target, negatives, shown, ...choices) {
  const input = (inputs?.[shown?.input ?? 0] ?? inputs?.[0])?.input;
  const work = model && input ? { input, model, target: target || null } : null;
  return publish("/concepts", conceptsQuery(model, inputs, layers, target, negatives, shown, ...choices), work, opened);
}

/** The Inside page as a query. place: the layer and filter on show, and the model they are of. Pure. */
export function insideQuery(shown, place) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(shown || {})) if (name !== "drawn" && name !== "asked") query.set(name, String(value));
  if (!place || shown?.view || place.model !== shown?.model) return query.toString();
  for (const name of ["layer", "filter"]) {
    if (place[name] == null) query.delete(name);
    else query.set(name, String(place[name]));
  }
  return query.toString();
}

/** Clientside callback of Inside. */
export function insideLink(opened, shown, place) {
  if (!shown) return window.location.href;
  const { input, model, view } = shown;
  const work = input && model && !view ? { input, model, target: shown.class ?? null } : null;
  return publish("/inside", insideQuery(shown, place), work, opened);
}

/** Clientside callback of Measure: a study is not about the open input, which goes on as it is. */
export function measureLink(opened, shown) {
  if (!shown) return window.location.href;
  return publish("/measure", new URLSearchParams(shown).toString(), subjectOfWork(), opened);
}

/** What the address of Cases asks for, for its widget. */
export const casesQuery = (query) => JSON.stringify(query ?? {});

/** Clientside callback of Cases; what the page said before it was asked for another address comes too late. */
export function casesLink(opened, shown) {
  if (!shown || shown.asked !== opened?.asked) return window.location.href;
  const { asked: _, ...query } = shown;
  return publish("/cases", new URLSearchParams(query).toString(), null, opened);
}

/** Copies the address bar. */
export async function copyLink() {
  try {
    await navigator.clipboard.writeText(window.location.href);
    toast("Link copied.");
  } catch {
    toast("The browser did not allow copying. Copy the address bar instead.");
  }
}
