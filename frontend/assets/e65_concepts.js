/* Concept maps over the input, the bar of a running analysis, and the maker of concepts (files, boxes, microphone, import).

   concept-map: data-maps path of [K, h, w] .npy · data-index · data-display path · data-origin · data-alt
   job-bar:     data-path of the job · data-press changes to follow it anew · data-store told {id, state} when it ends · data-word what the units are
   concept-maker: data-display · data-axes JSON · data-input · data-store told the concept · data-concept id to add to · data-limits */
(() => {
  "use strict";
  const { evident } = window;
  const { el } = evident;
  const loaded = new Map();

  /** The maps of one input and layer, fetched once for all concepts. */
  function mapsOf(path) {
    if (!loaded.has(path)) {
      const promise = evident.request(path, { as: "bytes" }).then(evident.npy);
      promise.catch(() => loaded.delete(path));
      if (loaded.size > 64) loaded.delete(loaded.keys().next().value);
      loaded.set(path, promise);
    }
    return loaded.get(path);
  }

  class ConceptMap {
    constructor(root) {
      this.root = root;
      this.canvas = el("canvas.ev-concept-canvas", { role: "img", width: 224, height: 224 });
      this.message = el("p.ev-note", { hidden: true });
      root.append(this.canvas, this.message);
    }

    async update() {
      const { maps, index, display, origin, alt } = this.root.dataset;
      this.canvas.setAttribute("aria-label", alt || "Concept map");
      if (!maps || !display) return;
      try {
        const [picture, { shape, data }] = await Promise.all([evident.picture(display), mapsOf(maps)]);
        const [, rows, cols] = shape;
        this.draw(picture, data.subarray(Number(index) * rows * cols, (Number(index) + 1) * rows * cols), rows, cols, origin === "lower");
      } catch (error) {
        this.message.textContent = error.message;
        this.message.hidden = false;
      }
    }

    /** Never scaled per input: full colour is "as strong as the middle example", so maps can be compared. */
    draw(picture, values, rows, cols, lower) {
      const overlay = el("canvas", { width: cols, height: rows });
      const context = overlay.getContext("2d");
      const pixels = context.createImageData(cols, rows);
      evident.colour.paint(values, values, { signed: false, colours: "cividis", limit: 1, cut: 0, opacity: 0.85 }, pixels.data);
      context.putImageData(pixels, 0, 0);
      const target = this.canvas.getContext("2d");
      const { width, height } = this.canvas;
      target.imageSmoothingEnabled = true;
      target.drawImage(picture, 0, 0, width, height);
      target.save();
      if (lower) {
        target.translate(0, height);
        target.scale(1, -1);
      }
      target.drawImage(overlay, 0, 0, width, height);
      target.restore();
      this.canvas.dataset.drawn = "true";
    }
  }

  evident.widget("concept-map", ["maps", "index", "display", "origin", "alt"], (root) => new ConceptMap(root));

  class JobBar {
    constructor(root) {
      this.root = root;
      this.line = el("div.ev-job-fill");
      this.text = el("span.muted");
      this.stop = el("button.ev-button", { type: "button", onclick: () => this.cancel() }, "Stop");
      root.append(el("div.ev-job", {}, el("div.ev-job-track", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, this.line), this.text, this.stop));
      root.hidden = true;
    }

    update() {
      if (this.follower) this.follower.stop();
      const { path } = this.root.dataset;
      this.root.hidden = !path;
      if (!path) return;
      this.stop.hidden = false;
      this.follower = evident.follow(path, (job) => this.take(job), (problem) => this.say(problem.message));
    }

    take(job) {
      const { done, total, remaining } = job.progress;
      const share = total ? done / total : 0;
      this.line.style.width = `${Math.round(100 * share)}%`;
      this.line.parentNode.setAttribute("aria-valuenow", Math.round(100 * share));
      const left = remaining == null ? "" : ` · ${evident.words.duration(remaining)} left`;
      this.say(job.state === "queued" ? "Waiting for a worker" : `${done} of ${total || "?"} ${this.root.dataset.word || "steps"}${left}`);
      if (job.state === "queued" || job.state === "running") return;
      this.root.hidden = job.state === "done";
      this.stop.hidden = true;
      if (job.state === "failed") this.say(job.error ? job.error.detail : "The analysis failed. Run it again.");
      if (job.state === "cancelled") this.say("Stopped. Run it again to continue.");
      evident.say(job.state === "done" ? "The concept analysis is done." : this.text.textContent);
      evident.tell(this.root.dataset.store, { data: { id: job.id, state: job.state } });
    }

    say(sentence) {
      this.text.textContent = sentence;
    }

    async cancel() {
      try {
        await evident.request(this.root.dataset.path, { method: "DELETE" });
      } catch (problem) {
        this.say(problem.message);
      }
    }

    destroy() {
      if (this.follower) this.follower.stop();
    }
  }

  evident.widget("job-bar", ["path", "press", "store", "word"], (root) => new JobBar(root));

  // ---- making a concept ------------------------------------------------------------------------------------------------------
  const unit = (axes) => (axes.x_axis.unit === "s" ? "seconds and Hz" : "pixels");

  /** A drag in fractions of the picture -> [x0, y0, x1, y1] in pixels, or [t0, t1, f0, f1] in seconds and Hz. */
  function boxOf({ u0, v0, u1, v1 }, axes) {
    const at = (axis, share) => evident.axes.coordinate(axis, share);
    const [left, right] = [Math.min(u0, u1), Math.max(u0, u1)];
    const [top, bottom] = [Math.min(v0, v1), Math.max(v0, v1)];
    const xs = [at(axes.x_axis, left), at(axes.x_axis, right)].map((value) => Math.max(0, value));
    if (axes.x_axis.unit !== "s") return [xs[0], Math.max(0, at(axes.y_axis, top)), xs[1], at(axes.y_axis, bottom)];
    return [...xs, Math.max(0, at(axes.y_axis, 1 - bottom)), Math.max(0, at(axes.y_axis, 1 - top))];
  }

  class Maker {
    constructor(root) {
      this.root = root;
      this.examples = [];
      this.name = el("input.ev-text", { type: "text", maxLength: 80, placeholder: "e.g. room hum", id: "concept-name" });
      this.files = el("input", { type: "file", multiple: true, hidden: true, onchange: () => this.take([...this.files.files]) });
      this.bundle = el("input", { type: "file", accept: ".zip", hidden: true, onchange: () => this.bring(this.bundle.files[0]) });
      this.canvas = el("canvas.ev-box-canvas", { width: 480, height: 360, tabIndex: 0, role: "img" });
      this.count = el("p.muted", { role: "status" });
      this.problem = el("p.ev-problem", { hidden: true, role: "alert" });
      this.make = el("button.ev-button.ev-button--primary", { type: "button", onclick: () => this.save() }, "Make concept");
      this.hint = el("p.muted");
      root.append(
        el("label.ev-field", {}, "Name", this.name),
        el("div.ev-drop", { ondragover: (event) => event.preventDefault(), ondrop: (event) => this.drop(event) },
          el("p", {}, "Drop 10 or more pictures or clips that show the concept, or choose them."),
          el("button.ev-button", { type: "button", onclick: () => this.files.click() }, evident.icon("upload"), " Choose files"), this.files),
        this.hint, this.canvas, this.count, this.problem,
        el("div.ev-row", {}, this.make,
          el("button.ev-button", { type: "button", onclick: () => this.clear() }, "Start over"),
          el("button.ev-button", { type: "button", onclick: () => this.bundle.click() }, "Import a concept (zip)"), this.bundle),
      );
      this.canvas.addEventListener("pointerdown", (event) => this.press(event));
      this.canvas.addEventListener("pointermove", (event) => this.drag(event));
      this.canvas.addEventListener("pointerup", () => this.release());
      // A recording made for this concept counts as one more example.
      this.off = evident.on("tell", ({ id, props }) => {
        if (id === "concept-record-store" && props.data) this.add({ input: props.data.id });
      });
      this.show();
    }

    update() {
      const { display, axes, concept, name } = this.root.dataset;
      this.axes = evident.parse(axes);
      if (concept) this.name.value = name || "";
      this.name.disabled = Boolean(concept);
      this.make.textContent = concept ? "Add examples" : "Make concept";
      this.canvas.hidden = !(display && this.axes);
      this.hint.textContent = this.canvas.hidden ? "" : `Or draw boxes on the open input (in ${unit(this.axes)}): press and drag.`;
      this.canvas.setAttribute("aria-label", "The open input; drag to mark a box as an example");
      if (!this.canvas.hidden) this.load(display);
    }

    async load(display) {
      try {
        this.picture = await evident.picture(display);
        this.canvas.height = Math.round((this.canvas.width * this.picture.height) / this.picture.width);
        this.draw();
      } catch (problem) {
        this.fail(problem);
      }
    }

    point(event) {
      const place = this.canvas.getBoundingClientRect();
      const limit = (value) => Math.min(1, Math.max(0, value));
      return [limit((event.clientX - place.left) / place.width), limit((event.clientY - place.top) / place.height)];
    }

    press(event) {
      this.canvas.setPointerCapture(event.pointerId);
      const [u, v] = this.point(event);
      this.frame = { u0: u, v0: v, u1: u, v1: v };
    }

    drag(event) {
      if (!this.frame) return;
      [this.frame.u1, this.frame.v1] = this.point(event);
      evident.frame(this, () => this.draw());
    }

    release() {
      const { frame } = this;
      this.frame = null;
      if (frame && Math.abs(frame.u1 - frame.u0) > 0.02 && Math.abs(frame.v1 - frame.v0) > 0.02) {
        this.add({ input: this.root.dataset.input, box: boxOf(frame, this.axes) }, frame);
      }
      this.draw();
    }

    draw() {
      if (!this.picture) return;
      const context = this.canvas.getContext("2d");
      const { width, height } = this.canvas;
      context.drawImage(this.picture, 0, 0, width, height);
      for (const frame of [...this.examples.map((one) => one.frame), this.frame]) {
        if (!frame) continue;
        const box = [frame.u0 * width, frame.v0 * height, (frame.u1 - frame.u0) * width, (frame.v1 - frame.v0) * height];
        for (const [colour, size] of [["#fff", 4], ["#000", 1.5]]) {
          context.strokeStyle = colour;
          context.lineWidth = size;
          context.strokeRect(...box);
        }
      }
    }

    add(example, frame = null) {
      this.examples.push({ example, frame });
      this.show();
    }

    drop(event) {
      event.preventDefault();
      this.take([...event.dataTransfer.files]);
    }

    async take(files) {
      this.problem.hidden = true;
      const limits = evident.parse(this.root.dataset.limits, {});
      for (const [number, file] of files.entries()) {
        this.count.textContent = `Sending ${number + 1} of ${files.length}: ${file.name}`;
        try {
          const refused = evident.upload.refusal(file, limits);
          if (refused) throw new evident.Problem({ detail: refused });
          const form = new FormData();
          form.append("file", file, file.name);
          const input = await evident.send("/inputs", form, () => {}).done;
          this.examples.push({ example: { input: input.id }, frame: null });
        } catch (problem) {
          if (problem) this.fail(problem, `${file.name}: `);
        }
      }
      this.files.value = "";
      this.show();
    }

    async save() {
      this.problem.hidden = true;
      const { concept, store } = this.root.dataset;
      const examples = this.examples.map((one) => one.example);
      try {
        if (!examples.length) throw new evident.Problem({ detail: "There are no examples yet: choose files, draw boxes or record." });
        if (!concept && !this.name.value.trim()) throw new evident.Problem({ detail: "Give the concept a name." });
        const made = concept
          ? await evident.request(`/concepts/${concept}/examples`, { method: "POST", json: { examples } })
          : await evident.request("/concepts", { method: "POST", json: { name: this.name.value.trim(), examples } });
        this.clear();
        evident.tell(store, { data: made });
      } catch (problem) {
        this.fail(problem);
      }
    }

    async bring(file) {
      if (!file) return;
      const form = new FormData();
      form.append("file", file, file.name);
      this.bundle.value = "";
      this.problem.hidden = true;
      try {
        evident.tell(this.root.dataset.store, { data: await evident.send("/concepts/import", form, () => {}).done });
      } catch (problem) {
        if (problem) this.fail(problem);
      }
    }

    clear() {
      this.examples = [];
      this.name.value = "";
      this.draw();
      this.show();
    }

    fail(problem, lead = "") {
      this.problem.textContent = `${lead}${problem.message}`;
      this.problem.hidden = false;
    }

    show() {
      const count = this.examples.length;
      this.count.textContent = count === 0 ? "No examples yet." : `${count} example${count === 1 ? "" : "s"}${count < 10 ? ": it can be used from 10 on" : ""}.`;
    }

    destroy() {
      this.off();
    }
  }

  evident.widget("concept-maker", ["display", "axes", "input", "store", "concept", "name", "limits"], (root) => new Maker(root));

  /** The choices in the address bar, replaced rather than pushed, and so what "Copy link" copies (read back by components/concept_link.py). */
  function permalink(model, inputs, layers, target, negatives, shown, job, ticks, ids) {
    const query = new URLSearchParams();
    if (model) {
      query.set("model", model);
      if (inputs && inputs.length) query.set("input", inputs.map((one) => one.input).join(","));
      query.set("concepts", ids.filter((_, i) => ticks[i]).map((id) => id.ref).join(","));
      query.set("layers", (layers || []).join(","));
      if (target) query.set("class", target);
      if (negatives && negatives !== "random") query.set("negatives", negatives);
      if (shown && shown.input) query.set("shown", shown.input);
      if (job && job.id) query.set("analysis", job.id);
    }
    const { location, history } = window;
    const address = location.pathname + (model ? `?${query}` : "");
    if (location.pathname === "/concepts" && address !== location.pathname + location.search) history.replaceState(history.state, "", address);
    return location.origin + address;
  }

  evident.widget("copy-link", [], (root) => {
    root.append(el("button.ev-button", { type: "button", onclick: () => evident.copyLink() }, "Copy link"));
    return { update() {}, destroy() {} };
  });
  evident.concepts = { boxOf, permalink };
})();
