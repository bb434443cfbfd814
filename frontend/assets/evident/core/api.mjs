/* The API as the widgets see it: paths, requests, and refusals in plain words. */
import { emit } from "./bus.mjs";
import { parseJson } from "./elements.mjs";
import { reviewerHeaders } from "./reviewer.mjs";

/** @type {{[status: number]: string}} */
const WORDS = {
  0: "The server does not answer. Check that Evident is still running, then try again.",
  404: "This is no longer stored on the server. Run it again.",
  413: "The file is too large.",
  415: "This file type is not accepted.",
  503: "The server is busy. Try again in a moment.",
  507: "The server has no space left.",
};

/** A refusal or failure: `message` is the plain sentence to show, `requestId` helps whoever looks into the log. */
export class Problem extends Error {
  /** @param {ProblemBody} body */
  constructor({ status = 0, code = "", title = "", detail = "", request_id = "" } = {}) {
    super(detail || WORDS[status] || "The server could not do this. Try again.");
    this.status = status;
    this.code = code;
    this.title = title;
    this.requestId = request_id || "";
  }
}

export const apiBase = () => document.body?.dataset.api || "/api/v1";

/**
 * Full address of a path below the API prefix; complete addresses pass unchanged.
 * @param {string} path
 */
export function apiUrl(path) {
  if (/^(https?:|data:|blob:)/.test(path) || path.startsWith(`${apiBase()}/`)) return path;
  return `${apiBase()}${path.startsWith("/") ? "" : "/"}${path}`;
}

/**
 * The Problem in an answer's text; anything that is not problem JSON gets our own words for its status.
 * @param {number} status
 * @param {string} text
 */
export function problemOf(status, text, requestId = "") {
  const body = parseJson(text, {}) || {};
  const detail = typeof body.detail === "string" ? body.detail : "";
  return new Problem({ status, code: body.code, title: body.title, detail, request_id: body.request_id || requestId });
}

/**
 * text: JSON as it is written in a file; table: a file of comma-separated values; form: a form with a file.
 * fetch that answers JSON ("json"), bytes ("bytes") or nothing (204 -> null), and throws Problem; an abort throws AbortError.
 * @param {string} path
 * @param {{method?: string, json?: unknown, text?: string, table?: Blob, form?: FormData, signal?: AbortSignal, as?: "json" | "bytes", keepalive?: boolean}} options keepalive: goes out although the page is closing
 * @returns {Promise<any>}
 */
export async function callApi(path, { method = "GET", json, text, table, form, signal, as = "json", keepalive = false } = {}) {
  const written = json === undefined ? text : JSON.stringify(json);
  const headers = { Accept: "application/json, */*", ...reviewerHeaders() };
  if (written !== undefined) headers["Content-Type"] = "application/json";
  if (table) headers["Content-Type"] = "text/csv";
  const body = table ?? form ?? written;
  try {
    const answer = await fetch(apiUrl(path), { method, signal, body, headers, keepalive, cache: "no-store" });
    if (!answer.ok) {
      const problem = problemOf(answer.status, await answer.text(), answer.headers.get("X-Request-ID") || "");
      if (problem.code === "sign_in") emit("signed-out");
      throw problem;
    }
    if (answer.status === 204) return null;
    return as === "bytes" ? await answer.arrayBuffer() : await answer.json();
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem();
  }
}
