"""Faithfulness correlation: whether what a random handful of values holds on the map is what removing them costs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.removal import Replaced, baseline_defaults
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from models.model import Model
from models.spec import Baseline

REACH = 1.959964
"""Standard normal quantile of 97.5 %."""
TINY = 1e-12


class FaithfulnessCorrelationParams(Replaced):
    n_runs: int = Field(
        100,
        ge=10,
        le=5000,
        title="Runs",
        description="How many random subsets are removed; the interval shrinks with the square root.",
        json_schema_extra={"scales_cost": True},
    )
    subset_size: int = Field(
        224,
        ge=1,
        le=1_000_000,
        title="Subset",
        description="How many values are removed at once: of single channels, drawn from the whole input; half of them at most.",
    )


@register
class FaithfulnessCorrelation(Metric[FaithfulnessCorrelationParams]):
    """Pearson correlation, over random subsets S of the input's values, of sum_{i in S} R_i with y_c(x) - y_c(x with S
    replaced); y_c is the logit. R `[H, W]` counts for each channel, as in Quantus, whose number this is (its default
    settings; "black" is black, not the input's smallest value).

    The interval is Fisher's over the runs. Subsets depend on the seed and not on the map: all maps of an input share
    the answers.
    """

    key: ClassVar[str] = "faithfulness_correlation"
    title: ClassVar[str] = "Faithfulness correlation"
    short: ClassVar[str] = "faithfulness"
    family: ClassVar[Family] = "faithfulness"
    paper: ClassVar[str] = (
        "Bhatt, Weller and Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020, arXiv 2005.00631"
    )
    summary: ClassVar[str] = (
        "Whether removing what is bright on the map costs more of the score than removing what is dark."
    )
    meaning: ClassVar[str] = (
        "What the map gives to random parts and what removing them costs correlate by {:.2f}."
    )
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = -1.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 12
    needs: ClassVar[frozenset[Need]] = frozenset({"baseline"})
    default_on: ClassVar[bool] = True
    Params = FaithfulnessCorrelationParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def measure(self, case: Case, params: FaithfulnessCorrelationParams) -> Value:
        if np.ptp(case.values) == 0:
            raise Unmeasured("All cells of this map are alike: nothing can correlate with it.")
        shape = tuple(case.x.shape[1:])
        size = min(params.subset_size, math.prod(shape) // 2)
        drawn = subsets(case.rng(2), params.n_runs, math.prod(shape), size)
        cells = case.values.ravel()[drawn % case.values.size]
        name = f"subsets {case.seed} {params.n_runs} {size}"

        def falls(kind: Baseline) -> np.ndarray:
            answers = case.sweep.removed(kind, lambda: without(drawn, shape, case.sweep.plan.batch), name)
            return case.sweep.score - answers.score

        value = pearson(cells.sum(1), falls(params.baseline))
        if value is None:
            raise Unmeasured(
                "Removing parts of this input changes nothing: there is nothing to correlate with."
            )
        second = case.sweep.second(params.baseline)
        return Value(
            value,
            interval=fisher(value, params.n_runs),
            other=None if second is None else pearson(cells.sum(1), falls(second)),
            note=""
            if size == params.subset_size
            else f"Subsets are of {size} values: half of what this input has.",
        )


def subsets(rng: np.random.Generator, n: int, values: int, size: int) -> np.ndarray:
    """int64 `[n, size]`: each a random choice without repetition out of so many values."""
    return np.stack([rng.choice(values, size, replace=False, shuffle=False) for _ in range(n)])


def without(drawn: np.ndarray, shape: tuple[int, ...], batch: int) -> Iterable[Tensor]:
    """Batches of what is kept, bool `[n, C, H, W]`: all but the drawn values."""
    for part in torch.from_numpy(drawn).split(batch):
        keep = torch.ones(len(part), math.prod(shape), dtype=torch.bool)
        yield keep.scatter_(1, part, False).view(-1, *shape)


def pearson(a: np.ndarray, b: np.ndarray) -> float | None:
    """None where one of the two does not vary."""
    a, b = a - a.mean(), b - b.mean()
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if lengths <= TINY * max(1.0, float(np.abs(a).max() * np.abs(b).max())) or not math.isfinite(lengths):
        return None
    return float(np.clip(a @ b / lengths, -1, 1))


def fisher(r: float, n: int) -> tuple[float, float]:
    """95 % interval of a correlation over n pairs."""
    middle, reach = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r))), REACH / math.sqrt(n - 3)
    return math.tanh(middle - reach), math.tanh(middle + reach)
