"""Complexity: the entropy of how the relevance is shared out."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from backend.attribution.measuring.types import Case, Direction, Family, Metric, Value
from backend.attribution.metrics import register
from backend.attribution.types import NoParams


@register
class Complexity(Metric[NoParams]):
    """-sum_i p_i log(p_i + 1e-12) with p_i = |R_i| / sum_j |R_j| over the cells of the map `[H, W]`, in nats: 0 for a single cell, log(H W)
    for a map that is the same everywhere. Quantus' number."""

    key: ClassVar[str] = "complexity"
    title: ClassVar[str] = "Complexity (entropy)"
    short: ClassVar[str] = "entropy"
    family: ClassVar[Family] = "complexity"
    paper: ClassVar[str] = "Bhatt, Weller and Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020, arXiv 2005.00631"  # fmt: skip
    summary: ClassVar[str] = (
        "Over how many cells the relevance is spread, as an entropy; low for a map that is quick to read."
    )
    meaning: ClassVar[str] = "The relevance is spread with an entropy of {:.2f} nats."
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = None
    order: ClassVar[int] = 31
    default_on: ClassVar[bool] = True
    Params = NoParams

    def measure(self, case: Case, params: NoParams) -> Value:
        sizes = np.abs(case.values)
        shares = sizes / sizes.max()
        shares /= shares.sum()
        return Value(max(0.0, float(-(shares * np.log(shares + 1e-12)).sum())))
