/** Shapes that several modules speak of. Only the type checker reads this file. */

interface Window {
  /** Dash's own: its namespaces of clientside functions, and setting properties from outside. */
  dash_clientside: any;
  /** Functions that its components call by name. */
  dashMantineFunctions: any;
}

/** A side of the display grid: ascending coordinates of the cell centres. */
interface Axis {
  name: string;
  unit: "px" | "s" | "Hz";
  origin: "upper" | "lower";
  values: number[];
}

interface Axes {
  x_axis: Axis;
  y_axis: Axis;
}

/** A place on the maps, 0..1 along the array's columns and rows. */
interface Cursor {
  u: number;
  v: number;
}

type Sign = "both" | "for" | "against";
type Scale = "own" | "shared" | "raw";

interface Look {
  /** 0..100 */
  opacity: number;
  /** Percent of the cells that are shown, strongest first. */
  top: number;
  sign: Sign;
  scale: Scale;
  colours: string;
  /** Side of the cells that fine maps are averaged over: "auto", or a number of pixels of the network's picture. */
  cell: string;
}

/** How a field is coloured. */
interface PaintStyle {
  signed: boolean;
  colours: string;
  /** Strength of full colour. */
  limit: number;
  /** Cells with less strength are transparent. */
  cut: number;
  /** 0..1 */
  opacity: number;
  /** A table instead of the usual one. */
  own?: string;
}

/** Numbers to the left and right of cells [first row, last row, first column, last column], inclusive. */
type Box = [number, number, number, number];

interface Segments {
  rows: number;
  cols: number;
  /** Flat [x1, y1, x2, y2, ...] in cells. */
  segments: Float32Array;
}

interface Progress {
  done: number;
  total: number;
  unit: string;
  seconds: number;
  remaining: number | null;
  /** Number of the newest partial map. */
  partial: number;
}

/** What an explanation was asked for. */
interface ExplanationRequest {
  input: string;
  model: string;
  method: string;
  target: number;
  layer: string | null;
  params: { [name: string]: unknown };
  seed: number;
  start: number | null;
}

/** One figure on how well a map answers its own question; the gravest comes first in a record. */
interface Quality {
  key: string;
  figure: string;
  state: "good" | "fair" | "poor";
  word: string;
  meaning: string;
}

/** Of a method on a model; fields as in the API. state null: not checked, words say why. */
interface SanityResult {
  state: "pass" | "weak" | "fail" | null;
  words: string;
  meaning: string;
  randomised: number | null;
  other_class: number | null;
  inputs: number;
  note: string;
}

interface RegionShare {
  key: string;
  title: string;
  share: number;
  area: number;
  flagged: boolean;
  words: string;
  low?: number | null;
  high?: number | null;
}

interface ShortcutResult {
  regions: RegionShare[];
  share: number;
  area: number;
  title: string;
  flagged: boolean;
  words: string;
}

interface CurvesResult {
  x: number[];
  deletion: number[];
  insertion: number[];
  random_low: number[];
  random_high: number[];
  baseline: string;
  words: string;
}

/** Checks of one map; notes: by section, why there is nothing to show. */
interface ChecksResult {
  stability: { share: number; words: string } | null;
  shortcut: ShortcutResult | null;
  curves: CurvesResult | null;
  figures: { key: string; title: string; value: number | null; words: string; controls: { [control: string]: number | null } }[];
  localisation: RegionShare[];
  notes: { [section: string]: string };
}

/** The job that made them. */
interface Checked {
  id: string;
  state: string;
  result: ChecksResult | null;
}

interface Stage {
  name: string;
  title: string;
  signed: boolean;
}

/** A finished explanation with the conditions it holds under; fields as in the API. */
interface ExplanationRecord extends Axes {
  method_title: string;
  model: string;
  weights_sha256: string;
  target: number;
  target_label: string;
  layer: string | null;
  params: { [name: string]: unknown };
  seed: number;
  signed: boolean;
  shape: [number, number];
  native: [number, number];
  vmin: number;
  vmax: number;
  gap: number | null;
  stages: Stage[];
  extras: { [name: string]: unknown };
  notes: string[];
  quality: Quality[];
  seconds: number;
  forwards: number;
  backwards: number;
  device: string;
  precision: string;
  versions: { [name: string]: string };
  created: string;
  values_sha256: string;
  /** Start and end of the part of the recording, in seconds. */
  window: [number, number] | null;
}

interface Job {
  id: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  progress: Progress;
  error: ProblemBody | null;
  /** Jobs before it while it waits. */
  ahead: number;
  estimate: number | null;
  request: ExplanationRequest;
  record: ExplanationRecord | null;
}

/** Problem JSON (RFC 9457) as the API sends it. */
interface ProblemBody {
  status?: number;
  code?: string;
  title?: string;
  detail?: string;
  request_id?: string;
}

interface Mask {
  rows: number;
  cols: number;
  /** 1 inside, 0 outside, [rows * cols]. */
  inside: Uint8Array;
}

/** Known evidence: boxes [x0, x1, y0, y1] in the units of the axes, or a mask in pixels of the photo. */
interface Region {
  key: string;
  title: string;
  boxes: [number, number, number, number][];
  mask: Mask | null;
  /** Its cells on each grid it was asked for. */
  made: WeakMap<number[], PlacedRegion>;
}

/** As the page draws it and as the API is told of it. */
interface DrawnRegion extends Region {
  /** Run lengths of its mask. */
  runs: any;
}

interface PlacedRegion extends Segments {
  ys: number[];
  inside: Uint8Array;
  any: boolean;
  dotted: boolean;
  /** Being drawn: dashed in black and white. */
  drawn: boolean;
}

interface Evidence {
  sample: string;
  input: string;
  model: string;
  label: string | null;
  /** How it is known. */
  how: "program" | "eye";
  regions: Region[];
}

interface Limits {
  accept?: string[];
  image_bytes?: number;
  audio_bytes?: number;
  audio_seconds?: number;
  array_bytes?: number;
  retention_days?: number | null;
  retention_cases?: boolean;
}

interface Widget {
  /** changed: names of the data attributes that changed, null at first. */
  update(changed: Set<string> | null): void;
  destroy?(): void;
}
