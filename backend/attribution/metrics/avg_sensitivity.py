"""Average sensitivity: how much the map changes, on average, when a little noise is added to the input."""

from __future__ import annotations

from typing import ClassVar

from backend.attribution.measuring.noise import SensitivityParams, interval_of_mean, sensitivities
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register


@register
class AvgSensitivity(Metric[SensitivityParams]):
    """Mean over noisy copies x' of |R(x) - R(x')| / |R(x)|, Frobenius norms of the maps `[H, W]`; x' = x + uniform noise, same class,
    layer, parameters and seed. Quantus' number, with 10 copies by default where it takes 200. Captum's `sensitivity_max` is the
    largest of the same. The interval is Student's over the copies."""

    key: ClassVar[str] = "avg_sensitivity"
    title: ClassVar[str] = "Average sensitivity"
    short: ClassVar[str] = "avg. sensitiv."
    family: ClassVar[Family] = "robustness"
    paper: ClassVar[str] = "Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, arXiv 1901.09392"  # fmt: skip
    summary: ClassVar[str] = (
        "How much the map changes on average when every value of the input moves a little; low for a steady map."
    )
    meaning: ClassVar[str] = (
        "With a little noise on the input the map changes by {:.2f} of its size on average."
    )
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = None
    order: ClassVar[int] = 20
    needs: ClassVar[frozenset[Need]] = frozenset({"explain"})
    default_on: ClassVar[bool] = True
    Params = SensitivityParams

    def measure(self, case: Case, params: SensitivityParams) -> Value:
        values = sensitivities(case, params)
        return Value(float(values.mean()), interval=interval_of_mean(values))
