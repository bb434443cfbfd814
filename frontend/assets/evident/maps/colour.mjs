/* From map values to pixels. Pure: arrays in, arrays out. */
import { TABLES } from "./colour_tables.mjs";

const decoded = new Map();

/** Colour table by name -> Uint8Array of 768 bytes, r g b per step. */
export function table(name) {
  const key = name.toLowerCase();
  if (!decoded.has(key)) {
    const hex = TABLES[key];
    decoded.set(
      key,
      Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.substr(2 * i, 2), 16)),
    );
  }
  return decoded.get(key);
}

/** Table of a map: signed maps are always coolwarm (two directions need two hues), magnitudes follow the chosen colours. */
export const tableFor = (signed, colours) => table(signed ? "coolwarm" : colours);

/** Opacity of strength t in 0..1: hidden at 0, then rising fast enough that half strength is clearly seen. */
export const alphaOf = (t) => Math.min(1, t) ** 0.75;

const ALPHA = Uint8Array.from({ length: 256 }, (_, i) => Math.round(255 * alphaOf(i / 255)));

/**
 * RGBA of a map, rows in array order.
 * values: [n]; strength: [n], what counts as evidence under the sign shown (>= 0); limit: strength of full colour;
 * cut: cells with less strength are transparent; opacity in 0..1; own: a table instead of the usual one (PuOr for differences);
 * @param {ArrayLike<number>} values [n]
 * @param {ArrayLike<number>} strength [n], what counts as evidence under the sign shown (>= 0)
 * @param {PaintStyle} style
 * @param {Uint8ClampedArray<ArrayBuffer>} out [4 n]
 */
export function paint(values, strength, { signed, colours, limit, cut, opacity, own }, out) {
  const lut = own ? table(own) : tableFor(signed, colours);
  const scale = limit > 0 ? 255 / limit : 0;
  for (let i = 0, o = 0; i < values.length; i += 1, o += 4) {
    const s = strength[i];
    if (!(s > 0) || s < cut) {
      out[o + 3] = 0;
      continue;
    }
    const t = Math.min(255, s * scale);
    const step = signed ? Math.round(values[i] > 0 ? 127.5 + t / 2 : 127.5 - t / 2) : Math.round(t);
    out[o] = lut[3 * step];
    out[o + 1] = lut[3 * step + 1];
    out[o + 2] = lut[3 * step + 2];
    out[o + 3] = ALPHA[Math.round(t)] * opacity;
  }
  return out;
}

/** RGBA of values in 0..1 through a table with one opacity for all cells > 0 (agreement counts). */
export function paintShare(shares, name, opacity, out) {
  const lut = table(name);
  for (let i = 0, o = 0; i < shares.length; i += 1, o += 4) {
    const step = Math.round(255 * Math.min(1, Math.max(0, shares[i])));
    out[o] = lut[3 * step];
    out[o + 1] = lut[3 * step + 1];
    out[o + 2] = lut[3 * step + 2];
    out[o + 3] = shares[i] > 0 ? 255 * opacity : 0;
  }
  return out;
}

/** Luminance (Rec. 601) written over r, g, b: the input under a map is grey, hue belongs to evidence. */
export function grey(rgba) {
  for (let o = 0; o < rgba.length; o += 4) {
    const y = 0.299 * rgba[o] + 0.587 * rgba[o + 1] + 0.114 * rgba[o + 2];
    rgba[o] = rgba[o + 1] = rgba[o + 2] = y;
  }
  return rgba;
}
