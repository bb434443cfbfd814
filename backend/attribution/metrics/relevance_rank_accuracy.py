"""Relevance rank accuracy: how many of the brightest cells lie in the region."""

from __future__ import annotations

from typing import ClassVar

from backend.attribution.measuring.order import hits
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from backend.attribution.types import NoParams


@register
class RelevanceRankAccuracy(Metric[NoParams]):
    """|top_K(R) and S| / K, with S the region, K its number of cells and top_K(R) the K brightest cells of R `[H, W]`; equal cells
    share what falls to them. Quantus' number."""

    key: ClassVar[str] = "relevance_rank_accuracy"
    title: ClassVar[str] = "Relevance rank in the region"
    short: ClassVar[str] = "rank inside"
    family: ClassVar[Family] = "localisation"
    paper: ClassVar[str] = "Arras, Osman and Samek, CLEVR-XAI, Information Fusion 81, 2022, arXiv 2003.07258"  # fmt: skip
    summary: ClassVar[str] = "Of as many brightest cells as the region has, the share that lies in it."
    meaning: ClassVar[str] = "{:.0%} of the brightest cells, as many as the region has, lie inside it."
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 41
    needs: ClassVar[frozenset[Need]] = frozenset({"mask"})
    default_on: ClassVar[bool] = True
    Params = NoParams

    def measure(self, case: Case, params: NoParams) -> Value:
        size = int(case.region.sum())
        return Value(hits(case.values, case.region, size) / size)
