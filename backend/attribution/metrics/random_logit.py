"""Random logit: whether the map of another class looks the same."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from backend.attribution.measuring.noise import interval_of_mean
from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from backend.attribution.types import Params


class RandomLogitParams(Params):
    n_classes: int = Field(3, ge=1, le=50, json_schema_extra={"scales_cost": True}, title="Other classes", description="How many other classes are drawn and explained; Quantus draws a single one.")  # fmt: skip


@register
class RandomLogit(Metric[RandomLogitParams]):
    """Mean over random other classes k of SSIM(R(x, c), R(x, k)), each map `[H, W]` over its largest absolute value and, as in
    Quantus, read as one row of numbers; 1 where both are the same. Quantus' number where it draws the same class. The whole
    map is made again for the other class, so that no part of a product stays behind. The interval is Student's over the classes."""

    key: ClassVar[str] = "random_logit"
    title: ClassVar[str] = "Random logit"
    short: ClassVar[str] = "other class"
    family: ClassVar[Family] = "randomisation"
    paper: ClassVar[str] = "Sixt, Granz and Landgraf, When Explanations Lie, ICML 2020, arXiv 1912.09818"  # fmt: skip
    summary: ClassVar[str] = (
        "How much the map of another class looks like this one; low when the map speaks of its class."
    )
    meaning: ClassVar[str] = "The maps of other classes look like this one by {:.2f}, where 1 is the same."
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = -1.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 50
    needs: ClassVar[frozenset[Need]] = frozenset({"explain"})
    default_on: ClassVar[bool] = True
    Params = RandomLogitParams

    def measure(self, case: Case, params: RandomLogitParams) -> Value:
        others = [index for index in range(len(case.model.labels)) if index != case.target]
        if not others:
            raise Unmeasured("There is no other class to explain.")
        drawn = case.rng(4).choice(others, min(params.n_classes, len(others)), replace=False)
        values = np.array([likeness(case.values, case.again.map(target=int(k))) for k in drawn])
        return Value(float(values.mean()), interval=interval_of_mean(values))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of two maps, each over its largest absolute value, as rows of numbers."""
    from skimage.metrics import structural_similarity

    first, second = (each.ravel() / (np.abs(each).max() or 1.0) for each in (a, b))
    both = np.concatenate([first, second])
    data_range = float(both.max() - both.min())
    if data_range == 0:
        return 1.0
    return float(structural_similarity(first, second, data_range=data_range))
