"""Top-k intersection: how many of the k brightest cells lie in the region."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from backend.attribution.measuring.order import hits
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from backend.attribution.types import Params
from models.model import Model

USUAL, SHARE = 1000, 0.02
"""Quantus' number of cells, and the share of the cells that it is on a grid of 224 x 224."""


class TopKParams(Params):
    k: int = Field(USUAL, ge=1, le=1_000_000, title="Cells", description="How many of the brightest cells are looked at; all of them at most.")  # fmt: skip


@register
class TopKIntersection(Metric[TopKParams]):
    """|top_k(R) and S| / k, with S the region and top_k(R) the k brightest cells of R `[H, W]`; equal cells share what falls to them.
    Quantus' number for the same k; by default 1,000 cells, on smaller grids 2 %."""

    key: ClassVar[str] = "top_k_intersection"
    title: ClassVar[str] = "Top-k intersection"
    short: ClassVar[str] = "top k inside"
    family: ClassVar[Family] = "localisation"
    paper: ClassVar[str] = "Theiner, Mueller-Budack and Ewerth, Interpretable Semantic Photo Geolocation, WACV 2022, arXiv 2104.14995"  # fmt: skip
    summary: ClassVar[str] = "The share of the few brightest cells that lies in the region."
    meaning: ClassVar[str] = "{:.0%} of the few brightest cells lie inside the region."
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 43
    needs: ClassVar[frozenset[Need]] = frozenset({"mask"})
    Params = TopKParams

    def defaults(self, model: Model) -> dict[str, Any]:
        height, width = model.input.shape[1:]
        return {"k": max(1, min(USUAL, round(SHARE * height * width)))}

    def measure(self, case: Case, params: TopKParams) -> Value:
        k = min(params.k, case.values.size)
        return Value(hits(case.values, case.region, k) / k)
