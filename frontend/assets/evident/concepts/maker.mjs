/* The maker of concepts: files, boxes, microphone, import.

   concept-maker: data-display · data-axes JSON · data-input · data-store told the concept · data-concept id to add to · data-limits */
import { apiUrl, callApi, Problem } from "../core/api.mjs";
import { nextFrame, on } from "../core/bus.mjs";
import { el, icon, parseJson } from "../core/elements.mjs";
import { lasting, renew } from "../core/renew.mjs";
import { declareWidget } from "../core/widgets.mjs";
import { tellDash } from "../dash/tell.mjs";
import { greyPicture } from "../figure/picture.mjs";
import { coordinate } from "../maps/axes.mjs";
import { refusal } from "../upload/files.mjs";
import { sendFile } from "../upload/sending.mjs";

/** Examples that a concept needs, as the server has it. */
const LEAST = 10;
const SIDE = 56;

const unit = (axes) => (axes.x_axis.unit === "s" ? "seconds and Hz" : "pixels");

/** A drag in fractions of the picture -> [x0, y0, x1, y1] in pixels, or [t0, t1, f0, f1] in seconds and Hz. */
export function boxOf({ u0, v0, u1, v1 }, axes) {
  const at = (axis, share) => coordinate(axis, share);
  const [left, right] = [Math.min(u0, u1), Math.max(u0, u1)];
  const [top, bottom] = [Math.min(v0, v1), Math.max(v0, v1)];
  const xs = [at(axes.x_axis, left), at(axes.x_axis, right)].map((value) => Math.max(0, value));
  if (axes.x_axis.unit !== "s") return [xs[0], Math.max(0, at(axes.y_axis, top)), xs[1], at(axes.y_axis, bottom)];
  return [...xs, Math.max(0, at(axes.y_axis, 1 - bottom)), Math.max(0, at(axes.y_axis, 1 - top))];
}

/** A picture as it was sent; of a recording its loudness over time. */
function smallPicture({ id, modality, waveform }, name) {
  if (modality !== "audio")
    return el("img", { src: apiUrl(`/inputs/${id}/preview.png`), alt: name, title: name, width: SIDE, height: SIDE });
  const picture = el("canvas", { width: SIDE, height: SIDE, role: "img", title: name, "aria-label": name });
  const context = picture.getContext("2d");
  const peaks = waveform || [];
  const top = Math.max(1e-9, ...peaks.map(Math.abs));
  context.fillStyle = "#7b858f";
  for (let x = 0; x < SIDE; x += 1) {
    const height = (SIDE * 0.9 * Math.abs(peaks[Math.floor((x * peaks.length) / SIDE)] || 0)) / top;
    context.fillRect(x, (SIDE - height) / 2, 1, Math.max(1, height));
  }
  return picture;
}

class Maker {
  constructor(root) {
    this.root = root;
    this.examples = [];
    this.name = el("input.ev-text", { type: "text", maxLength: 80, placeholder: "e.g. room hum", id: "concept-name" });
    this.files = el("input", { type: "file", multiple: true, hidden: true, onchange: () => this.take([...this.files.files]) });
    this.bundle = el("input", { type: "file", accept: ".zip", hidden: true, onchange: () => this.bring(this.bundle.files[0]) });
    this.canvas = el("canvas.ev-box-canvas", { width: 480, height: 360, tabIndex: 0, role: "img" });
    this.strip = el("div.ev-maker-strip");
    this.count = el("p.ev-muted", { role: "status" });
    this.problem = el("p.ev-problem", { hidden: true, role: "alert" });
    this.make = el("button.ev-button.ev-button--primary", { type: "button", onclick: () => this.save() }, "Make concept");
    this.hint = el("p.ev-muted");
    this.choose = el("button.ev-button", { type: "button", onclick: () => this.files.click() }, icon("upload"), " Choose files");
    root.append(
      el("label.ev-field", {}, "Name", this.name),
      el(
        "div.ev-drop",
        { ondragover: (event) => event.preventDefault(), ondrop: (event) => this.drop(event) },
        el("p", {}, "Drop 10 or more pictures or clips that show the concept, or choose them."),
        this.choose,
        this.files,
      ),
      this.hint,
      this.canvas,
      this.strip,
      this.count,
      this.problem,
      el(
        "div.ev-row",
        {},
        this.make,
        el("button.ev-button", { type: "button", onclick: () => this.clear() }, "Start over"),
        el("button.ev-button", { type: "button", onclick: () => this.bundle.click() }, "Import a concept (zip)"),
        this.bundle,
      ),
    );
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    this.canvas.addEventListener("pointerup", () => this.release());
    // A recording made for this concept counts as one more example.
    this.off = on("tell", ({ id, props }) => {
      if (id === "concept-record-store" && props.data) this.join(props.data, "A recording");
    });
    this.show();
    this.seen = false;
    this.watcher = new ResizeObserver(() => this.appear());
    this.watcher.observe(root);
  }

  /** Takes the focus when its drawer opens: that stays mounted, and looks for what to focus before it is displayed, sometimes in vain. */
  appear() {
    const seen = this.root.clientWidth > 0;
    if (seen && !this.seen) (this.name.disabled ? this.choose : this.name).focus();
    this.seen = seen;
  }

  update() {
    const { display, axes, concept, name } = this.root.dataset;
    this.axes = parseJson(axes);
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
      this.picture = await greyPicture(display);
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
    nextFrame(this, () => this.draw());
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
    for (const frame of [...this.examples.map(({ frame }) => frame), this.frame]) {
      if (!frame) continue;
      const box = [frame.u0 * width, frame.v0 * height, (frame.u1 - frame.u0) * width, (frame.v1 - frame.v0) * height];
      for (const [colour, size] of [
        ["#fff", 4],
        ["#000", 1.5],
      ]) {
        context.strokeStyle = colour;
        context.lineWidth = size;
        context.strokeRect(...box);
      }
    }
  }

  /**
   * @param {{input: string | undefined, box?: number[]}} example
   * @param {{u0: number, v0: number, u1: number, v1: number}} frame
   */
  add(example, frame) {
    this.keep(example, frame, this.cut(frame));
  }

  /** A file or a recording that has arrived. */
  join(input, name) {
    this.keep({ input: input.id }, null, smallPicture(input, name));
  }

  /** One more example, with its small picture and the way out. */
  keep(example, frame, picture) {
    const gone = () => this.takeOut(each);
    const out = el("button.ev-icon-button", { type: "button", title: "Take it out", onclick: gone }, icon("close"));
    const each = { example, frame, out, node: lasting(el("div.ev-maker-example", {}, picture, out)) };
    this.examples.push(each);
    this.show();
  }

  /** A small picture of a box on the open input. */
  cut({ u0, v0, u1, v1 }) {
    const picture = el("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": "A box on the open input" });
    const { width, height } = this.picture;
    const box = [Math.min(u0, u1) * width, Math.min(v0, v1) * height, Math.abs(u1 - u0) * width, Math.abs(v1 - v0) * height];
    picture.getContext("2d").drawImage(this.picture, ...box, 0, 0, SIDE, SIDE);
    return picture;
  }

  takeOut(gone) {
    this.examples = this.examples.filter((each) => each !== gone);
    this.draw();
    this.show();
  }

  drop(event) {
    event.preventDefault();
    this.take([...event.dataTransfer.files]);
  }

  async take(files) {
    this.problem.hidden = true;
    const limits = parseJson(this.root.dataset.limits, {});
    for (const [number, file] of files.entries()) {
      this.count.textContent = `Sending ${number + 1} of ${files.length}: ${file.name}`;
      try {
        const refused = refusal(file, limits);
        if (refused) throw new Problem({ detail: refused });
        const form = new FormData();
        form.append("file", file, file.name);
        const input = await sendFile("/inputs", form, () => {}).done;
        this.join(input, file.name);
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
    const examples = this.examples.map(({ example }) => example);
    try {
      if (!examples.length) throw new Problem({ detail: "There are no examples yet: choose files, draw boxes or record." });
      if (!concept && examples.length < LEAST)
        throw new Problem({
          detail: `A concept needs at least ${LEAST} examples, these are ${examples.length}: with fewer its direction is mostly chance. Add ${LEAST - examples.length} more.`,
        });
      if (!concept && !this.name.value.trim()) throw new Problem({ detail: "Give the concept a name." });
      const made = concept
        ? await callApi(`/concepts/${concept}/examples`, { method: "POST", json: { examples } })
        : await callApi("/concepts", { method: "POST", json: { name: this.name.value.trim(), examples } });
      this.clear();
      tellDash(store, { data: made });
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
      tellDash(this.root.dataset.store, { data: await sendFile("/concepts/import", form, () => {}).done });
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
    renew(this.strip, ...this.examples.map(({ node }) => node));
    for (const [i, { out }] of this.examples.entries()) out.setAttribute("aria-label", `Take out example ${i + 1}`);
    this.count.textContent =
      count === 0
        ? "No examples yet."
        : `${count} example${count === 1 ? "" : "s"}${count < LEAST && !this.root.dataset.concept ? `: ${LEAST - count} more to go` : ""}.`;
  }

  destroy() {
    this.watcher.disconnect();
    this.off();
  }
}

declareWidget("concept-maker", ["display", "axes", "input", "store", "concept", "name", "limits"], (root) => new Maker(root));
