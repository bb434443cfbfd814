"""Inside a network: the filters of a layer, filters switched off, a spot of a map, what excites a filter most."""

from __future__ import annotations

from pydantic import Field

from app.core.internals_results import (
    AblationResult,
    InternalsResult,
    MaximisationResult,
    Replacement,
    SpotResult,
)
from app.core.schemas.base import Request
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name


class InternalsRequest(Request):
    """inputs: the user's own, ten or more, instead of the calibration set that belongs to the model. labels: the class of
    each, by number; null takes the model's answers."""

    model: Name
    layer: Name
    inputs: list[Name] | None = Field(None, max_length=500)
    labels: list[int] | None = Field(None, max_length=500)
    seed: int = Field(0, ge=0, le=2**31 - 1)


class Internals(Job):
    kind: JobKind = "internals"
    request: InternalsRequest
    result: InternalsResult | None = None


class LayerOfInputRequest(Request):
    """One input at one layer, for one class; null takes the predicted one."""

    input: Name
    model: Name
    layer: Name
    target: int | None = Field(None, ge=0)
    start: float | None = Field(None, ge=0)


class AblationRequest(LayerOfInputRequest):
    filters: list[int] = Field(min_length=1, max_length=4096)
    replacement: Replacement = "mean"


class Ablation(Job):
    kind: JobKind = "ablation"
    request: AblationRequest
    result: AblationResult | None = None


class SpotRequest(LayerOfInputRequest):
    """x, y: in 0..1 of the display grid, y in the order of its rows (row 0 is the lowest band of a spectrogram)."""

    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)


class Spot(Job):
    kind: JobKind = "spot"
    request: SpotRequest
    result: SpotResult | None = None


class MaximisationRequest(Request):
    model: Name
    layer: Name
    filter: int = Field(ge=0)
    seed: int = Field(0, ge=0, le=2**31 - 1)


class Maximisation(Job):
    kind: JobKind = "maximisation"
    request: MaximisationRequest
    result: MaximisationResult | None = None
