"""Sparseness: how unevenly the relevance is shared out among the cells."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from backend.attribution.measuring.types import Case, Direction, Family, Metric, Value
from backend.attribution.metrics import register
from backend.attribution.types import NoParams

SMALL = 1e-7
"""Added to each cell, as Quantus does after scaling by the largest."""


@register
class Sparseness(Metric[NoParams]):
    """Gini coefficient of |R|: sum_i (2 i - n - 1) a_i / (n sum_i a_i), where a_1 <= ... <= a_n are the absolute values
    `[H, W]` over the largest, plus 1e-7. 0: all cells alike; (n - 1) / n: one cell alone."""

    key: ClassVar[str] = "sparseness"
    title: ClassVar[str] = "Sparseness"
    short: ClassVar[str] = "sparseness"
    family: ClassVar[Family] = "complexity"
    paper: ClassVar[str] = (
        "Chalasani et al., Concise Explanations of Neural Networks using Adversarial Training, ICML 2020, arXiv 1810.06583"
    )
    summary: ClassVar[str] = (
        "Whether few cells hold most of the relevance; high for a map that is quick to read."
    )
    meaning: ClassVar[str] = (
        "Sparseness {:.2f}, from 0 where all cells are alike to 1 where one cell holds everything."
    )
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 30
    default_on: ClassVar[bool] = True
    Params = NoParams

    def measure(self, case: Case, params: NoParams) -> Value:
        return Value(gini(case.values))


def gini(values: np.ndarray) -> float:
    """values: of any shape, not all 0."""
    sizes = np.abs(values).ravel()
    shares = np.sort(sizes / sizes.max() + SMALL)
    n = len(shares)
    return float(((2 * np.arange(1, n + 1) - n - 1) * shares).sum() / (n * shares.sum()))
