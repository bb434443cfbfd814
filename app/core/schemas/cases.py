"""Worklists of cases: what a reviewer hears, says before and after the model is shown, and what stays of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Request
from app.core.schemas.inputs import AxisInfo, Check, Modality
from app.core.schemas.predictions import Prediction
from app.core.schemas.regions import InputRegion, Region
from app.core.text import Name

Stage = Literal["before", "after"]
"""Whether the model's answer was still hidden or already shown."""
CaseState = Literal["todo", "judged", "disagree"]
Reading = Annotated[int, Field(ge=0)] | Literal["cannot_say"]
"""What a reviewer hears or sees: one of the model's classes, or that it cannot be said."""
OnPrediction = Literal["plausible", "not_plausible", "cannot_say"]
OnExplanation = Literal["useful", "misleading", "cannot_say"]
NOTE_LETTERS = 4000


class CasesRequest(Request):
    """Inputs for a worklist: a new one, the one with this id, or the one with this title and model.

    names, labels: by input. blind: whether the model's answer stays hidden until a reviewer has judged; null is what
    the list already is, and true for a new one.
    """

    inputs: list[Name]
    model: Name
    title: Name | None = None
    worklist: Name | None = None
    names: dict[Name, Name] = Field({})
    labels: dict[Name, Name] = Field({})
    blind: bool | None = None


class WorklistChange(Request):
    title: Name


class Shown(Request):
    """What was on the screen when a verdict was given."""

    explanations: list[Name] = Field([], max_length=100)
    prediction: Name | None = None
    settings: dict[str, Any] = Field({})


class VerdictRequest(Request):
    stage: Stage
    reading: Reading | None = None
    prediction: OnPrediction | None = None
    explanation: OnExplanation | None = None
    note: str = ""
    region: Region | None = None
    shown: Shown = Shown()


class CaseEventRequest(Request):
    """Something a reviewer did. detail of `listened`: `times`, `speed`, `part`, whatever the page knows."""

    kind: Literal["listened", "region"]
    detail: dict[str, Any] = Field({})


class Counts(BaseModel):
    """Cases by state for one reviewer."""

    todo: int = 0
    judged: int = 0
    disagree: int = 0
    total: int = 0


class Worklist(BaseModel):
    """Cases under one model. counts: of the reviewer who asks. predicted: cases that the model has answered; the rest
    are computed in the background. maker: who was signed in when it was made; null where nobody signed in. deletable: whether the one
    who asks may delete it, or a case of it: its maker and admins may, and everybody where nobody signs in."""

    id: str
    title: str
    model: str
    model_title: str
    labels: list[str]
    """Classes of the model, in its order: a reading is a place in this list."""
    blind: bool
    created: str
    maker: str | None = None
    deletable: bool = True
    counts: Counts
    predicted: int
    total: int


class CaseSummary(BaseModel):
    """A line of the list. Where the model's answer is hidden from this reviewer, `model_says`, `score`, `label` and
    `problem` are null and the state says nothing of it.

    reading: the reviewer's own first one. score: of `score_of`, the second of two classes, else of the class the model names.
    gone: the input was deleted, what was said of it is left.
    """

    id: str
    number: int
    input: str
    name: str
    modality: Modality | None
    seconds: float | None = None
    waveform: list[float] = []
    """At most 48 peaks in 0..1."""
    label: str | None = None
    """What the list says is true of it."""
    state: CaseState
    revealed: bool
    reading: int | Literal["cannot_say"] | None = None
    model_says: str | None = None
    """The label of a class, `undecided` (its interval meets another's), `withheld` (the input is not fit for use), or null."""
    score: float | None = None
    score_of: str | None = None
    problem: str | None = None
    """Why the model gave no answer."""
    gone: bool = False


class Verdict(BaseModel):
    """One that was recorded; none is ever changed. shown: what the page said was on the screen, and under `model` what
    the model had answered, if it was shown."""

    id: int
    at: str
    reviewer: str
    own: bool
    """Of the one who asks."""
    stage: Stage
    reading: int | Literal["cannot_say"] | None = None
    reading_label: str | None = None
    prediction: OnPrediction | None = None
    explanation: OnExplanation | None = None
    note: str = ""
    region: InputRegion | None = None
    shown: dict[str, Any] = {}


class HistoryEntry(BaseModel):
    """words: the same for people."""

    at: str
    reviewer: str
    kind: Literal["created", "listened", "region", "reveal", "before", "after"]
    detail: dict[str, Any] = {}
    words: str


class FitForUse(BaseModel):
    """Whether the input suits the model: the gate of the prediction and what it measured. It says nothing of the answer."""

    state: Literal["ready", "doubtful", "abstain"]
    reasons: list[str] = []
    checks: list[Check] = []


class CasePicture(BaseModel):
    """What the model is given, on the grid of the maps, as a person sees it: `/cases/{id}/picture.png` and its axes."""

    y_axis: AxisInfo
    x_axis: AxisInfo
    path: str


class Case(CaseSummary):
    """fit, picture: told before the model's answer is, null until that is computed. verdicts, history: other reviewers' too, once the model was shown to the one who asks. previous, next: ids of the
    neighbours in the list."""

    worklist: str
    worklist_title: str
    model: str
    model_title: str
    labels: list[str]
    blind: bool
    created: str
    fit: FitForUse | None = None
    picture: CasePicture | None = None
    prediction: Prediction | None = None
    verdicts: list[Verdict] = []
    history: list[HistoryEntry] = []
    previous: str | None = None
    next: str | None = None


class CasesAdded(BaseModel):
    """cases: in the order of the request, those that were there already included; `added` counts the new ones."""

    worklist: Worklist
    cases: list[CaseSummary]
    added: int


class CasesPage(BaseModel):
    """total: cases that match; counts: of the whole list by state. unscored: where a range of scores was asked for, cases that match
    the rest and have no score to go by (hidden from the one who asks, withheld, or not answered)."""

    cases: list[CaseSummary]
    total: int
    unscored: int = 0
    counts: Counts


class CasesDeleted(BaseModel):
    """inputs_kept: inputs that other lists, concepts or analyses hold."""

    cases: int
    inputs: int = 0
    inputs_kept: int = 0


class ReviewerCount(BaseModel):
    name: str
    judged: int


class KappaOfTwo(BaseModel):
    """Cohen's kappa over `n` cases, with 95 %. agree: share on which both say the same. left_out: cases on which one of them
    named no class. Null where it is not defined; `words` says why."""

    n: int
    left_out: int = 0
    agree: float | None = None
    kappa: float | None = None
    low: float | None = None
    high: float | None = None
    words: str = ""


class PairAgreement(KappaOfTwo):
    """Two reviewers' first readings."""

    a: str
    b: str


class ModelAgreement(KappaOfTwo):
    """A reviewer's first readings and the model. before, after: shares of the same cases on which the first and the last
    reading are the model's class."""

    reviewer: str
    before: float | None = None
    after: float | None = None


class WorklistAgreement(BaseModel):
    """hidden: cases left out because the model was not shown yet to the reviewer who asks."""

    reviewers: list[ReviewerCount]
    pairs: list[PairAgreement]
    model: list[ModelAgreement]
    hidden: int = 0
    words: str
