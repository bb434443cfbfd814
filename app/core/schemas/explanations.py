"""Explanations: the request, and the record that a map holds under."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Request
from app.core.schemas.inputs import AxisInfo
from app.core.schemas.jobs import Job, JobKind
from app.core.schemas.regions import Alteration
from app.core.text import Name


class ExplanationRequest(Request):
    input: Name
    model: Name
    method: Name
    target: int | None = Field(None, ge=0)
    layer: Name | None = None
    params: dict[str, Any] = Field({})
    seed: int = Field(0, ge=0, le=2**31 - 1)
    start: float | None = Field(None, ge=0)
    altered: Alteration | None = None
    """Explains the input with a region erased, kept alone or replaced."""


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


class Quality(BaseModel):
    """One figure on how well a map answers its own question, not on whether the network is right. figure, word: as the
    panel shows them ("R² 0.71", "fair"). meaning: one plain sentence, with the thresholds."""

    key: str
    value: float | None
    figure: str
    state: Literal["good", "fair", "poor"]
    word: str
    meaning: str


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
    extras: dict[str, Any] = Field({})
    notes: list[str] = []
    quality: list[Quality] = []
    """What the method measured about its map, the gravest first; empty where nothing can be said."""
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


class Explanation(Job):
    kind: JobKind = "explanation"
    request: ExplanationRequest
    estimate: float | None = None
    """Seconds the method was expected to take on this machine when it was asked for: measured, and corrected by
    what its last runs took."""
    record: Record | None = None
