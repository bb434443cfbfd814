"""What everyday changes of an input do to the score and to the map."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Request
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name

QuickMethod = Literal["grad_cam", "grad_cam_pp", "saliency", "input_x_gradient", "lrp", "fused"]


class StressRequest(Request):
    """target: the class whose score and map are followed; null takes the predicted one. method: of the map."""

    input: Name
    model: Name
    start: float | None = Field(None, ge=0)
    method: QuickMethod = "grad_cam"
    target: int | None = Field(None, ge=0)


class StressCell(BaseModel):
    """One change. score: of the target, calibrated; drift: how much higher than the original's; answer: the likeliest class
    then. map_correlation: Spearman's, of the map carried back to the original's places with the original's map,
    over the places that both hold. why: what is null, and why."""

    key: str
    title: str
    score: float | None = None
    drift: float | None = None
    answer: str | None = None
    map_correlation: float | None = None
    why: str | None = None


class StressResult(BaseModel):
    """score, answer: of the input as it is."""

    input: str
    model: str
    weights_sha256: str
    target: int
    target_label: str
    method: QuickMethod
    method_title: str
    score: float
    answer: str
    strip: list[StressCell]
    most_drift: float | None = None
    least_correlation: float | None = None
    words: str
    caveat: str
    seconds: float
    versions: dict[str, str] = {}


class Stress(Job):
    kind: JobKind = "stress"
    request: StressRequest
    result: StressResult | None = None
