"""Infidelity: how far the map, taken as weights of the input, misses what removing patches costs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.removal import Replaced, baseline_defaults
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.metrics import register
from models.model import Model
from models.spec import Baseline

SIDE = 16
"""Patches along a side at most, unless smaller ones are asked for."""
LEAST = 4
"""Side of a patch by default, in cells, where that makes no more than `SIDE` of them: as in Quantus."""


class InfidelityParams(Replaced):
    patch: int = Field(LEAST, ge=1, le=512, title="Patch", description="Side of a removed square in cells; half the side takes four times as long.")  # fmt: skip
    removal: Literal["growing", "single"] = Field(
        "growing",
        title="Removal",
        description="growing: patches are removed one after the other and stay removed, as in Quantus. single: each patch alone, as in the paper.",
    )
    scaled: bool = Field(
        False,
        title="Best scale",
        description="Multiply the map by the number that fits best first: only then can methods whose maps have other units be compared.",
    )


@register
class Infidelity(Metric[InfidelityParams]):
    """Mean over patches P of (sum_{i in P, channels} R_i (x_i - b_i) - (y_c(x) - y_c(x with P replaced by b)))^2; y_c is the
    logit, R `[H, W]` counts for each channel.

    growing: P grows patch by patch in reading order, which is Quantus' number; single: each patch alone, Captum's with such
    perturbations. scaled: R is multiplied first by beta = mean(a d) / mean(a^2), a the sums and d the differences, as with
    Captum's `normalize`. Nothing is drawn. The replies do not depend on the map: all maps of an input share them.
    """

    key: ClassVar[str] = "infidelity"
    title: ClassVar[str] = "Infidelity"
    short: ClassVar[str] = "infidelity"
    family: ClassVar[Family] = "faithfulness"
    paper: ClassVar[str] = (
        "Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, arXiv 1901.09392"
    )
    summary: ClassVar[str] = (
        "How far the score falls from what the map would have it fall when patches of the input are removed."
    )
    meaning: ClassVar[str] = "The map misses what removal costs by a mean square of {:.3g}."
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    order: ClassVar[int] = 13
    needs: ClassVar[frozenset[Need]] = frozenset({"baseline"})
    Params = InfidelityParams

    def defaults(self, model: Model) -> dict[str, Any]:
        sides = model.input.shape[1:]
        return {**baseline_defaults(model), "patch": max(LEAST, min(512, -(-max(sides) // SIDE)))}

    def measure(self, case: Case, params: InfidelityParams) -> Value:
        value = self._with(case, params, params.baseline)
        second = case.sweep.second(params.baseline)
        return Value(value, other=None if second is None else self._with(case, params, second))

    @staticmethod
    def _with(case: Case, params: InfidelityParams, kind: Baseline) -> float:
        height, width = case.values.shape
        rows = -(-height // params.patch)
        columns = -(-width // params.patch)
        number = (np.arange(height)[:, None] // params.patch) * columns + np.arange(width) // params.patch
        change = (case.x - case.sweep.baseline(kind))[0].sum(0).double().cpu().numpy()
        shares = np.bincount(number.ravel(), (case.values * change).ravel(), minlength=rows * columns)
        grows = params.removal == "growing"
        sums = shares.cumsum() if grows else shares
        numbers = torch.from_numpy(number)

        def masks() -> Iterable[Tensor]:
            for part in torch.arange(rows * columns).split(case.sweep.plan.batch):
                case.pause()
                yield numbers > part[:, None, None] if grows else numbers != part[:, None, None]

        answers = case.sweep.removed(kind, masks, f"patches {params.patch} {params.removal}")
        falls = case.sweep.score - answers.score
        power = float((sums**2).mean())
        if params.scaled:
            if power == 0 or not math.isfinite(power):
                raise Unmeasured("The map gives nothing to what the replacement changes: no scale fits it.")
            sums = sums * (sums * falls).mean() / power
        return float(((sums - falls) ** 2).mean())
