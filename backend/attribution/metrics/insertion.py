"""Insertion: how soon the probability rises when the brightest cells are shown first."""

from __future__ import annotations

from typing import Any, ClassVar

from backend.attribution.measuring.removal import Stepped, area_under, baseline_defaults
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from models.model import Model


@register
class Insertion(Metric[Stepped]):
    """Area under p_c(the replacement with the s brightest cells of R `[H, W]` as in x) over the shown share s from 0 to 1, by
    trapezia; p_c is the calibrated probability of the class. Equal cells come in random order. Not in Quantus."""

    key: ClassVar[str] = "insertion"
    title: ClassVar[str] = "Insertion"
    short: ClassVar[str] = "insertion"
    family: ClassVar[Family] = "faithfulness"
    paper: ClassVar[str] = "Petsiuk, Das and Saenko, RISE, BMVC 2018, arXiv 1806.07421"
    summary: ClassVar[str] = (
        "How likely the class is while the brightest cells alone are shown; high when few of them are enough."
    )
    meaning: ClassVar[str] = (
        "The class has a probability of {:.2f} on average while the brightest cells are shown first."
    )
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 11
    needs: ClassVar[frozenset[Need]] = frozenset({"baseline"})
    default_on: ClassVar[bool] = True
    Params = Stepped

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def measure(self, case: Case, params: Stepped) -> Value:
        return area_under(case, params, "shown")
