"""Pointing game: whether the brightest cell lies in the region."""

from __future__ import annotations

from typing import ClassVar

from backend.attribution.measuring.order import hits
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from backend.attribution.types import NoParams


@register
class PointingGame(Metric[NoParams]):
    """1 where the brightest cell of R `[H, W]` lies in the region, else 0; of several equally bright cells their share inside, which is
    what a random one of them would get on average. Quantus' number but for that: there one of them inside is enough, and a
    map that is the same everywhere always hits."""

    key: ClassVar[str] = "pointing_game"
    title: ClassVar[str] = "Pointing game"
    short: ClassVar[str] = "pointing"
    family: ClassVar[Family] = "localisation"
    paper: ClassVar[str] = "Zhang et al., Top-Down Neural Attention by Excitation Backprop, IJCV 126, 2018, arXiv 1608.00507"  # fmt: skip
    summary: ClassVar[str] = (
        "Whether the brightest cell lies in the region where the evidence is known to be."
    )
    meaning: ClassVar[str] = "The brightest cell lies in the region: {:.0%}."
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 40
    needs: ClassVar[frozenset[Need]] = frozenset({"mask"})
    default_on: ClassVar[bool] = True
    Params = NoParams

    def measure(self, case: Case, params: NoParams) -> Value:
        return Value(hits(case.values, case.region, 1))
