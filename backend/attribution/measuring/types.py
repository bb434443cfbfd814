"""Core types of measuring: a metric, the case it is measured on, and the score.

A metric is pure as a method is: same model, input, map, parameters and seed give the same score, and the model and the
global random state are left as they were. What cannot be computed is a score without a value that says why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from torch import Tensor

from backend.attribution.measuring.again import Again
from backend.attribution.measuring.sweep import Sweep
from backend.attribution.types import Attribution, Params
from models.model import Model

Family = Literal["faithfulness", "robustness", "complexity", "localisation", "randomisation", "axiomatic"]
FAMILIES: tuple[Family, ...] = (
    "faithfulness", "robustness", "complexity", "localisation", "randomisation", "axiomatic",
)  # fmt: skip
Direction = Literal["higher", "lower"]
Need = Literal["mask", "explain", "baseline"]
"""mask: a known region. explain: maps of further inputs or networks by the same method. baseline: something that stands
in for removed evidence."""


@dataclass(frozen=True, eq=False)
class Curve:
    """x: share of the input that is removed (or shown), 0 to 1. y: the score there. Both float64 `[n]`."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Score:
    """The number of one metric for one map.

    value: None where there is none, with the reason in `note`; a note beside a value is a warning. interval: 95 %, over
    repeats of what is sampled; None where nothing is. direction: which values are better. other: the value with the
    input's second kind of baseline, so that a comparison can say whether its ranking flips. words: the value in a sentence.
    """

    metric: str
    value: float | None
    interval: tuple[float, float] | None = None
    direction: Direction = "higher"
    note: str = ""
    curve: Curve | None = None
    other: float | None = None
    words: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """What is measured: one map of one input.

    x: `[1, C, H, W]`. result: its map; `values` is what most metrics read. mask: bool `[H, W]`, None where no region is
    known. target: the class that the map explains. sweep, again: answers to altered inputs, and maps of them, shared by all
    metrics of a case. pause: to be called between pieces of long work; raises Cancelled when the user asked to stop.
    """

    model: Model
    x: Tensor
    result: Attribution
    target: int
    mask: np.ndarray | None
    seed: int
    sweep: Sweep
    again: Again
    pause: Callable[[], None]

    @property
    def values(self) -> np.ndarray:
        """The map, float64 `[H, W]`."""
        return self.result.values.astype(np.float64)

    @property
    def region(self) -> np.ndarray:
        """The mask of a metric that needs one, bool `[H, W]`."""
        assert self.mask is not None, "the metric does not say that it needs a mask"
        return self.mask

    def rng(self, stream: int = 0) -> np.random.Generator:
        """A generator of this case's own. stream: another number draws independently."""
        return np.random.default_rng((self.seed, stream))


@dataclass(frozen=True, eq=False)
class Value:
    """What a metric returns: the fields of `Score` that it knows."""

    value: float
    interval: tuple[float, float] | None = None
    note: str = ""
    curve: Curve | None = None
    other: float | None = None


P = TypeVar("P", bound=Params)


class Metric(ABC, Generic[P]):
    """One metric: a file in backend/attribution/metrics with a subclass decorated by `@register`.

    `measure` is the only part to write; that the map is not empty, the region fits and the method can explain again is
    seen to by `backend.evaluate`, once for all metrics.
    """

    key: ClassVar[str]
    """The class name in Quantus in snake case, where Quantus has the metric."""
    title: ClassVar[str]
    short: ClassVar[str]
    """Head of a column, 14 characters at most."""
    family: ClassVar[Family]
    paper: ClassVar[str]
    summary: ClassVar[str]
    """One sentence for a person who has not read the paper."""
    meaning: ClassVar[str]
    """A value in words, with one place for it: `{:.0%} of the relevance lies inside.`"""
    better: ClassVar[Direction]
    low: ClassVar[float | None] = None
    high: ClassVar[float | None] = None
    """Range of the scale; None where it has no end."""
    order: ClassVar[int] = 100
    needs: ClassVar[frozenset[Need]] = frozenset()
    default_on: ClassVar[bool] = False
    Params: ClassVar[type[Params]]

    def why_not(self, model: Model, method: str | None) -> str:
        """Why maps of this method cannot have this metric, one plain sentence; "" where they can. method: None for a map
        that no method made."""
        if "explain" in self.needs and method is None:
            return "This map was not made by a method, so there is none to explain changed inputs with."
        return ""

    def defaults(self, model: Model) -> dict[str, Any]:
        """Model-dependent defaults laid over those of `Params`."""
        return {}

    @abstractmethod
    def measure(self, case: Case, params: P) -> Value:
        """Raises Unmeasured where there is no value."""
