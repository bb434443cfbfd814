/* What the checks of a map say, in figures and words. Pure. */

/** Icon and word of a sanity state, and what the word means. */
export const STATES = {
  pass: { icon: "check", word: "pass", means: "The map depends on the network and on the class" },
  weak: { icon: "warning", word: "weak", means: "Read with care" },
  fail: { icon: "error", word: "fail", means: "The map hardly depends on the network" },
};

/** "46 %", "< 1 %", "0 %" */
export const share = (x) => (x > 0 && x < 0.01 ? "< 1 %" : `${Math.round(100 * x)} %`);

/**
 * "44 to 59 %" where it moves with the window by more than a percentage point, else as `share`.
 * @param {Pick<RegionShare, "share" | "low" | "high">} region
 */
export function shareRange({ share: held, low, high }) {
  if (low == null || high == null || high - low <= 0.01) return share(held);
  return `${Math.round(100 * low)} to ${Math.round(100 * high)} %`;
}

/**
 * Tooltip of the badge; "" where there is nothing to say.
 * @param {SanityResult | null} sanity
 */
export function sanityWords(sanity) {
  if (!sanity) return "";
  if (!sanity.state) return sanity.words;
  const { means } = STATES[sanity.state];
  const on = `Measured on ${sanity.inputs} ${sanity.inputs === 1 ? "input" : "inputs"} of the network's own.`;
  return [`${means}: ${sanity.words}.`, sanity.note || on, sanity.meaning].join(" ");
}

/**
 * Tooltip of the shortcut line.
 * @param {ShortcutResult} shortcut
 */
export function shortcutWords({ words, area, flagged }) {
  return `${words}; an even map would have ${share(area)} there.${flagged ? " More than that: listen or look whether evidence can be there." : ""}`;
}

/**
 * One sentence about all maps: the shortcut that most of them lie on; "" where none is flagged.
 * @param {ShortcutResult[]} all
 */
export function togetherWords(all) {
  const flagged = all.filter((each) => each.flagged).map((each) => each.regions[0]);
  if (!flagged.length) return "";
  const counts = new Map();
  for (const { key } of flagged) counts.set(key, (counts.get(key) ?? 0) + 1);
  const [key, count] = [...counts].sort((a, b) => b[1] - a[1])[0];
  const first = flagged.find((region) => region.key === key);
  if (!first) return "";
  if (count === 1) return `Possible shortcut: in one map ${lower(first.words)}.`;
  return `Possible shortcut: ${count} of ${all.length} lie ${first.words.replace(/^.*? of the support lies /, "")}.`;
}

/** @param {string} text */
const lower = (text) => text.charAt(0).toLowerCase() + text.slice(1);
