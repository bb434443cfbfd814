/* Known evidence on the page: fetched once per sample, outlined on the input and on every map, and weighed against every map.

   evidence: data-known JSON {sample, input, model} or "" */
(() => {
  "use strict";
  const { evident } = window;
  const { el, contour } = evident;

  /** Drawn only over what it belongs to: the input of the sample, and maps of its own model (another may look for something else). */
  const belongs = (subject) => {
    const { evidence } = evident.state;
    return Boolean(evidence && subject && subject.input === evidence.input && (subject.model ?? evidence.model) === evidence.model);
  };

  /** Cells and outline of a region on a grid, {inside, any, segments, rows, cols, dotted}; made once per pair of axes. */
  function place(region, axes) {
    const key = axes.x_axis.values;
    const made = region.made.get(key);
    if (made && made.ys === axes.y_axis.values) return made;
    const [rows, cols] = [axes.y_axis.values.length, axes.x_axis.values.length];
    const inside = evident.known.cells(region, axes);
    const segments = contour.cellEdges(inside, rows, cols);
    const now = { ys: axes.y_axis.values, inside, any: inside.includes(1), segments, rows, cols, dotted: region.key !== "evidence" };
    region.made.set(key, now);
    return now;
  }

  /** Lines for a figure: none unless they are asked for and known. */
  function marks(subject, axes) {
    if (!evident.state.outlined || !axes || !belongs(subject)) return [];
    return evident.state.evidence.regions.map((region) => place(region, axes)).filter(({ any }) => any);
  }

  /** What a finished map holds of each region: [{region, any, share, uniform, times}]; empty where it cannot be said. */
  function weigh(panel) {
    const { field, axes, state, stage } = panel;
    if (state !== "done" || stage || !field || field.flat || !axes || !belongs(panel.subject)) return [];
    return evident.state.evidence.regions.map((region) => {
      const { inside, any } = place(region, axes);
      if (inside.length !== field.values.length) return null;
      return { region, any, ...field.latest(`inside ${region.key}`, inside, () => evident.known.share(field.values, inside)) };
    }).filter(Boolean);
  }

  const percent = (x) => (x > 0 && x < 0.0005 ? "< 0.1 %" : `${x > 0 && x < 0.0995 ? (100 * x).toFixed(1) : Math.round(100 * x)} %`);
  const times = (x) => (x < 9.95 ? x.toFixed(1) : String(Math.round(x)));
  const title = (region) => (region.key === "evidence" ? "Evidence" : region.title);
  const name = (region) => (region.key === "evidence" ? "known evidence" : region.title.toLowerCase());

  /** One region and one map in a sentence. */
  function sentence({ region, any, share, uniform }) {
    if (!any) return `The ${name(region)} lies outside the part of the input shown.`;
    if (share === null) return `Nothing in this map is positive, so nothing lies inside the ${name(region)}.`;
    return `${percent(share)} of the positive relevance lies inside the ${name(region)}; a uniform map would have ${percent(uniform)}.`;
  }

  /** Whether the map explains another class than the one the evidence speaks for: little can then be expected inside. */
  const astray = (panel, found) => {
    const { label } = evident.state.evidence;
    return Boolean(label && panel.target && panel.target !== label && found.some(({ region, any }) => any && region.key === "evidence"));
  };

  const aside = (panel) => `The evidence speaks for ${evident.state.evidence.label}; this map explains ${panel.target}.`;

  /** For the text that screen readers speak: begins with a blank, or is empty. */
  function told(panel) {
    const found = weigh(panel);
    const sentences = found.map(sentence);
    if (found.length && astray(panel, found)) sentences.push(aside(panel));
    return sentences.map((text) => ` ${text}`).join("") + outlined(panel.subject, panel.axes);
  }

  /** " The known evidence is outlined." where it is. */
  function outlined(subject, axes) {
    const shown = axes && belongs(subject) && evident.state.outlined ? evident.state.evidence.regions.filter((region) => place(region, axes).any) : [];
    return shown.map((region) => ` The ${name(region)} is outlined.`).join("");
  }

  const swatch = (region) => el(`i.ev-swatch${region.key === "evidence" ? "" : ".ev-swatch--dotted"}`, { "aria-hidden": "true" });

  /** The lines under a map. */
  function show(node, panel) {
    const found = weigh(panel);
    const note = found.length && astray(panel, found) ? `Evidence for ${evident.state.evidence.label}, map for ${panel.target}.` : "";
    const text = JSON.stringify([found.map(({ region, any, share, uniform }) => [region.key, any, share, uniform]), note]);
    if (node.dataset.text === text) return;
    node.dataset.text = text;
    node.hidden = !found.length;
    const lines = found.map((item) => el("p", { title: sentence(item) }, swatch(item.region), el("span", {}, ...short(item))));
    node.replaceChildren(...lines, ...(note ? [el("p.ev-muted", { title: aside(panel) }, note)] : []));
  }

  function short({ region, any, share, times: factor }) {
    if (!any) return [`${title(region)}: outside this window`];
    if (share === null) return [`${title(region)}: nothing positive`];
    return [`${title(region)} `, el("strong", {}, percent(share)), ` \u00b7 ${times(factor)} \u00d7 uniform`];
  }

  evident.evidence = { marks, weigh, told, outlined, show, sentence };

  /** Switches the outlines; answers the new state. */
  evident.outlineEvidence = (shown) => {
    if (evident.state.outlined !== shown) {
      evident.state.outlined = shown;
      evident.emit("evidence");
    }
    return shown;
  };

  // ---- the legend ------------------------------------------------------------------------------------------------------------
  class Legend {
    constructor(root) {
      this.root = root;
      this.text = el("div.ev-evidence");
      root.append(this.text);
      this.offs = [evident.on("axes", () => this.tell()), evident.on("evidence", () => this.tell())];
    }

    update(changed) {
      if (changed === null || changed.has("known")) this.load(evident.parse(this.root.dataset.known));
    }

    async load(known) {
      this.known = known;
      this.problem = null;
      this.take(null);
      if (!known) return;
      try {
        const { label, regions } = await evident.request(`/samples/${encodeURIComponent(known.sample)}/evidence`);
        if (this.known !== known) return;
        const ready = regions.map((region) => ({ ...region, mask: region.mask && evident.known.unpack(region.mask), made: new WeakMap() }));
        this.take({ ...known, label, regions: ready });
      } catch (error) {
        if (this.known !== known) return;
        this.problem = error;
        this.tell();
      }
    }

    take(evidence) {
      if (evident.state.evidence === evidence) return;
      evident.state.evidence = evidence;
      evident.emit("evidence");
    }

    tell() {
      const { evidence, axes } = evident.state;
      if (this.problem || !evidence) {
        this.text.replaceChildren(...(this.problem ? [el("p", {}, this.problem.message)] : []));
        return;
      }
      const lines = evidence.regions.map((region) => el("p", {}, swatch(region), el("span", {}, meaning(region, evidence.label, axes))));
      this.text.replaceChildren(...lines, el("p", {}, "Known because a program made this input."));
    }

    destroy() {
      for (const off of this.offs) off();
      this.known = null;
      this.take(null);
    }
  }

  /** What a line style stands for. */
  function meaning(region, label, axes) {
    const what = region.key === "evidence" ? `what makes it \u201c${label}\u201d` : region.title.toLowerCase();
    return axes && !place(region, axes).any ? `${what}: outside the part shown` : what;
  }

  evident.widget("evidence", ["known"], (root) => new Legend(root));
})();
