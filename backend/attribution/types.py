"""Core types of the computing side: a method, its parameters, the map it returns, and how it reports
progress.

`explain(model, x, target, params) -> Attribution` is a pure function: same model, input, target, parameters
and seed give the same map, and model, hooks, flags, `.grad`, weights and the global RNG are as they were,
also after an error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from models.model import Model

Family = Literal["gradient", "cam", "perturbation", "propagation", "fusion", "concept"]


class Params(BaseModel):
    """A method's parameters. Its JSON schema *is* its form on the page: give every field a title, a
    description, bounds and a default."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class NoParams(Params):
    """Nothing to choose but class and layer."""


@dataclass(frozen=True)
class Context:
    """Arguments that every method receives beside its own parameters. layer: never None for methods that use
    one.

    library: a `concepts.library.Library`, which resolves references to concepts (`Any`, because this module
    imports no method's package); None: built-in concepts only.
    """

    target: int
    layer: str | None = None
    seed: int = 0
    library: Any = None


class Progress(Protocol):
    """Called between chunks of work. Raises `app.core.errors.Cancelled` when the user asked to stop."""

    def __call__(self, done: int, total: int, partial: np.ndarray | None = None) -> None:
        """done, total: units of the method (samples, steps); partial: the map so far, float32 [H, W]."""


def silent(done: int, total: int, partial: np.ndarray | None = None) -> None:
    """A Progress that reports nothing."""


@dataclass(frozen=True)
class Stage:
    """An intermediate map worth looking at. values: float32 `[h, w]`, any resolution."""

    title: str
    values: np.ndarray
    signed: bool


@dataclass(frozen=True, eq=False)
class Attribution:
    """One map. values: float32 `[H, W]` on the display grid, raw (never min-max scaled), signed or unsigned
    as declared.

    native: resolution before enlarging, e.g. (13, 13) for Grad-CAM. gap: |sum of attributions - (f(x) -
    f(baseline))| over |f(x) - f(baseline)| for methods with a completeness axiom, else None. extras:
    JSON-able numbers to show (R2, conservation ratio, standard errors). arrays: further arrays to keep
    (LIME's segments and samples). notes: conditions to show, e.g. "no evidence found". forwards, backwards:
    passes spent, counted per input image. plan: how they were run. engine: what computed the map. params, seed: the
    parameters as resolved, by name, and the seed: with method, target and layer they make the map again.
    """

    values: np.ndarray
    signed: bool
    native: tuple[int, int]
    gap: float | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    forwards: int = 0
    backwards: int = 0
    plan: str = ""
    engine: str = ""
    method: str = ""
    target: int = -1
    layer: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Cost:
    """Passes that a run needs, counted per input image: basis of the estimate and of the benchmark.

    noise: of the noisy copies whose gradients the run averages, as a share of the input's range.
    """

    forwards: int
    backwards: int
    noise: float = 0.0


@dataclass(frozen=True)
class Compatibility:
    """Whether a method can explain a model. reason: one plain sentence that says why not and what to do."""

    ok: bool
    reason: str = ""


OK = Compatibility(True)

P = TypeVar("P", bound=Params)


class Method(ABC, Generic[P]):
    """One explanation method: a file in backend/attribution/methods with a subclass decorated by `@register`.

    `run` is the only part to write; target and layer are resolved, parameters validated, the result's shape,
    sign and finiteness checked, time taken and provenance attached by `backend.explain`, once for all
    methods.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[Family]
    paper: ClassVar[str]
    """Citation with arXiv id or DOI, and "our reading" where the text leaves something open."""
    summary: ClassVar[str]
    """One sentence for a person who has not read the paper: what a bright cell means."""
    signed: ClassVar[bool]
    sum_rule: ClassVar[bool] = False
    """Whether the cells should add up to something known, and the result says by how much they miss it (`gap`)."""
    pieces: ClassVar[bool] = False
    """One value for each piece of the input (segment, tile): shown as it is, not interpolated."""
    uses_layer: ClassVar[bool] = False
    unit: ClassVar[str] = "steps"
    """What progress counts: samples, steps, windows."""
    default_on: ClassVar[bool] = False
    """Ticked when the compare page opens."""
    order: ClassVar[int] = 100
    Params: ClassVar[type[Params]]

    def is_compatible(self, model: Model) -> Compatibility:
        """Whether this method can explain this model, decided without running it. Methods that use a layer
        need one with feature maps."""
        if not self.uses_layer or model.spec.default_layer or model.structure.default:
            return OK
        return Compatibility(
            False, "This network has no layer with feature maps; choose a method that does not look inside."
        )

    def defaults(self, model: Model) -> dict[str, Any]:
        """Model-dependent defaults (baseline silence for sound, tiles for spectrograms) laid over those of
        `Params`."""
        return {}

    @abstractmethod
    def cost(self, model: Model, params: P) -> Cost:
        """Passes needed."""

    @abstractmethod
    def run(self, model: Model, x: Tensor, context: Context, params: P, report: Progress) -> Attribution:
        """x: `[1, C, H, W]` on the model's device. Returns the map on the display grid `[H, W]`."""
