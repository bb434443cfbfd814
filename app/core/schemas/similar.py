"""Which other inputs a network sees as alike, and which as alike for the same reason."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Request
from app.core.schemas.inputs import Modality
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name

By = Literal["embedding", "relevance"]


class SimilarRequest(Request):
    """n: neighbours of each kind. target: the class whose reasons count; null takes the predicted one."""

    input: Name
    model: Name
    start: float | None = Field(None, ge=0)
    n: int = Field(5, ge=1, le=20)
    target: int | None = Field(None, ge=0)


class Neighbour(BaseModel):
    """distance: |a - b| / |b| of the features `by`, b those of the input that is asked about: 0 is the same, 1 as far as
    an input without any. model_says, score: likeliest class there, and the score of the target. name, label: as a sample
    or a worklist tells them, null where that is gone or this reviewer may not know it; right: whether the model says that
    label, null where it has none of its classes."""

    input: str
    by: By
    distance: float
    model_says: str
    score: float
    name: str | None = None
    label: str | None = None
    right: bool | None = None
    origin: Literal["sample", "worklist"] | None = None
    case: str | None = None
    modality: Modality | None = None


class SimilarResult(BaseModel):
    """searched: inputs that were compared; left_out: that the network cannot take, or over the limit."""

    input: str
    model: str
    weights_sha256: str
    target: int
    target_label: str
    layer: str
    searched: int
    left_out: int = 0
    neighbours: list[Neighbour]
    words: str
    distance_means: str
    seconds: float
    versions: dict[str, str] = {}


class Similar(Job):
    kind: JobKind = "similar"
    request: SimilarRequest
    result: SimilarResult | None = None
