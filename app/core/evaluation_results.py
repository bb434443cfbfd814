"""What a study of explanations found, as it travels: cells (one method on one input), the table over inputs, words."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Better = Literal["higher", "lower"]


class ScoreCurve(BaseModel):
    """A curve of a faithfulness metric. x: share removed, 0..1; y: the score."""

    x: list[float]
    y: list[float | None]


class CellScore(BaseModel):
    """One metric on one map. value: None where there is none, and `note` says why. low, high: interval over the repeats of
    what is sampled. other: the value under another baseline."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    words: str = ""
    other: float | None = None
    curve: ScoreCurve | None = None


class CellResult(BaseModel):
    """One method on one input, under all metrics asked for. label: the input's true class, where one is known. top: the
    predicted class. seconds: of the map and of the metrics together."""

    method: str
    name: str
    label: int | None = None
    target: int
    top: int
    layer: str | None = None
    masked: bool = False
    """Whether the evidence of this input is known."""
    upright: bool = True
    """Whether row 0 of the map is the top of the picture; else it is its bottom (the lowest frequency)."""
    shape: tuple[int, int]
    scores: dict[str, CellScore]
    metric_params: dict[str, dict[str, Any]] = {}
    """The settings that each metric was measured with, those of the network and its own by default."""
    notes: list[str] = []
    seconds: float = 0.0
    versions: dict[str, str] = {}


class StudyInput(BaseModel):
    """id: of a stored input; None for one of a set. target: the explained class; with `correct` and `mask` known once a
    method has explained it. reason: why it cannot be measured."""

    id: str | None = None
    index: int
    name: str
    label: str | None = None
    target: str | None = None
    correct: bool | None = None
    mask: bool | None = None
    reason: str = ""


class StudyRow(BaseModel):
    """A method, or a control: a map that looks at nothing. reason: why it cannot explain this network."""

    method: str
    title: str
    control: bool = False
    reason: str = ""
    params: dict[str, Any] = Field({})


class StudyMetric(BaseModel):
    key: str
    title: str
    short: str
    family: str
    better: Better
    low: float | None = None
    high: float | None = None
    reason: str = ""
    """Why it cannot be measured on this network."""


class Difference(BaseModel):
    """Mean paired difference, turned so that more is better, with its 95 % interval. beats: the interval lies above 0."""

    diff: float
    low: float | None = None
    high: float | None = None
    beats: bool = False
    n: int = 0


class StudyEntry(BaseModel):
    """A method under a metric, over the inputs. n: inputs with a score; expected: inputs with one or still waited for.
    flips: its place among the methods depends on the baseline."""

    method: str
    metric: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    expected: int = 0
    note: str = ""
    flips: bool = False
    other_mean: float | None = None
    best: bool = False
    versus_blob: Difference | None = None
    versus_uniform: Difference | None = None
    versus_parents: dict[str, Difference] = {}


class Rank(BaseModel):
    """rank: 1 is best; the mean over the family's metrics. complete: it has a score under all of them."""

    method: str
    rank: float
    complete: bool


class FamilyRanks(BaseModel):
    family: str
    ranks: list[Rank]


class SentencePart(BaseModel):
    """A piece of the sentence; one that names a method or metric links to it."""

    text: str
    method: str | None = None
    metric: str | None = None


class Verdict(BaseModel):
    """Whether a method passed for this network, and why. judged: whether anything that decides was measured, on enough inputs."""

    method: str
    passed: bool
    because: str
    judged: bool = True


class ClaimDifference(BaseModel):
    """Mean paired difference of the fused map to one parent, more is better, with its interval. wins: share of the inputs
    on which the fused map is better."""

    parent: str
    difference: float
    low: float
    high: float
    wins: float


class ClaimFinding(BaseModel):
    """What the paper claims of one metric: better than "both" parents or than "at least one", and whether it is so.
    against: the parents, the better one first. both: share of the inputs on which the fused map beats both."""

    metric: str
    title: str
    family: str
    kind: Literal["both", "at least one"]
    verdict: Literal["holds", "does not hold", "undecided", "cannot be told"]
    n: int
    means: dict[str, float]
    against: list[ClaimDifference] = []
    both: float | None = None
    note: str = ""


class Claim(BaseModel):
    """The claim of a paper about one of the methods, on the inputs of this study."""

    source: str
    findings: list[ClaimFinding]


class StudyResult(BaseModel):
    """passed: the methods that passed, best first; `verdicts` says why, all methods in that order. rule: what passing
    means here. failed: maps that ended without scores; asking again tries them again. seconds: spent on the cells, also by studies before this one."""

    model: str
    model_title: str = ""
    weights_sha256: str | None
    inputs: list[StudyInput]
    rows: list[StudyRow]
    metrics: list[StudyMetric]
    table: list[StudyEntry]
    families: list[FamilyRanks] = []
    sentence: list[SentencePart] = []
    claim: Claim | None = None
    passed: list[str] = []
    verdicts: list[Verdict] = []
    rule: str = ""
    paragraph: str = ""
    upright: bool = True
    failed: int = 0
    versions: dict[str, str] = {}
    seconds: float = 0.0


class InputScore(BaseModel):
    """One input's score of one method under one metric. state: done, waiting or failed."""

    input: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    words: str = ""
    curve: ScoreCurve | None = None
    state: str = "done"


class InputScores(BaseModel):
    cells: list[InputScore]
