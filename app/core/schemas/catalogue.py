"""Models and methods, and which fit together."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.core.schemas.base import Request
from app.core.schemas.inputs import Modality
from app.core.text import Name


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
    parameters: int | None = None
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


class MetricInfo(BaseModel):
    """A metric of explanations. short: head of a column. low, high: ends of its scale, null where it has none. needs:
    `mask`, `explain` (maps of further inputs), `baseline`."""

    key: str
    title: str
    short: str
    family: str
    paper: str
    summary: str
    better: str
    low: float | None = None
    high: float | None = None
    needs: list[str] = []
    default_on: bool = False
    schema_: dict[str, Any] = Field(alias="schema")
    model_config = ConfigDict(populate_by_name=True)


class AbsentModel(BaseModel):
    """A model at hand that is not listed. name: its key, its title, or the file it will come from. own: the operator's
    (`evident serve --models`). reason: why it could not be read; null while it is still being looked at."""

    name: str
    own: bool
    reason: str | None = None


class Catalogue(BaseModel):
    models: list[ModelInfo]
    methods: list[MethodInfo]
    metrics: list[MetricInfo] = []
    architectures: list[str] = []
    """Keys that `POST /models` accepts beside our own: any `timm:` or `torchvision:` name too."""
    absent: list[AbsentModel] = []


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


class ModelRequest(Request):
    """A published network whose weights are to be fetched: `timm:resnet18`, `torchvision:resnet50`."""

    name: Name = Field(pattern=r"^(timm|torchvision):[A-Za-z0-9_][A-Za-z0-9_.-]*$")
