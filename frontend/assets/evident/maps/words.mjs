/* Numbers in words. Pure. */

const MINUS = "\u2212";

/** 12345 -> "12,345" */
export const integer = (x) => Math.round(x).toLocaleString("en-US").replace("-", MINUS);

/** Three significant digits at most, with a sign where the map has one: "+0.71", "\u22120.0031", "4.1e\u22127". */
export function value(x, signed = false, digits = 3) {
  if (!Number.isFinite(x)) return "not a number";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e5 || size < 1e-4 ? size.toExponential(1).replace("-", MINUS).replace("+", "") : plain(size, digits);
  return (x < 0 ? MINUS : signed ? "+" : "") + text;
}

function plain(size, digits) {
  if (size >= 100) return integer(size);
  const wanted = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return size.toFixed(Math.min(wanted, size < 0.001 ? 6 : size < 0.1 ? 4 : 2));
}

/** Seconds a computation took or will take: "< 0.1 s", "0.3 s", "14 s", "2 min 5 s". */
export function duration(seconds) {
  if (seconds < 0.095) return "< 0.1 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** "5 s left", from the pace of the work itself; "" before there is one. */
export function left({ done, total, remaining }) {
  if (remaining === null || remaining === undefined || !(total > done)) return "";
  return `${remaining < 1 ? "< 1 s" : duration(Math.ceil(remaining))} left`.replace(/\.0 s/, " s");
}

/** "waiting for 2 others · about 4 s": the line, and what the work itself will take. */
export function waiting(job) {
  const { ahead = 0, estimate = null } = job ?? {};
  const line = ahead > 0 ? `waiting for ${integer(ahead)} ${ahead === 1 ? "other" : "others"}` : "waiting";
  return estimate ? `${line} · about ${duration(estimate)}` : line;
}

export const bytes = (n) => (n >= 1048576 ? `${Number((n / 1048576).toFixed(1))} MB` : `${Math.max(1, Math.round(n / 1024))} kB`);

/** Bytes in megabytes of a million, as files are sold: "47 MB", "4.9 MB", "1.1 GB". */
export const megabytes = (n) =>
  n >= 9.995e8 ? `${(n / 1e9).toFixed(1)} GB` : `${n >= 9.95e6 ? integer(n / 1e6) : (n / 1e6).toFixed(1)} MB`;

/** "11.7 M", "98 k" */
export const millions = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : `${Math.round(n / 1e3)} k`);

export const percent = (share) => `${Math.round(100 * share)} %`;

/** "640 / 1,000 samples" */
export const count = ({ done, total, unit }) => (total > 0 ? `${integer(done)} / ${integer(total)}${unit ? ` ${unit}` : ""}` : "");
