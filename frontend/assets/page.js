// Clientside callbacks of the pages (wired in frontend/compare/browser.py). Pure where possible: state comes in, props go out.
(() => {
  const SAME = () => window.dash_clientside.no_update;

  /** Number or null, as sent in a request. */
  const whole = (value) => (Number.isInteger(value) && value >= 0 ? value : 0);

  /** Structural equality of JSON values. */
  function equal(a, b) {
    if (a === b) return true;
    if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => equal(a[key], b[key]));
  }

  /** The class that Run would explain now: the chosen one, if chosen for this input and model; else the predicted one. */
  function wantedTarget(answer, target) {
    const { prediction } = answer;
    const same = target && target.input === prediction.input && (target.model == null || target.model === prediction.model);
    return same && Number.isInteger(target.target) && prediction.classes.some((c) => c.index === target.target) ? target.target : prediction.top;
  }

  const page = {
    percent: (opacity, top) => [`${opacity} %`, `${top} %`],

    level(value) {
      document.documentElement.dataset.evidentLevel = value || "lab";
      return value;
    },

    navigation: (pathname, ids) => ids.map((id) => (id.path === pathname ? "page" : "false")),

    mode: (input) => (input ? "compare" : "compare compare--empty"),

    /** Whether the row of the known evidence is hidden, and whose evidence it is. */
    known: (answer) => (answer && answer.known ? [false, JSON.stringify(answer.known)] : [true, ""]),

    remove: (clicks) => (clicks ? null : SAME()),

    target(value, answer) {
      if (value == null || !answer) return SAME();
      return { input: answer.prediction.input, model: answer.prediction.model, target: Number(value) };
    },

    window(answer) {
      const outputs = window.dash_clientside.callback_context.outputs_list;
      return outputs.map(() => (answer && answer.prediction.window ? JSON.stringify(answer.prediction.window) : SAME()));
    },

    /** "1" on every panel whose map was made under other conditions than the controls now show. Nothing is computed again by itself. */
    stale(runs, _children, answer, target, params, layer, seed, ids) {
      if (!answer || !runs) return [ids.map(() => "0"), ""];
      const wish = wantedTarget(answer, target);
      const flags = ids.map(({ method }) => {
        const run = runs.runs[method];
        if (!run || !run.request) return "0";
        const { request } = run;
        const now = { target: wish, seed: whole(seed), params: (params || {})[method] || {} };
        const then = { target: request.target, seed: request.seed, params: request.params };
        return equal(now, then) && (request.layer == null || request.layer === layer) ? "0" : "1";
      });
      const changed = flags.filter((flag) => flag === "1").length;
      return [flags, changed ? `${changed} ${changed === 1 ? "map was" : "maps were"} made with other settings: press Run.` : ""];
    },

    /** The whole state in the address bar, replaced rather than pushed; the same address is what "Copy link" copies. */
    permalink(subject, methods, target, params, layer, seed, outlined, ...look) {
      const query = new URLSearchParams();
      if (subject) {
        query.set("model", subject.model);
        query.set("input", subject.input);
        if (subject.start != null) query.set("start", subject.start);
        if (target && target.input === subject.input && target.target != null) query.set("target", target.target);
        query.set("methods", (methods || []).join(","));
        if (layer) query.set("layer", layer);
        if (whole(seed)) query.set("seed", seed);
        if (params && Object.keys(params).length) query.set("params", JSON.stringify(params));
        query.set("look", look.join(","));
        if (outlined === false) query.set("evidence", "0");
      }
      const text = query.toString();
      const address = location.pathname + (text ? `?${text}` : "");
      if (location.pathname === "/" && address !== location.pathname + location.search) history.replaceState(history.state, "", address);
      return location.origin + address;
    },

    announce(panel) {
      if (!panel || !panel.title) return SAME();
      if (panel.state === "done") return `${panel.title} finished${panel.seconds == null ? "" : ` in ${panel.seconds.toFixed(1)} s`}.`;
      if (panel.state === "failed") return `${panel.title} failed.`;
      if (panel.state === "cancelled") return `${panel.title} was stopped.`;
      return SAME();
    },

    /** Read pictures as spectrograms: told to the drop zone beside the box. */
    pictures(checked) {
      const kind = checked ? "spectrogram" : "auto";
      document.querySelectorAll('[data-evident="upload"]').forEach((zone) => {
        zone.dataset.as = kind;
      });
      return kind;
    },
  };

  window.dash_clientside = Object.assign({}, window.dash_clientside, { page });
})();
