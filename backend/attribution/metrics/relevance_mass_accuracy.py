"""Relevance mass accuracy: how much of the relevance lies inside the region."""

from __future__ import annotations

from typing import ClassVar

from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from backend.attribution.types import NoParams


@register
class RelevanceMassAccuracy(Metric[NoParams]):
    """sum_{i in S} max(R_i, 0) / sum_i max(R_i, 0) over cells i of the map `[H, W]`, S the region.

    As in the paper, which measures positive relevance. Quantus divides signed sums, the same number for maps without
    negative cells; with them it may leave 0 to 1.
    """

    key: ClassVar[str] = "relevance_mass_accuracy"
    title: ClassVar[str] = "Relevance mass in the region"
    short: ClassVar[str] = "mass inside"
    family: ClassVar[Family] = "localisation"
    paper: ClassVar[str] = "Arras, Osman and Samek, CLEVR-XAI, Information Fusion 81, 2022, arXiv 2003.07258"
    summary: ClassVar[str] = (
        "The share of positive relevance that lies inside the region where the evidence is known to be."
    )
    meaning: ClassVar[str] = "{:.0%} of the positive relevance lies inside the region."
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 42
    needs: ClassVar[frozenset[Need]] = frozenset({"mask"})
    default_on: ClassVar[bool] = True
    Params = NoParams

    def measure(self, case: Case, params: NoParams) -> Value:
        positive = case.values.clip(min=0)
        total = positive.sum()
        if total == 0:
            raise Unmeasured(
                "Nothing in this map is positive: there is no relevance for the class to be placed."
            )
        return Value(float(positive[case.region].sum() / total))
