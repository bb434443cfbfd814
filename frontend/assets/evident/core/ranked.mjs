/* Searching a list by name. Pure. */

/** Without case and accents. */
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

const isLetter = (character) => /[\p{L}\p{N}]/u.test(character);

/** Whether a word of the name begins with what is typed. */
function beginsWord(name, typed) {
  for (let at = name.indexOf(typed); at >= 0; at = name.indexOf(typed, at + 1)) if (at === 0 || !isLetter(name[at - 1])) return true;
  return false;
}

/**
 * 0: it is the name's first word or words, 1: a word begins with it, 2: it stands inside, 3: all typed words stand somewhere, null: no match.
 * @param {string} label
 * @param {string} typed
 */
export function rank(label, typed) {
  const [name, wanted] = [plain(label), plain(typed).trim()];
  if (name.startsWith(wanted)) return 0;
  if (beginsWord(name, wanted)) return 1;
  if (name.includes(wanted)) return 2;
  return wanted.split(/\s+/).every((word) => name.includes(word)) ? 3 : null;
}

/**
 * The best `limit` matches, the best first and otherwise in the list's own order; all match before something is typed.
 * @param {{options: {label: string, value: string}[], search: string, limit: number}} list
 */
export function ranked({ options, search, limit }) {
  return options
    .map((option) => ({ option, place: rank(option.label, search) }))
    .filter(({ place }) => place !== null)
    .sort((a, b) => Number(a.place) - Number(b.place))
    .slice(0, limit)
    .map(({ option }) => option);
}
