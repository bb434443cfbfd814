"""Local Lipschitz estimate: how fast the map can change around this input."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from backend.attribution.measuring.noise import CopiesParam
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from backend.attribution.types import Params


class LipschitzParams(Params):
    n_samples: CopiesParam = 10
    noise: float = Field(0.1, ge=1e-6, le=10.0, title="Noise", description="Standard deviation of the normal noise, in units of the network's input.")  # fmt: skip


@register
class LocalLipschitzEstimate(Metric[LipschitzParams]):
    """Largest over noisy copies x' of |R(x) - R(x')| / |x - x'|, Euclidean, each map `[H, W]` over its largest absolute value;
    x' = x + normal noise. Quantus' number, with 10 copies by default where it takes 200. No interval: see the maximum
    sensitivity."""

    key: ClassVar[str] = "local_lipschitz_estimate"
    title: ClassVar[str] = "Local Lipschitz estimate"
    short: ClassVar[str] = "Lipschitz"
    family: ClassVar[Family] = "robustness"
    paper: ClassVar[str] = "Alvarez-Melis and Jaakkola, On the Robustness of Interpretability Methods, 2018, arXiv 1806.08049"  # fmt: skip
    summary: ClassVar[str] = "How fast the map changes for a small change of the input; low for a steady map."
    meaning: ClassVar[str] = (
        "Around this input the map changes by up to {:.3g} for a change of one in the input."
    )
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = None
    order: ClassVar[int] = 22
    needs: ClassVar[frozenset[Need]] = frozenset({"explain"})
    Params = LipschitzParams

    def measure(self, case: Case, params: LipschitzParams) -> Value:
        own, rates = scaled(case.values), []
        for number in range(params.n_samples):
            x, values = case.again.noisy("normal", params.noise, number)
            moved = float((x - case.x).double().norm())
            rates.append(float(np.linalg.norm(own - scaled(values))) / (moved + 1e-10))
        return Value(max(rates))


def scaled(values: np.ndarray) -> np.ndarray:
    """A map over its largest absolute value; an empty one as it is."""
    largest = np.abs(values).max()
    return values / largest if largest > 0 else values
