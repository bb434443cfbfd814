/* What a safetensors file says about itself: names and shapes, read without the numbers. Pure but for reading the file. */

const HEADER_BYTES = 1048576;
const CONVERT =
  "Only safetensors files are taken, because other formats can run code when they are opened. In Python, where you trust the file: safetensors.torch.save_file(model.state_dict(), 'model.safetensors').";

/**
 * Length of the header by the first bytes of a file, or one sentence why it is none.
 * @param {Uint8Array} start at least nine bytes
 * @param {number} size of the whole file
 * @returns {number | string}
 */
export function headerLength(start, size) {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const length = start.length >= 9 ? Number(view.getBigUint64(0, true)) : 0;
  if (start.length < 9 || start[8] !== 0x7b) return `This is not a safetensors file. ${CONVERT}`;
  if (length < 2 || 8 + length > size) return "The model file is damaged or cut off: its header does not fit its size.";
  if (length > HEADER_BYTES) return "The header of the model file is larger than 1 MB.";
  return length;
}

/**
 * What the server needs to know the architecture: the shapes, and the labels that the file may carry.
 * @param {any} header
 */
export function essence(header) {
  /** @type {{[name: string]: {shape: number[]} | {labels: string}}} */
  const shapes = {};
  for (const [name, entry] of Object.entries(header)) if (name !== "__metadata__") shapes[name] = { shape: entry?.shape };
  const labels = header.__metadata__?.labels;
  return typeof labels === "string" ? { ...shapes, __metadata__: { labels } } : shapes;
}

/**
 * Reads the header of a chosen file. Throws Error with one plain sentence.
 * @param {File} file
 */
export async function readHeader(file) {
  const start = new Uint8Array(await file.slice(0, 9).arrayBuffer());
  const length = headerLength(start, file.size);
  if (typeof length === "string") throw new Error(length);
  try {
    return essence(JSON.parse(await file.slice(8, 8 + length).text()));
  } catch {
    throw new Error("The model file is damaged: its header cannot be read.");
  }
}
