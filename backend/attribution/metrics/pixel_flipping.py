"""Pixel flipping, also called deletion: how soon the probability falls when the brightest cells go first."""

from __future__ import annotations

from typing import Any, ClassVar

from backend.attribution.measuring.removal import Stepped, area_under, baseline_defaults
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from models.model import Model


@register
class PixelFlipping(Metric[Stepped]):
    """Area under p_c(x without the s brightest cells of R `[H, W]`) over the removed share s from 0 to 1, by trapezia; p_c is
    the calibrated probability of the class. Equal cells go in random order.

    The curve from its second point on is what Quantus returns, for one channel and `features_in_step` as large as a step;
    Quantus sums it, and leaves out the input as it is. Quantus removes values of single channels: the same where no two
    cells of the map are equal and a step is whole cells.
    """

    key: ClassVar[str] = "pixel_flipping"
    title: ClassVar[str] = "Pixel flipping (deletion)"
    short: ClassVar[str] = "deletion"
    family: ClassVar[Family] = "faithfulness"
    paper: ClassVar[str] = (
        "Bach et al., On Pixel-Wise Explanations for Non-Linear Classifier Decisions, PLoS ONE 10, 2015; "
        "as an area: Petsiuk, Das and Saenko, RISE, BMVC 2018, arXiv 1806.07421"
    )
    summary: ClassVar[str] = (
        "How likely the class stays while the brightest cells are taken away first; low when the map knows what matters."
    )
    meaning: ClassVar[str] = (
        "The class stays at a probability of {:.2f} on average while the brightest cells are removed first."
    )
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 10
    needs: ClassVar[frozenset[Need]] = frozenset({"baseline"})
    default_on: ClassVar[bool] = True
    Params = Stepped

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def measure(self, case: Case, params: Stepped) -> Value:
        return area_under(case, params, "removed")
