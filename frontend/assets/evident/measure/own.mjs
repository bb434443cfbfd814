/* A person's own inputs on the Measure page: chosen or dropped one by one or as a folder, with their names and what they show. */
import { callApi } from "../core/api.mjs";
import { el, icon } from "../core/elements.mjs";
import { renew } from "../core/renew.mjs";
import { filesOf, meant, named as nameOf, plainName } from "../upload/dropped.mjs";
import { sendFile } from "../upload/sending.mjs";
import { classNamed } from "./choice.mjs";
import { opener } from "./earlier.mjs";
import * as labels from "./labels.mjs";

/** Inputs with a field of their own; more take their class from a table or a folder's name. */
const LISTED = 100;
const CLASSES = "ev-measure-classes";
const WHICH = "Several tables are there and none is called labels.csv: give the one that is meant that name.";

/** @typedef {{[id: string]: string}} Texts */
/** @typedef {File & {inFolder?: string}} Dropped */

export class OwnInputs {
  /** Names of a network's classes, by model. @type {Map<string, Promise<string[]>>} */
  known = new Map();
  /** The table of labels that was added last, as the server read it for a model. @type {{title: string, model: string, file: File, lines: labels.Line[], notes: string[]} | null} */
  table = null;
  busy = false;

  /** @param {import("./session.mjs").Session} session @param {(text: string) => void} tell */
  constructor(session, tell) {
    this.session = session;
    this.tell = tell;
    const chooser = (more) => {
      const input = el("input", { type: "file", multiple: true, hidden: true, ...more, onchange: () => this.chosen(input) });
      return input;
    };
    this.files = chooser({});
    this.folder = chooser({ webkitdirectory: true });
    const add = el(
      "button.ev-button.ev-button--small.ev-button--icon",
      {
        type: "button",
        title: "Measure on your own files, with a labels.csv if there is one. They can be dropped here too.",
        "aria-label": "Add your own files",
        onclick: () => this.files.click(),
      },
      icon("upload"),
    );
    this.parts = [add, this.files, this.folder];
    this.labels = el("span");
    this.count = el("span");
    this.details = opener("", "Names and classes of your inputs");
    this.details.querySelector("summary")?.append(this.count);
    this.panel = this.details.querySelector(".ev-measure-panel");
    this.details.addEventListener("toggle", () => this.details.open && this.fill(this.panel));
  }

  /** Opens the browser's dialog. @param {boolean} whole a folder; those inside it that are named like a class say what their files show */
  choose(whole = false) {
    (whole ? this.folder : this.files).click();
  }

  chosen(input) {
    const files = [...(input.files ?? [])];
    input.value = "";
    this.take(files);
  }

  /** Files may be dropped anywhere on it. @param {HTMLElement} zone */
  drops(zone) {
    const over = (event, on) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      zone.classList.toggle("ev-measuring--over", on);
    };
    zone.ondragover = (event) => over(event, true);
    zone.ondragleave = (event) => over(event, zone.contains(/** @type {Node | null} */ (event.relatedTarget)));
    zone.ondrop = async (event) => {
      over(event, false);
      if (event.dataTransfer?.types.includes("Files")) this.take(await filesOf(event.dataTransfer));
    };
  }

  /** Own files, and what a table among them says. What cannot be read is named, the rest counts. @param {Dropped[]} all */
  async take(all) {
    const files = meant(all);
    if (!files.length) return;
    if (this.busy) {
      this.tell("One after the other: these files can be added as soon as the others are read.");
      return;
    }
    this.busy = true;
    try {
      await this.added(files);
    } finally {
      this.busy = false;
    }
  }

  /** @param {Dropped[]} files */
  async added(files) {
    const { model } = this.session.choice;
    const read = await this.readTable(files, model);
    const pictures = new Map(files.filter((file) => !labels.isTable(file)).map((file) => [pathOf(file), file]));
    const masks = labels.named(
      (this.table?.lines ?? []).filter(({ mask }) => mask),
      ({ mask }) => mask,
      [...pictures.keys()].map((path) => [path, path]),
    ).by;
    const inputs = [...pictures].filter(([path]) => !masks.has(path)).map(([, file]) => file);
    const { names, shown, refused } = await this.send(inputs, model);
    if (this.gone(model)) return;
    const { choice } = this.session;
    const ids = [...new Set([...choice.inputs, ...Object.keys(names)])];
    const all = { ...choice.names, ...names };
    const { table } = this;
    if (!table || read.problem) {
      this.tell([read.problem, ...refused].filter(Boolean).join(" "));
      if (Object.keys(names).length) this.hold(ids, all, { ...choice.labels, ...shown });
      return;
    }
    const matching = labels.named(
      table.lines,
      ({ file }) => file,
      ids.map((id, i) => [id, all[id] ?? `Input ${i + 1}`]),
    );
    const fresh = read.now ? ids : Object.keys(names);
    const lines = new Map([...matching.by].filter(([id]) => fresh.includes(id)));
    const classes = Object.fromEntries([...lines].flatMap(([id, { label }]) => (label === null ? [] : [[id, label]])));
    const places = await this.placed(lines, new Map([...masks].map(([path, { line }]) => [line, pictures.get(path)])));
    if (this.gone(model)) return;
    const done = { inputs: ids.length, classes: [...matching.by.values()].filter(({ label }) => label !== null).length, ...places };
    this.tell([...labels.told(table, matching, done), ...places.refused, ...refused].join(" "));
    if (ids.length) this.hold(ids, all, { ...choice.labels, ...shown, ...classes }, places.regions + places.kept > 0);
  }

  /** Nobody is there any more for files that were sent for a model. */
  gone(model) {
    const changed = model !== this.session.choice.model;
    if (changed && !this.session.ended) this.tell("The model was changed while the files were read: add them again.");
    return changed || this.session.ended;
  }

  /** Classes of the inputs for another model: those that it has too, and what the table says for it. @returns {Promise<Texts>} */
  async labelsFor(model) {
    const { inputs, names, labels: before } = this.session.choice;
    if (!inputs.length) return {};
    const classes = await this.classes(model);
    const shared = inputs.map((id) => [id, classNamed(before[id] ?? "", classes)]).filter(([, label]) => label);
    await this.readTable([], model);
    const { table } = this;
    const lines = table && table.model === model ? table.lines : [];
    const { by } = labels.named(
      lines,
      ({ file }) => file,
      inputs.map((id, i) => [id, names[id] ?? `Input ${i + 1}`]),
    );
    const read = [...by].flatMap(([id, { label }]) => (label === null ? [] : [[id, label]]));
    return Object.fromEntries([...shared, ...read]);
  }

  /** @param {string[]} inputs @param {Texts} names @param {Texts} classes @param {boolean} regions whether the evidence is known in some */
  hold(inputs, names, classes, regions = false) {
    this.session.setInputs({ set: null, count: null, inputs, names, labels: classes }, regions);
  }

  /**
   * Has the server read the table of what was dropped, or the one before for another model.
   * @param {Dropped[]} files
   * @returns {Promise<{now: boolean, problem: string}>} now: there is another table than before
   */
  async readTable(files, model) {
    const tables = files.filter(labels.isTable);
    const path = labels.tableOf(tables.map((file) => ({ name: file.name, path: pathOf(file) })))?.path;
    const again = this.table && this.table.model !== model ? this.table.file : null;
    const file = tables.length ? tables.find((each) => pathOf(each) === path) : again;
    if (!file) return { now: false, problem: tables.length ? WHICH : "" };
    try {
      const { table_bytes } = await callApi("/limits");
      if (file.size > table_bytes) return { now: false, problem: labels.tooLarge(file, table_bytes) };
      const title = plainName(file.name);
      const read = await callApi(`/evaluations/labels?${new URLSearchParams({ model, name: title })}`, { method: "POST", table: file });
      this.table = { title, model, file, ...read };
      return { now: true, problem: "" };
    } catch (problem) {
      return { now: false, problem: problem.message };
    }
  }

  /** One file after the other. @param {Dropped[]} files */
  async send(files, model) {
    /** @type {{names: Texts, shown: Texts, refused: string[]}} shown: classes that folders are named like */
    const out = { names: {}, shown: {}, refused: [] };
    const classes = files.some(folderOf) ? await this.classes(model) : [];
    for (const [i, file] of files.entries()) {
      this.tell(`Reading ${i + 1} of ${files.length} \u2026`);
      const form = new FormData();
      form.append("file", file, file.name);
      try {
        const { id } = await sendFile("/inputs", form, () => {}).done;
        out.names[id] = nameOf(file);
        const label = classNamed(folderOf(file), classes);
        if (label) out.shown[id] = label;
      } catch (problem) {
        out.refused.push(`${file.name}: ${problem?.message ?? "not sent"}`);
      }
    }
    return out;
  }

  /**
   * Stores masks and boxes of the table as regions of the inputs; a region that is there already stays.
   * @param {Map<string, labels.Line>} lines by input
   * @param {Map<number, File | undefined>} masks by line
   */
  async placed(lines, masks) {
    const out = { regions: 0, kept: 0, refused: /** @type {string[]} */ ([]) };
    for (const [id, { line, box }] of lines) {
      const mask = masks.get(line);
      if (!mask && !box) continue;
      const path = `/inputs/${encodeURIComponent(id)}/region`;
      const form = new FormData();
      if (mask) form.append("mask", mask, mask.name);
      try {
        const own = await callApi(path);
        const there = Boolean(own.mask) || own.boxes.length > 0;
        if (!there) await callApi(path, mask ? { method: "PUT", form } : { method: "PUT", json: { boxes: [box] } });
        if (there && !(box && String(own.boxes) === String(box))) out.kept += 1;
        else out.regions += 1;
      } catch (problem) {
        out.refused.push(`Line ${line}: ${problem.message}`);
      }
    }
    return out;
  }

  /** @returns {Promise<string[]>} [] where they cannot be had: then nothing is named after them */
  classes(model) {
    const asked =
      this.known.get(model) ??
      callApi(`/models/${encodeURIComponent(model)}`).then(
        ({ labels }) => labels,
        () => [],
      );
    this.known.set(model, asked);
    return asked;
  }

  /** The list of own inputs with their classes, filled when it is opened. */
  draw() {
    const { set, inputs, labels } = this.session.choice;
    if (set || !inputs.length) {
      this.details.open = false;
      this.labels.replaceChildren();
      return;
    }
    this.count.textContent = told(inputs, labels);
    if (!this.details.parentElement) this.labels.append(this.details);
    else if (this.details.open && !this.labels.contains(document.activeElement)) this.fill(this.panel); // else somebody types there
  }

  async fill(panel) {
    const { inputs, model, names } = this.session.choice;
    const classes = await this.classes(model);
    const list = el("datalist", { id: CLASSES }, ...classes.map((value) => el("option", { value })));
    const rows = inputs.slice(0, LISTED).map((id, i) => this.row(id, names[id] ?? `Input ${i + 1}`, classes));
    const note = "What each shows, where you know it: then the true class can be explained, and right and wrong answers are told apart.";
    const rest = labels.rest(
      inputs.slice(LISTED).map((id) => this.session.choice.labels[id]),
      this.table?.title,
    );
    renew(panel, list, el("p.ev-muted.ev-small", {}, note), ...rows, ...(rest ? [el("p.ev-muted.ev-small", {}, rest)] : []));
  }

  async leave(id) {
    const inputs = this.session.choice.inputs.filter((other) => other !== id);
    this.session.setInputs({ inputs });
    if (!inputs.length) return;
    await this.fill(this.panel);
    this.panel.querySelector("button")?.focus();
  }

  row(id, name, classes) {
    const input = el("input.ev-text", {
      value: this.session.choice.labels[id] ?? "",
      placeholder: "class",
      autocomplete: "off",
    });
    input.setAttribute("list", CLASSES);
    input.addEventListener("change", () => {
      const label = classNamed(input.value, classes);
      const unknown = Boolean(input.value.trim()) && !label;
      input.setCustomValidity(unknown ? "This network has no such class; choose one of the list." : "");
      input.reportValidity();
      if (unknown) return;
      input.value = label;
      const { [id]: _, ...others } = this.session.choice.labels;
      this.session.set({ labels: label ? { ...others, [id]: label } : others });
    });
    const leave = el(
      "button.ev-icon-button",
      {
        type: "button",
        "aria-label": `Leave ${name} out`,
        title: "Leave it out of the study; the file stays",
        onclick: () => this.leave(id),
      },
      icon("close"),
    );
    return el("div.ev-measure-own", { "data-key": id }, el("label", {}, el("span", { title: name }, name), input), leave);
  }
}

const told = (inputs, labels) => `${inputs.filter((id) => labels[id]).length} of ${inputs.length} known`;

/** @param {Dropped} file */
const pathOf = (file) => file.inFolder || file.webkitRelativePath || file.name;

/** The folder a file was in; "" for a single file. @param {Dropped} file */
const folderOf = (file) => pathOf(file).split("/").at(-2) ?? "";
