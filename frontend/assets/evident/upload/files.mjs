/* Which files may be sent, and why not. Pure. */
import * as words from "../maps/words.mjs";

export const KINDS = {
  image: [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"],
  audio: [".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".webm"],
  array: [".npy"],
};
const NOUNS = { image: "A picture", audio: "A recording", array: "An array", file: "A file" };

const extension = (name) => (/\.[a-z0-9]+$/i.exec(name) || [""])[0].toLowerCase();

/** "image", "audio" or "array" of a file, by its extension and else by what the browser says it is. */
export function kindOf({ name, type }) {
  const end = extension(name);
  const known = Object.keys(KINDS).find((kind) => KINDS[kind].includes(end));
  return known || ["image", "audio"].find((kind) => (type || "").startsWith(`${kind}/`)) || null;
}

export const listed = (endings) => endings.map((end) => end.replace(/^\./, "").toUpperCase()).join(", ");

/**
 * Why a file cannot be sent, in one sentence, or null.
 * @param {{name: string, type: string, size: number}} file
 * @param {Limits} limits as GET /limits says them
 * @param {{accept?: string[] | null, maxBytes?: number | null}} rules override them
 */
export function refusal(file, limits, { accept = null, maxBytes = null } = {}) {
  const allowed = accept || limits.accept || Object.values(KINDS).flat();
  const end = extension(file.name);
  const kind = kindOf(file);
  if (file.size === 0) return "This file is empty. Choose another one.";
  const named = end !== "" && allowed.some((item) => item.toLowerCase().replace(/^\.?/, ".") === end);
  if (!named && (accept || end !== "" || !kind)) return `Files of this type are not accepted. Accepted: ${listed(allowed)}.`;
  const limit = maxBytes || limits[`${kind}_bytes`];
  if (limit && file.size > limit) {
    return `${NOUNS[kind] || NOUNS.file} may have at most ${words.bytes(limit)}; this one has ${words.bytes(file.size)}. Choose a smaller file or cut it.`;
  }
  return null;
}

/**
 * Why an address that was pasted or dropped brings nothing, or "" where the text is none.
 * @param {string} text
 */
export function addressRefusal(text) {
  const isAddress = /^(https?:|ftp:|file:|blob:|data:|www\.)\S+$/i.test(text.trim());
  return isAddress ? "Nothing is fetched from an address: copy the picture itself and paste it, or save the file and drop it here." : "";
}

/**
 * A picture from the clipboard is called image.png whatever it shows.
 * @param {File} file
 */
export const pasted = (file) => (file.name === "image.png" ? new File([file], "pasted picture.png", { type: file.type }) : file);

/**
 * How long an upload stays, after "it".
 * @param {Limits} limits
 */
export function stays(limits) {
  const days = limits.retention_days;
  if (!days) return "stays until it is deleted";
  const held = limits.retention_cases ? "" : ", unless a case holds it";
  return `is deleted after ${days} ${days === 1 ? "day" : "days"}${held}`;
}

/** One sentence on what may be dropped here. */
export function stated(limits) {
  const parts = [];
  if (limits.image_bytes) parts.push(`pictures (PNG, JPEG, WebP, TIFF, GIF) up to ${words.bytes(limits.image_bytes)}`);
  if (limits.audio_bytes)
    parts.push(
      `recordings (WAV, FLAC, OGG, MP3, M4A, WebM) up to ${words.bytes(limits.audio_bytes)}${limits.audio_seconds ? ` or ${Math.round(limits.audio_seconds / 60)} minutes` : ""}`,
    );
  if (limits.array_bytes) parts.push(`spectrograms (NPY or a picture) up to ${words.bytes(limits.array_bytes)}`);
  const text = parts.join(", ");
  return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}
