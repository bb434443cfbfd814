/* The lines of a list, fetched a stretch at a time as they come into view: a list may hold thousands. */
import { callApi } from "../core/api.mjs";
import { rowsQuery } from "./choice.mjs";

export const STRETCH = 100;

export class Rows {
  total = 0;
  counts = { todo: 0, judged: 0, disagree: 0 };
  /** Cases that a range of scores leaves out because theirs is not shown. */
  unscored = 0;
  /** Lines by their place. @type {Map<number, any>} */
  lines = new Map();
  /** Stretches that are there or on their way. @type {Map<number, Promise<void>>} */
  asked = new Map();
  left = false;
  /** The server has answered. */
  known = false;

  /**
   * @param {import("./choice.mjs").Choice} choice
   * @param {() => void} tell after every change
   */
  constructor(choice, tell) {
    this.choice = choice;
    this.tell = tell;
  }

  /** Sees to it that lines first..last are there. @returns {Promise<void[]>} */
  need(first, last) {
    const wanted = [];
    for (let at = Math.floor(first / STRETCH); at <= Math.floor(last / STRETCH); at += 1) {
      const known = this.asked.get(at);
      const promise = known ?? this.fetch(at);
      this.asked.set(at, promise);
      wanted.push(promise);
    }
    return Promise.all(wanted);
  }

  async fetch(at) {
    try {
      const page = await callApi(`/cases?${rowsQuery(this.choice, at * STRETCH, STRETCH)}`);
      if (this.left) return;
      this.total = page.total;
      this.counts = page.counts;
      this.unscored = page.unscored;
      this.known = true;
      for (let i = 0; i < STRETCH; i += 1) this.lines.delete(at * STRETCH + i);
      for (const [i, line] of page.cases.entries()) this.lines.set(at * STRETCH + i, line);
      this.tell();
    } catch (problem) {
      this.asked.delete(at);
      throw problem;
    }
  }

  /** Everything again, because something about the cases has changed; what is on show stays until then. */
  async renew() {
    const places = [...this.asked.keys()];
    this.asked.clear();
    await Promise.all(places.map((at) => this.need(at * STRETCH, at * STRETCH)));
  }

  /** Where a case stands, among the lines that are there; -1 where it is not. */
  placeOf(id) {
    for (const [at, line] of this.lines) if (line.id === id) return at;
    return -1;
  }

  /** A line that is known better now. */
  replace(line) {
    const at = this.placeOf(line.id);
    if (at < 0) return;
    this.lines.set(at, { ...this.lines.get(at), ...line });
    this.tell();
  }
}
