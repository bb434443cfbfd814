"""Maximum sensitivity: the largest change of the map among noisy copies of the input."""

from __future__ import annotations

from typing import ClassVar

from backend.attribution.measuring.noise import SensitivityParams, sensitivities
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register


@register
class MaxSensitivity(Metric[SensitivityParams]):
    """Largest over noisy copies x' of |R(x) - R(x')| / |R(x)|, Frobenius norms of the maps `[H, W]`; the copies of the average
    sensitivity, shared with it. Quantus' number, with 10 copies by default where it takes 200. No interval: the largest of a few
    says nothing of larger ones, and more copies can only raise it."""

    key: ClassVar[str] = "max_sensitivity"
    title: ClassVar[str] = "Maximum sensitivity"
    short: ClassVar[str] = "max. sensitiv."
    family: ClassVar[Family] = "robustness"
    paper: ClassVar[str] = "Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, arXiv 1901.09392"  # fmt: skip
    summary: ClassVar[str] = (
        "The largest change of the map among copies of the input with a little noise; low for a steady map."
    )
    meaning: ClassVar[str] = "With a little noise on the input the map changes by up to {:.2f} of its size."
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = None
    order: ClassVar[int] = 21
    needs: ClassVar[frozenset[Need]] = frozenset({"explain"})
    Params = SensitivityParams

    def measure(self, case: Case, params: SensitivityParams) -> Value:
        return Value(float(sensitivities(case, params).max()))
