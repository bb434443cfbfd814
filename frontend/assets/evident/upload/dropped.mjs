/* Files as they are dropped or chosen, folders opened, and what they are called. */

const NAME_LETTERS = 200;

/**
 * Every file of what was dropped, folders opened.
 * @param {DataTransfer} data
 * @returns {Promise<File[]>}
 */
export async function filesOf(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...data.files];
  const found = await Promise.all(entries.map(opened));
  return found.flat();
}

/** @returns {Promise<File[]>} */
async function opened(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [Object.assign(file, { inFolder: entry.fullPath.replace(/^\//, "") })];
  }
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map(opened))).flat();
}

/** What a folder holds beside recordings, and nobody means: hidden files. */
export const meant = (files) => files.filter(({ name }) => !name.startsWith(".") && name !== "Thumbs.db");

/** A name that any list can hold: its end where it is too long. @param {string} name */
export const plainName = (name) =>
  [...name.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, "?")].slice(-NAME_LETTERS).join("");

/** Within the folder that was chosen or dropped, so that two of one name are told apart. @param {File & {inFolder?: string}} file */
export function named(file) {
  const path = file.inFolder || file.webkitRelativePath || "";
  return plainName(path.split("/").slice(1).join("/") || file.name);
}
