"""Results about the filters of one layer: what they answer to, how they hang together, what the network loses
without them. Shared by the API, the page and the command line; no torch.

Definitions: backend/attribution/internals (pooled, correlation, importance, tuning, strongest, switched_off,
maximisation). `null` stands for a number that cannot be said, with the reason beside it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

TuningKind = Literal["time edge", "frequency edge", "oriented", "blob", "colour", "flat"]
Replacement = Literal["mean", "zero"]


class CalibrationSet(BaseModel):
    """The inputs that everything was measured on: how many, and what they are in words."""

    title: str
    count: int


class Example(BaseModel):
    """One input of the calibration set. source: what it was cut or made from. label: its class where it is known, else
    null."""

    source: str
    title: str
    label: int | None = None


class Tuning(BaseModel):
    """What a kernel of the first convolution answers to, measured from its Fourier spectrum. degrees: of the edge's
    normal, 0 across x, 90 across y, 0 to 180. period: cells per cycle, null for a blob. words: a caption, in ms and
    Hz where the axes have these units."""

    kind: TuningKind
    degrees: float | None
    period: float | None
    words: str


class Strongest(BaseModel):
    """One of the inputs that a filter answers to most. value: of its strongest cell. box: what that cell sees,
    `[x0, y0, x1, y1]` in 0..1 of the display grid, y in the order of its rows. seconds, hz: the same for sound, else
    null. example: number in `examples`. patch: number in `patches.npy`."""

    source: str
    example: int
    value: float
    box: tuple[float, float, float, float]
    seconds: tuple[float, float] | None = None
    hz: tuple[float, float] | None = None
    sound: bool = False
    """Whether its patch can be heard."""


class Twin(BaseModel):
    """The filter whose pooled activation correlates most, |r| > 0.7."""

    filter: int
    r: float


class Filter(BaseModel):
    """One filter (feature map) of the layer.

    mean, auc, correlation, drops: per class of `classes`. mean: of its spatial mean over the inputs of the class. auc:
    how well that mean alone tells the class from the others, null where one side has no input. correlation: Pearson,
    with the class's logit. importance: `E KL(p || p without)`, nats, the map replaced by its mean over the inputs; null
    while or where it was not measured (`ranked_by` says why). drops: `E [y_c - y_c without]`, in logits; positive: the
    filter speaks for the class. cluster: number in `clusters`, null for a dead filter. taylor: mean over inputs of
    `|sum_ij dy/dA (A - mean map)|` for the predicted class's logit; conductance, internal_influence, layer_activation: by
    Captum, mean over inputs of the magnitude.
    """

    index: int
    dead: bool
    mean: list[float | None]
    auc: list[float | None] | None
    correlation: list[float | None]
    importance: float | None = None
    drops: list[float | None] | None = None
    cluster: int | None = None
    twin: Twin | None = None
    taylor: float | None = None
    conductance: float | None = None
    internal_influence: float | None = None
    layer_activation: float | None = None
    tuning: Tuning | None = None
    strongest: list[Strongest] = []


class FilterGroup(BaseModel):
    """Correlated filters, taken out together: a filter with a twin looks unimportant alone."""

    filters: list[int]
    importance: float
    drops: list[float]


class LayerLikeness(BaseModel):
    """Linear CKA of the spatial means of layers, 0..1, `[layers, layers]`; null where a layer is constant."""

    layers: list[str]
    matrix: list[list[float | None]]


class Removal(BaseModel):
    """Share of inputs whose answer stays, with `counts` filters replaced by their mean maps: the most important first,
    the least important first, in random order (mean, and the 5th and 95th percentile over `draws` orders)."""

    counts: list[int]
    descending: list[float]
    ascending: list[float]
    random: list[float]
    random_low: list[float]
    random_high: list[float]
    draws: int
    inputs: int
    held_out: bool
    """Whether these are inputs that the ranking was not made on."""


class Sounds(BaseModel):
    """The examples that can be heard, at `rate` Hz. starts: first second of each one's window in its recording."""

    rate: int
    examples: list[int]
    starts: list[float]


class Agreement(BaseModel):
    """Kendall's tau-b between rankings of the filters, `[names, names]`; null where a ranking is constant."""

    names: list[str]
    matrix: list[list[float | None]]


class InternalsResult(BaseModel):
    """The filters of one layer. labels, classes: of the classes shown, name and index. classes_from: whether an input's
    class is its label or the model's own answer. auc_reason: why there are no AUCs. order: filters as the clustered
    matrix shows them, dead ones last. clusters: filters at 1 - |r| < 0.3 (average linkage). redundancy: mean |r| over
    pairs of living filters. effective_dimension: `(sum l)^2 / sum l^2` over the eigenvalues of their correlation matrix.
    ranked, inputs_ranked: filters whose ablation was measured (of many, those that Taylor's ranking puts first), and over
    how many inputs. patch: `[ph, pw]` of `patches.npy`, and
    kernels: shape of `kernels.npy`, both null where there are none. notes: what limits these numbers."""

    model: str
    weights_sha256: str
    layer: str
    kind: str
    calibration: CalibrationSet
    labels: list[str]
    classes: list[int]
    classes_from: Literal["labels", "predictions"]
    auc_reason: str | None = None
    replacement: Replacement = "mean"
    filters: list[Filter]
    order: list[int]
    clusters: list[list[int]]
    groups: list[FilterGroup]
    redundancy: float | None
    effective_dimension: float | None
    dead: list[int]
    ranked: int
    inputs_ranked: int
    cka: LayerLikeness
    removal: Removal | None
    agreement: Agreement
    examples: list[Example]
    patch: tuple[int, int] | None = None
    kernels: list[int] | None = None
    sounds: Sounds | None = None
    seed: int = 0
    seconds: float = 0.0
    notes: list[str] = []
    versions: dict[str, str] = {}


class ClassAnswer(BaseModel):
    """What a model says of one class."""

    index: int
    label: str
    logit: float
    probability: float


class AblationResult(BaseModel):
    """The prediction with all filters and without some. before, after: the likeliest of either and the target, in the
    same order, likeliest before first. replacement: what the filters' maps were replaced by: their mean over the
    calibration inputs, or zero."""

    model: str
    weights_sha256: str
    layer: str
    filters: list[int]
    target: int
    replacement: Replacement
    before: list[ClassAnswer]
    after: list[ClassAnswer]
    top_before: int
    top_after: int
    kl: float
    """KL(before || after) over all classes, nats."""
    calibration: CalibrationSet | None = None
    shape: tuple[int, int]
    """Of one map of `maps.npy`."""
    seconds: float = 0.0
    versions: dict[str, str] = {}


class SpotFilter(BaseModel):
    """share: `w_k A_k` in the spot over the sum of its magnitudes over all filters, signed. value: A_k there."""

    filter: int
    share: float
    value: float


class SpotResult(BaseModel):
    """Which filters made one cell of a Grad-CAM. total: `sum_k w_k A_k` there; rest: share of the filters not listed.
    cell: `[row, column]` of the layer's map; box: what it covers, in 0..1 of the display grid."""

    model: str
    weights_sha256: str
    layer: str
    target: int
    cell: tuple[int, int]
    shape: tuple[int, int]
    box: tuple[float, float, float, float]
    total: float
    filters: list[SpotFilter]
    rest: float
    seconds: float = 0.0
    versions: dict[str, str] = {}


class MaximisationResult(BaseModel):
    """A picture made to excite one filter. before, after: the filter's mean activation on the start and on the picture
    reached, as it is shown. strongest: the same of the calibration input that excites it most, named by `source`."""

    model: str
    weights_sha256: str
    layer: str
    filter: int
    before: float
    after: float
    strongest: float
    source: str
    from_source: bool = False
    """Whether the search began at that input, because no noise excites the filter."""
    steps: int
    regulariser: str
    seed: int = 0
    seconds: float = 0.0
    versions: dict[str, str] = {}
