"""Wire schemas: what the API answers and the dashboard reads. Additions are free; a change needs an entry in
docs/decisions.md.

No torch, no numpy: both sides import this. Requests are strict and refuse unknown keys; answers are plain.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.concept_results import ConceptAnalysisResult
from app.core.text import Name

Modality = Literal["image", "audio", "spectrogram"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
JobKind = Literal[
    "decode",
    "prediction",
    "explanation",
    "model",
    "fetch",
    "catalogue",
    "speed",
    "concept_examples",
    "concept_analysis",
    "pack",
    "unpack",
]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `detail` is one plain sentence: what is wrong, the limit, what to do."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    request_id: str | None = None


class Holder(BaseModel):
    """Something that was computed or cut from an input and also concerns others: a concept, an analysis, a
    map by way of a concept."""

    kind: str
    id: str
    name: str


class InUse(Problem):
    """The refusal to delete an input that others hold parts of; `?with=all` deletes those parts too."""

    holders: list[Holder]


class Cough(BaseModel):
    """One event of a recording, seconds from its start."""

    index: int
    start: float
    end: float
    peak: float
    level_db: float


class Check(BaseModel):
    """One line of the fit-for-use gate: a state with a word, never colour alone."""

    key: str
    label: str
    state: Literal["ok", "warning", "bad", "unknown"]
    detail: str = ""


class InputFacts(BaseModel):
    """What decoding says about an input."""

    modality: Modality
    bytes: int
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    rate: int | None = None
    channels: int | None = None
    coughs: list[Cough] = []
    waveform: list[float] = []
    """Peak envelope for drawing, at most 600 values in 0..1."""
    checks: list[Check] = []
    scale: Literal["db", "power", "amplitude", "unit"] | None = None
    """What the numbers of a spectrogram are."""
    notes: list[str] = []


class Input(InputFacts):
    """A decoded input. The same bytes give the same id."""

    id: str
    name: str = ""
    sample: str | None = None
    """Key of the bundled sample, when it is one."""


class AxisInfo(BaseModel):
    name: Literal["x", "y", "time", "frequency"]
    unit: Literal["px", "s", "Hz"]
    origin: Literal["upper", "lower"]
    values: list[float]


class PredictionRequest(Request):
    input: Name
    model: Name
    start: float | None = Field(
        None, ge=0, description="First second of the window to look at; null takes the loudest event."
    )


class ClassScore(BaseModel):
    index: int
    label: str
    logit: float
    probability: float


class Gate(BaseModel):
    """May the score be shown at once? `abstain`: only when somebody asks for it. reasons: plain sentences, the
    gravest first."""

    state: Literal["ready", "doubtful", "abstain"] = "ready"
    reasons: list[str] = []


class CoughScore(BaseModel):
    """One cough of a recording, seconds, and its score per class when it is heard alone."""

    start: float
    end: float
    scores: dict[int, float]


class PredictionResult(BaseModel):
    """`interval` maps a class index to (low, high): where nine of ten scores of further coughs of the same
    recording, or of the same input changed a little, lie; `interval_means` says which. `undecided`: the
    interval of the top class meets another's. `coughs`, `recording`: each cough alone, and their mean."""

    input: str
    model: str
    classes: list[ClassScore]
    top: int
    interval: dict[int, tuple[float, float]] = {}
    interval_means: str = ""
    undecided: bool = False
    coughs: list[CoughScore] = []
    recording: dict[int, float] = {}
    quality: list[Check] = []
    gate: Gate = Gate()
    grid: tuple[int, int]
    y_axis: AxisInfo
    x_axis: AxisInfo
    window: tuple[float, float] | None = None


class Prediction(PredictionResult):
    """A prediction that is there, with its picture."""

    id: str
    state: JobState = "done"
    display: str
    """Path (below the API prefix) of the picture on the display grid, PNG."""
    error: Problem | None = None


class ExplanationRequest(Request):
    input: Name
    model: Name
    method: Name
    target: int | None = Field(None, ge=0)
    layer: Name | None = None
    params: dict[str, Any] = {}
    seed: int = Field(0, ge=0, le=2**31 - 1)
    start: float | None = Field(None, ge=0)


class Progress(BaseModel):
    done: int = 0
    total: int = 0
    unit: str = "steps"
    seconds: float = 0.0
    remaining: float | None = None
    partial: int = 0
    """Grows by one whenever a new partial map is ready at `values.npy`."""


class StageInfo(BaseModel):
    name: str
    title: str
    signed: bool
    shape: tuple[int, int]


class ArrayInfo(BaseModel):
    """Numbers that a method kept beside its map, at `arrays/NAME.npy` of the explanation."""

    name: str
    dtype: str
    shape: list[int]


class Record(BaseModel):
    """Result with the conditions it holds under. A map without its conditions is not shown."""

    method: str
    method_title: str
    model: str
    weights_sha256: str
    target: int
    target_label: str
    layer: str | None
    params: dict[str, Any]
    seed: int
    signed: bool
    shape: tuple[int, int]
    native: tuple[int, int]
    vmin: float
    vmax: float
    gap: float | None = None
    stages: list[StageInfo] = []
    arrays: list[ArrayInfo] = []
    extras: dict[str, Any] = {}
    notes: list[str] = []
    seconds: float
    forwards: int
    backwards: int
    device: str
    precision: str = "float32"
    plan: str = ""
    """How the passes were run: on which copy of the network, in which precision, how many inputs at a
    time."""
    engine: str = "evident"
    """What computed the map: `evident`, or a library with its version."""
    versions: dict[str, str] = {}
    created: str
    values_sha256: str
    window: tuple[float, float] | None = None
    y_axis: AxisInfo
    x_axis: AxisInfo


class Job(BaseModel):
    """Every job the same way; `GET /jobs/{id}` answers 200 also for a failed one, with `error.code`."""

    id: str
    kind: JobKind
    state: JobState
    title: str = ""
    progress: Progress = Progress()
    error: Problem | None = None
    attempts: int = 0
    ahead: int = 0
    """While it waits: jobs that come before it, running ones included."""
    created: str
    started: str | None = None
    """When a worker took it last; between `started` and `finished` it also loads the model and the input."""
    finished: str | None = None


class Explanation(Job):
    kind: JobKind = "explanation"
    request: ExplanationRequest
    estimate: float | None = None
    """Seconds the method was expected to take on this machine when it was asked for: measured, and corrected by
    what its last runs took."""
    record: Record | None = None


class LayerInfo(BaseModel):
    name: str
    kind: str
    shape: tuple[int, int, int]


class ModelInfo(BaseModel):
    key: str
    title: str
    modalities: list[Modality]
    labels: list[str]
    digest: str | None
    layers: list[LayerInfo]
    default_layer: str | None
    input: dict[str, Any]
    source: str
    licence: str
    paper: str = ""
    available: bool = True
    reason: str = ""
    bundled: bool = True
    default_for: list[Modality] = []
    """Kinds of input that are given to this model unless another is asked for."""
    card: dict[str, Any] = {}


class MethodInfo(BaseModel):
    key: str
    title: str
    family: str
    paper: str
    summary: str
    signed: bool
    pieces: bool = False
    uses_layer: bool
    unit: str
    default_on: bool
    modalities: list[Modality]
    schema_: dict[str, Any] = Field(alias="schema")
    model_config = ConfigDict(populate_by_name=True)


class Catalogue(BaseModel):
    models: list[ModelInfo]
    methods: list[MethodInfo]
    metrics: list[Any] = []
    """Part of the contract; empty, for there are none."""
    architectures: list[str] = []
    """Keys that `POST /models` accepts beside our own: any `timm:` or `torchvision:` name too."""


class Fit(BaseModel):
    ok: bool
    reason: str = ""
    defaults: dict[str, Any] = {}
    """Model-dependent defaults of the method's parameters."""
    seconds: float | None = None
    """Estimate with default parameters on this machine, null before anything was measured."""
    forwards: int = 0
    backwards: int = 0
    """Passes with default parameters."""
    runs: int = 0
    """Last runs of this method on this model that the estimate rests on; 0: a rough one, from the speed of
    the network."""


class Credit(BaseModel):
    """Whose work a bundled file is. page: where it was published."""

    author: str
    licence: str
    page: str


class Sample(BaseModel):
    key: str
    group: Literal["photographs", "sounds", "drawings"]
    title: str
    description: str
    known: str
    """What is known about it: the evidence region, the true label, which shortcut it carries."""
    role: Literal["right", "wrong", "shortcut", "example"]
    modality: Modality
    model: str
    input: str
    label: str | None = None
    evidence: dict[str, Any] = {}
    credit: Credit | None = None
    """None for what a program of ours made."""


class PixelRuns(BaseModel):
    """Pixels of a photo `[H, W]`: lengths of runs down its columns, the first run outside (COCO's
    uncompressed run lengths)."""

    size: tuple[int, int]
    counts: list[int]


class KnownRegion(BaseModel):
    """What lies in any of the boxes, or in the mask: `[t0, t1, f0, f1]` in seconds and Hz or `[x0, x1, y0, y1]` in
    pixels of the photo, edges included."""

    key: Literal["evidence", "sticker", "hum"]
    title: str
    boxes: list[tuple[float, float, float, float]] = []
    mask: PixelRuns | None = None


class KnownEvidence(BaseModel):
    """Where a sample holds what tells its class, or the thing itself. In units of the axes, so that it fits the grid
    of every model and window."""

    sample: str
    model: str
    """The model that this evidence is the evidence for; another may look for something else in the same
    input."""
    label: str | None = None
    """The class that the region `evidence` speaks for, when there is one."""
    how: Literal["program", "eye"] = "program"
    """How it is known: a program made the input, or somebody drew a box around the thing."""
    regions: list[KnownRegion]


class ModelRequest(Request):
    """A published network whose weights are to be fetched: `timm:resnet18`, `torchvision:resnet50`."""

    name: Name = Field(pattern=r"^(timm|torchvision):[A-Za-z0-9_][A-Za-z0-9_.-]*$")


class ExampleRef(Request):
    """An example of a concept: an input, or a part of it: `[x0, y0, x1, y1]` in pixels, `[t0, t1, f0, f1]`
    in seconds and Hz."""

    input: Name
    box: list[float] | None = Field(None, min_length=4, max_length=4)


class ConceptRequest(Request):
    name: Name = Field(min_length=1, max_length=80)
    examples: list[ExampleRef] = Field(min_length=1, max_length=500)


class ConceptChange(Request):
    """Another name, or examples taken out by number."""

    name: Name | None = Field(None, min_length=1, max_length=80)
    remove: list[int] = Field([], max_length=500)


class ExamplesRequest(Request):
    examples: list[ExampleRef] = Field(min_length=1, max_length=500)


class Concept(BaseModel):
    """`ref` is what parameters take: the key of a built-in concept, or the digest of the examples, so that
    it never changes its meaning."""

    id: str
    ref: str
    name: str
    modality: Modality
    kind: Literal["builtin", "yours"]
    description: str = ""
    count: int
    boxes: int = 0
    """Examples that are parts of inputs."""
    usable: bool = True
    notes: list[str] = []


class AnalysisInput(Request):
    input: Name
    start: float | None = Field(None, ge=0)


class ConceptAnalysisRequest(Request):
    model: Name
    inputs: list[Name | AnalysisInput] = Field(min_length=1, max_length=200)
    concepts: list[Name] = Field(min_length=1, max_length=20)
    layers: list[Name] = Field(min_length=1, max_length=8)
    classes: list[int] | None = Field(None, min_length=1, max_length=20)
    negatives: Name = Field("random", max_length=64)
    n_random: int = Field(200, ge=20, le=20_000)
    """Random concepts per layer, at least; 20 per test are drawn where that is more."""
    seed: int = Field(0, ge=0, le=2**31 - 1)


class ConceptAnalysis(Job):
    kind: JobKind = "concept_analysis"
    request: ConceptAnalysisRequest
    result: ConceptAnalysisResult | None = None
