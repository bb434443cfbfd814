/* The reviewer's name where nobody signs in: chosen in the header, kept in this browser, sent with every request. A name, no proof. */

const KEY = "evident-reviewer";
const COOKIE = "evident_reviewer";
export const NAMELESS = "Reviewer 1";
export const LETTERS = 40;

/**
 * A name as it may be sent: without what cannot be seen.
 * @param {string} text
 */
export const cleanName = (text) => [...text.replace(/\p{C}/gu, "").trim()].slice(0, LETTERS).join("").trim();

/** The name, "" where none was chosen. */
export function chosenReviewer() {
  try {
    return cleanName(window.localStorage.getItem(KEY) ?? "");
  } catch {
    return "";
  }
}

/** The name that a deed of this browser is written down under. */
export const reviewer = () => chosenReviewer() || NAMELESS;

/**
 * The header for requests to the API.
 * @returns {{[name: string]: string}}
 */
export function reviewerHeaders() {
  const name = chosenReviewer();
  return name ? { "Evident-Reviewer": encodeURIComponent(name) } : {};
}

/** @param {string} text "" for none */
export function chooseReviewer(text) {
  const name = cleanName(text);
  if (name) window.localStorage.setItem(KEY, name);
  else window.localStorage.removeItem(KEY);
  mirror();
  return reviewer();
}

/** As a cookie too: links, players and the page's own callbacks send no header of ours. */
export function mirror() {
  const name = chosenReviewer();
  const kept = name ? 31536000 : 0;
  // biome-ignore lint/suspicious/noDocumentCookie: CookieStore is not there on a plain http address
  document.cookie = `${COOKIE}=${encodeURIComponent(name)}; path=/; max-age=${kept}; samesite=strict`;
}
