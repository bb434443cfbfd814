/* What the parts of the Cases page share: the choice, the lines of the list, the open case with its input, and what is said of it. */
import { callApi } from "../core/api.mjs";
import { viewState } from "../core/state.mjs";
import * as region from "../whatif/region.mjs";
import * as choosing from "./choice.mjs";
import { draftOf, keepDraft } from "./drafts.mjs";
import { Rows } from "./rows.mjs";

const path = encodeURIComponent;
/** Milliseconds between two questions for the model's answer: at first, and at most. */
const [FIRST, MOST] = [700, 10_000];

export class Session {
  /** @type {any[] | null} */
  lists = null;
  /** The open list. @type {any} */
  list = null;
  /** The model of the list, as the API describes it. @type {any} */
  model = null;
  /** @type {Rows | null} */
  rows = null;
  /** The open case. @type {any} */
  item = null;
  /** Its input. @type {any} */
  input = null;
  /** What is said of it and not saved yet. @type {import("./drafts.mjs").Draft} */
  draft = {};
  /** @type {import("../core/api.mjs").Problem | null} */
  problem = null;
  saving = false;
  pause = FIRST;
  /** Where the open case stood in the list. */
  last = 0;
  ended = false;
  opening = "";
  /** Cases whose withheld score was asked for. @type {Set<string>} */
  asked = new Set();
  /** How the open case was listened to since that was last told. */
  heard = { times: 0, half: 0, parts: new Set() };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;

  /**
   * @param {import("./choice.mjs").Choice} choice
   * @param {(what: "lists" | "rows" | "case" | "step" | "draft" | "told" | "end") => void} tell
   */
  constructor(choice, tell) {
    this.choice = choice;
    this.tell = (what) => !this.ended && tell(what);
    this.leaving = () => this.tellHeard();
    window.addEventListener("pagehide", this.leaving);
  }

  // ---- lists ---------------------------------------------------------------------------------------------------------------------
  async begin() {
    try {
      if (this.choice.list) await this.openList(this.choice.list);
      else await this.listAll();
    } catch (problem) {
      this.fail(problem);
    }
  }

  fail(problem) {
    this.problem = problem;
    this.tell("lists");
  }

  async listAll() {
    this.lists = await callApi("/worklists");
    this.tell("lists");
  }

  async openList(id) {
    this.list = await callApi(`/worklists/${path(id)}`);
    this.model = await callApi(`/models/${path(this.list.model)}`).catch(() => null);
    this.tell("lists");
    await this.readRows();
    const wanted = this.choice.case || (this.rows?.lines.get(0)?.id ?? "");
    if (wanted) await this.open(wanted);
    else this.tell("case");
  }

  /** The gate withholds the score until it is asked for. */
  get withheld() {
    const { item } = this;
    return item?.prediction?.gate?.state === "abstain" && !this.asked.has(item.id);
  }

  /** Class names of the model. @returns {string[]} */
  get labels() {
    return this.list?.labels ?? [];
  }

  // ---- lines ---------------------------------------------------------------------------------------------------------------------
  readRows() {
    if (this.rows) this.rows.left = true;
    this.rows = new Rows(this.choice, () => this.tell("rows"));
    return this.rows.need(0, 0);
  }

  /** Filter, search or order. @param {Partial<import("./choice.mjs").Choice>} part */
  async filter(part) {
    this.choice = { ...this.choice, ...part };
    this.tell("step");
    try {
      await this.readRows();
    } catch (problem) {
      this.fail(problem);
    }
  }

  /** Where the open case stands in the list as it is filtered, -1 where it does not. */
  get place() {
    return this.rows && this.item ? this.rows.placeOf(this.item.id) : -1;
  }

  /** The case after or before the open one. @param {number} by */
  async move(by) {
    const { rows } = this;
    if (!rows) return;
    const { place } = this;
    // a case that has just left the list as it is filtered (judged, among those to do) has its follower in its place
    const to = place >= 0 ? place + by : this.last + Math.min(0, by);
    if (to < 0 || to >= rows.total) {
      this.tell("end");
      return;
    }
    try {
      await rows.need(to, to);
      const line = rows.lines.get(to);
      if (line) await this.open(line.id, 1);
    } catch (problem) {
      this.fail(problem);
    }
  }

  // ---- the open case -------------------------------------------------------------------------------------------------------------
  /** @param {string} id @param {number} [step] */
  async open(id, step) {
    this.tellHeard();
    clearTimeout(this.timer);
    this.opening = id;
    try {
      const item = await callApi(`/cases/${path(id)}`);
      const input = item.gone ? null : await callApi(`/inputs/${path(item.input)}`).catch(() => null);
      if (this.opening !== id || this.ended) return;
      this.problem = null;
      this.input = input;
      this.draft = draftOf(id);
      this.pause = FIRST;
      this.choice = { ...this.choice, case: id, step: Math.min(step ?? this.choice.step, choosing.farthest(item)) };
      this.take(item);
      if (this.place >= 0) this.last = this.place;
      this.outline();
      this.tell("case");
    } catch (problem) {
      if (this.opening === id) this.fail(problem);
    }
  }

  take(item) {
    this.item = item;
    this.rows?.replace(item);
    clearTimeout(this.timer);
    const there = item.revealed ? item.prediction || item.problem : item.fit;
    if (!there && !item.gone) this.timer = setTimeout(() => this.again(), this.pause);
  }

  /** The model is asked in the background: until its answer, or whether the input suits it, is there. */
  async again() {
    const { id } = this.item;
    try {
      const item = await callApi(`/cases/${path(id)}`);
      if (this.item.id !== id || this.ended) return;
      this.pause = Math.min(MOST, 1.5 * this.pause);
      this.take(item);
      if (item.prediction || item.problem || item.fit) this.tell("case");
    } catch {
      this.timer = setTimeout(() => this.again(), MOST);
    }
  }

  /** The region that was drawn before, over every map. */
  outline() {
    const told = this.draft.region ?? this.first?.region ?? null;
    if (told && (told.boxes?.length || told.mask)) region.drawTold(this.item.input, told);
    else region.draw("", null, null);
  }

  /** What the one who looks has said of the case, oldest first. */
  get mine() {
    return (this.item?.verdicts ?? []).filter(({ own }) => own);
  }

  /** Their first reading, which stays. */
  get first() {
    return this.mine.find(({ reading }) => reading !== null) ?? null;
  }

  /** Their newest word on the model's answer. */
  get word() {
    return this.mine.findLast(({ prediction, explanation }) => prediction !== null || explanation !== null) ?? null;
  }

  /** @param {number} step */
  setStep(step) {
    const to = Math.max(1, Math.min(step, choosing.farthest(this.item)));
    if (to === this.choice.step) return;
    this.choice = { ...this.choice, step: to };
    this.tell("step");
  }

  /** @param {Partial<import("./drafts.mjs").Draft>} part */
  say(part) {
    if (!this.item) return;
    this.draft = { ...this.draft, ...part };
    keepDraft(this.item.id, this.draft);
    this.tell("draft");
  }

  // ---- what is recorded ----------------------------------------------------------------------------------------------------------
  /** Runs one request after which the case is another; answers whether it went well. */
  async change(request) {
    if (this.saving) return false;
    this.saving = true;
    this.problem = null;
    this.tell("draft");
    try {
      const { id } = this.item;
      const item = await request(id);
      if (this.item.id === id) this.take(item);
      return true;
    } catch (problem) {
      this.problem = problem;
      return false;
    } finally {
      this.saving = false;
      this.tell("draft");
    }
  }

  put(id, verdict) {
    return callApi(`/cases/${path(id)}/verdict`, { method: "PUT", json: verdict });
  }

  /** The first reading, and then the model. */
  async judge() {
    const { reading = null } = this.draft;
    await this.tellHeard();
    const drawn = viewState.drawn?.input === this.item.input ? region.wire() : null;
    const done = await this.change(async (id) => {
      const stage = this.item.revealed ? "after" : "before";
      let item = await this.put(id, { stage, reading, region: drawn });
      if (item.blind && !item.revealed) item = await callApi(`/cases/${path(id)}/reveal`, { method: "POST" });
      return item;
    });
    if (!done) return;
    this.say({ reading: null, region: null });
    this.choice = { ...this.choice, step: 3 };
    this.tell("case");
    this.recount();
  }

  /** What is thought of the model's answer; then the next case. @param {any} shown what is on the screen */
  async agree(shown) {
    const { prediction = null, explanation = null, note = "" } = this.draft;
    const drawn = viewState.drawn?.input === this.item.input ? region.wire() : null;
    const verdict = { stage: "after", prediction, explanation, note, region: drawn, shown };
    if (!(await this.change((id) => this.put(id, verdict)))) return;
    keepDraft(this.item.id, null);
    this.draft = {};
    this.tell("case");
    this.recount();
    await this.move(1);
  }

  /** The numbers over the list, after something was recorded. */
  async recount() {
    try {
      await this.rows?.renew();
    } catch {
      // the lines stay as they were; the next change brings them up to date
    }
  }

  /** A case was deleted: the one that stood behind it opens. */
  async dropped(item) {
    keepDraft(item.id, null);
    this.heard = { times: 0, half: 0, parts: new Set() };
    await this.recount();
    const at = Math.min(this.last, (this.rows?.total ?? 0) - 1);
    const next = this.rows?.lines.get(at);
    if (next) await this.open(next.id, 1);
    else {
      this.item = null;
      this.choice = { ...this.choice, case: "", step: 1 };
      this.tell("case");
    }
  }

  /** @param {{half: boolean, part: string}} how */
  listened({ half, part }) {
    this.heard.times += 1;
    if (half) this.heard.half += 1;
    this.heard.parts.add(part);
  }

  /** Tells the server how the case was listened to, in one line of its history. */
  async tellHeard() {
    const { item, heard } = this;
    if (!item || !heard.times) return;
    this.heard = { times: 0, half: 0, parts: new Set() };
    const detail = { times: heard.times, half: heard.half, part: [...heard.parts].join(", ") };
    try {
      const now = await callApi(`/cases/${path(item.id)}/events`, { method: "POST", json: { kind: "listened", detail }, keepalive: true });
      if (this.item?.id === item.id && !this.saving) {
        this.item = now;
        this.tell("told");
      }
    } catch {
      // its history lacks a line; nothing that the reviewer said is lost
    }
  }

  end() {
    window.removeEventListener("pagehide", this.leaving);
    this.tellHeard();
    this.ended = true;
    clearTimeout(this.timer);
    if (this.rows) this.rows.left = true;
    region.draw("", null, null);
  }
}
