/* Reads .npy files (format 1.0 to 3.0): numbers of any width, either byte order, C or Fortran layout. */

const READ = {
  f2: [2, (view, at, little) => half(view.getUint16(at, little))],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
  u1: [1, (view, at) => view.getUint8(at)],
  b1: [1, (view, at) => view.getUint8(at)],
  i1: [1, (view, at) => view.getInt8(at)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
};

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function header(buffer) {
  const bytes = new Uint8Array(buffer);
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (bytes.length < 10 || magic.some((byte, i) => bytes[i] !== byte)) throw new Error("This is not an array file.");
  const view = new DataView(buffer);
  const long = bytes[6] >= 2;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = long ? 12 : 10;
  const text = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const descr = /'descr':\s*'([<>|=])(\w\d)'/.exec(text);
  const shape = /'shape':\s*\(([^)]*)\)/.exec(text);
  if (!descr || !shape || !READ[descr[2]]) throw new Error("This array file holds something other than plain numbers.");
  return {
    kind: descr[2],
    little: descr[1] !== ">",
    fortran: /'fortran_order':\s*True/.test(text),
    shape: shape[1]
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean)
      .map(Number),
    start: start + length,
  };
}

/** Position in C order of the k-th number of a Fortran-ordered array. */
function reorder(data, shape) {
  const out = new data.constructor(data.length);
  const index = new Array(shape.length).fill(0);
  for (let k = 0; k < data.length; k += 1) {
    let at = 0;
    for (let axis = 0; axis < shape.length; axis += 1) at = at * shape[axis] + index[axis];
    out[at] = data[k];
    for (let axis = 0; axis < shape.length; axis += 1) {
      index[axis] += 1;
      if (index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return out;
}

/** ArrayBuffer of a .npy file -> {shape, data} in C order; float32 stays Float32Array, all else becomes Float64Array. */
export function readNpy(buffer) {
  const { kind, little, fortran, shape, start } = header(buffer);
  const [width, read] = READ[kind];
  const size = shape.reduce((product, n) => product * n, 1);
  if (buffer.byteLength - start < size * width) throw new Error("The array file ends too early.");
  const data = kind === "f4" ? new Float32Array(size) : new Float64Array(size);
  if (kind === "f4" && little && start % 4 === 0) data.set(new Float32Array(buffer, start, size));
  else {
    const view = new DataView(buffer, start);
    for (let i = 0; i < size; i += 1) data[i] = read(view, i * width, little);
  }
  return { shape, data: fortran && shape.length > 1 ? reorder(data, shape) : data };
}
