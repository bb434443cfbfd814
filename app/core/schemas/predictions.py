"""Predictions: scores, their interval, and the gate before them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Problem, Request
from app.core.schemas.inputs import AxisInfo, Check
from app.core.schemas.jobs import JobState
from app.core.text import Name


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
