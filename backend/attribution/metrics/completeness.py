"""Completeness: whether the cells add up to what they share out."""

from __future__ import annotations

from typing import ClassVar

from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Value
from backend.attribution.methods import METHODS
from backend.attribution.metrics import register
from backend.attribution.types import NoParams
from models.model import Model


@register
class Completeness(Metric[NoParams]):
    """max(0, 1 - |sum_i R_i - (y_c(x) - y_c(b))| / |y_c(x) - y_c(b)|) over the cells of the map `[H, W]`; y_c is the logit, b the method's own
    replacement; for LRP, which shares out the score itself, y_c(b) = 0. It is what the method measured with its map. Quantus
    says 1 where the two are equal to the last bit and 0 elsewhere."""

    key: ClassVar[str] = "completeness"
    title: ClassVar[str] = "Completeness"
    short: ClassVar[str] = "completeness"
    family: ClassVar[Family] = "axiomatic"
    paper: ClassVar[str] = "Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365"  # fmt: skip
    summary: ClassVar[str] = (
        "Whether the cells add up to the difference in score that they share out; 1 when nothing is missing."
    )
    meaning: ClassVar[str] = "The cells account for the score they share out by {:.0%}."
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 60
    Params = NoParams

    def why_not(self, model: Model, method: str | None) -> str:
        if method is None:
            return "This map was not made by a method, so nothing says what its cells should add up to."
        if not METHODS[method].sum_rule:
            return f"{METHODS[method].title} has no sum rule: nothing says what its cells should add up to."
        return ""

    def measure(self, case: Case, params: NoParams) -> Value:
        if case.result.gap is None:
            raise Unmeasured("The method did not say what the cells of this map should add up to.")
        return Value(max(0.0, 1 - case.result.gap))
