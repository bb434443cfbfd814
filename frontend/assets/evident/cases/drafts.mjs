/* What somebody has begun to say of a case, kept in this tab until it is saved: a reload or a look at another case loses nothing. */
import { parseJson } from "../core/elements.mjs";

const KEY = "evident-case-draft:";

/**
 * @typedef {{reading?: number | string | null, prediction?: string | null, explanation?: string | null, note?: string, region?: any}} Draft
 */

/** @returns {Draft} */
export function draftOf(id) {
  try {
    return parseJson(window.sessionStorage.getItem(KEY + id) ?? "", {}) ?? {};
  } catch {
    return {}; // storage may be closed to us
  }
}

/** @param {string} id @param {Draft | null} draft */
export function keepDraft(id, draft) {
  const said = draft && Object.values(draft).some((value) => value !== null && value !== undefined && value !== "");
  try {
    if (said) window.sessionStorage.setItem(KEY + id, JSON.stringify(draft));
    else window.sessionStorage.removeItem(KEY + id);
  } catch {
    // not kept
  }
}
