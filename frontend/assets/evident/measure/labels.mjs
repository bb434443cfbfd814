/* Which of the inputs on the page, and which of the files that were dropped, the lines of a table of labels name. Pure. */
import * as words from "../maps/words.mjs";

/** @typedef {{line: number, file: string, label: string | null, box: number[] | null, mask: string}} Line as the server reads it */

const plain = (path) =>
  path
    .normalize("NFC")
    .replaceAll("\\", "/")
    .replace(/^(\.?\/)+/, "");
const last = (path) => path.slice(path.lastIndexOf("/") + 1);

/** One is the end of the other, folder by folder: a table names files from another folder on than they were chosen in. */
const same = (a, b) => a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`);

export const isTable = ({ name }) => /\.csv$/i.test(name);

/** The table of what was dropped: the labels.csv that lies highest, else the only one. @param {{name: string, path: string}[]} files */
export function tableOf(files) {
  const tables = files.filter(isTable);
  const named = tables.filter(({ name }) => name.toLowerCase() === "labels.csv");
  const depth = ({ path }) => path.split("/").length;
  return named.sort((a, b) => depth(a) - depth(b))[0] ?? (tables.length === 1 ? tables[0] : null);
}

/**
 * What each line names: one of many, none, or more than one. A name that is the same is meant before one that only ends so.
 * @template {{line: number}} L
 * @param {L[]} lines
 * @param {(line: L) => string} said
 * @param {[string, string][]} things key and path of what can be named
 * @returns {{by: Map<string, L>, absent: L[], unclear: {line: L, why: string}[]}} by: the line of each thing
 */
export function named(lines, said, things) {
  const ends = new Map();
  for (const [key, path] of things) {
    const thing = { key, path: plain(path) };
    ends.set(last(thing.path), [...(ends.get(last(thing.path)) ?? []), thing]);
  }
  /** @type {Map<string, L>} */
  const by = new Map();
  /** @type {L[]} */
  const absent = [];
  /** @type {{line: L, why: string}[]} */
  const unclear = [];
  const twice = new Set();
  const exactly = new Set(lines.map((line) => plain(said(line))));
  for (const line of lines) {
    const wanted = plain(said(line));
    const near = (ends.get(last(wanted)) ?? []).filter(({ path }) => same(path, wanted));
    const exact = near.filter(({ path }) => path === wanted);
    const other = near.length === 1 && exactly.has(near[0].path); // a line of its own names this one
    const meant = exact.length ? exact : other ? [] : near;
    if (!meant.length) absent.push(line);
    else if (meant.length > 1) unclear.push({ line, why: "may be more than one of these files; write its folder before it" });
    else if (by.has(meant[0].key)) {
      unclear.push({
        line,
        why: `names the same file as line ${by.get(meant[0].key)?.line}; add the folder of the files instead of the files`,
      });
      twice.add(meant[0].key);
    } else by.set(meant[0].key, line);
  }
  for (const key of twice) by.delete(key);
  return { by, absent, unclear };
}

/** Of one thing, "1 line"; of more, "1,200 lines". */
export const counted = (n, one) => `${words.integer(n)} ${one}${n === 1 ? "" : "s"}`;

/**
 * What a table did, in sentences.
 * @param {{title: string, notes: string[], lines: Line[]}} table
 * @param {{absent: Line[], unclear: {line: Line, why: string}[]}} matching
 * @param {{inputs: number, classes: number, regions: number, kept: number}} done of the inputs
 */
export function told({ title, notes, lines }, { absent, unclear }, { inputs, classes, regions, kept }) {
  if (!inputs) return [`${title} is read: ${counted(lines.length, "line")}. Now add the files that it names.`, ...notes];
  if (absent.length === lines.length) {
    const [{ line, file }] = absent;
    return [`${title} names none of these files: line ${line} says “${file.slice(0, 60)}”. Its column file must hold their names.`];
  }
  const known = lines.some(({ label }) => label !== null) ? `the classes of ${words.integer(classes)} of ${counted(inputs, "input")}` : "";
  const places = regions ? `where the evidence lies in ${words.integer(regions)}` : "";
  const what = [known, places].filter(Boolean).join(" and ");
  return [
    what ? `${title} says ${what}.` : `${title} says no class of these files.`,
    kept
      ? `${counted(kept, "input")} ${kept === 1 ? "keeps the region it has" : "keep the regions they have"}; remove it in Compare to take that of ${title}.`
      : "",
    ...unclear.slice(0, 2).map(({ line, why }) => `${title}, line ${line.line} ${why}.`),
    absent.length
      ? `${counted(absent.length, "line")} ${absent.length === 1 ? "names a file that is" : "name files that are"} not here, the first is line ${absent[0].line}.`
      : "",
    ...notes,
  ].filter(Boolean);
}

export const tooLarge = ({ name, size }, most) =>
  `${name} has ${words.bytes(size)}, and tables up to ${words.bytes(most)} are read: keep the columns file and label, and the lines of these files.`;

/** What is said of inputs without a field of their own. @param {(string | undefined)[]} classes theirs */
export function rest(classes, table = "their folders") {
  if (!classes.length) return "";
  const known = classes.filter(Boolean).length;
  const all = `${words.integer(classes.length)} more`;
  if (known === classes.length) return `${all}, with their classes from ${table}.`;
  return `${all}, ${words.integer(known)} of them with a class: a labels.csv with the columns file and label gives the others theirs.`;
}
