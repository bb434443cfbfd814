"""Studies of explanations: model x inputs x methods x metrics."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.core.evaluation_results import StudyResult
from app.core.schemas.base import Request
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name


class EvaluationRequest(Request):
    """inputs: ids of stored ones; or `set`: a bundled set, its first `count` (all by default). params, metric_params:
    by method, by metric. target: the class to explain; `label` is the true one. names, labels: by id, what `inputs` are called in the
    results and the name or number of their true class; other inputs have what the server knows of them (samples)."""

    model: Name
    inputs: list[Name] | None = Field(None, max_length=3000)
    set: Name | None = None
    count: int | None = Field(None, ge=1, le=1_000_000)
    names: dict[Name, Name] = Field({}, max_length=3000)
    labels: dict[Name, Name] = Field({}, max_length=3000)
    methods: list[Name] = Field(max_length=100)
    metrics: list[Name] = Field(max_length=100)
    params: dict[str, dict[str, Any]] = Field({})
    metric_params: dict[str, dict[str, Any]] = Field({})
    seed: int = Field(0, ge=0, le=2**31 - 1)
    target: Literal["predicted", "label"] | int = "predicted"


class Evaluation(Job):
    """result: as far as it is, while it runs."""

    kind: JobKind = "evaluation"
    request: EvaluationRequest
    seconds_left: float | None = None
    result: StudyResult | None = None


class EvaluationPrice(BaseModel):
    """What a study will cost. seconds: expected, None where nothing was measured yet; cells: of them `known` are
    there already. fits: whether it may be started; text says what would fit."""

    seconds: float | None
    cells: int
    known: int
    fits: bool
    text: str


class LabelLine(BaseModel):
    """One line of a table of labels. file, mask: as the table names them, "" for no mask. label: name of the class among the network's,
    null where the line says none. box: left, right, top, bottom, in pixels of the file."""

    line: int
    file: str
    label: str | None
    box: list[float] | None
    mask: str


class LabelTable(BaseModel):
    """What a table says of files, for one network. notes: what in it cannot be used, in sentences that name the line."""

    lines: list[LabelLine]
    notes: list[str]


class EvaluationSet(BaseModel):
    """A bundled set of inputs that a network can be measured on."""

    key: str
    title: str
    count: int
    labelled: bool
    masks: bool
    note: str


class EvaluationPreset(BaseModel):
    """A study with a name, for inputs of one's choice. text: what it asks."""

    key: str
    title: str
    text: str
    methods: list[str]
    metrics: list[str]
    metric_params: dict[str, dict[str, Any]]


class EvaluationListing(Job):
    """A study in the list, without its numbers."""

    kind: JobKind = "evaluation"
    request: EvaluationRequest
    seconds_left: float | None = None


class EvaluationAdvice(BaseModel):
    """The outcome of the last study of a network. methods: those that passed, best first, then the others."""

    study: str
    methods: list[str]
    passed: dict[str, bool]
    because: dict[str, str]
    text: str
