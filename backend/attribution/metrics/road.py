"""ROAD: whether the class stays the first guess when the brightest cells are blended into their surroundings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.measuring.imputation import impute
from backend.attribution.measuring.order import ranks
from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.types import Case, Curve, Direction, Family, Metric, Value
from backend.attribution.metrics import register
from backend.attribution.types import Params


class RoadParams(Params):
    n_steps: int = Field(10, ge=2, le=50, json_schema_extra={"scales_cost": True}, title="Steps", description="How many shares of the input are removed; 50 are those of Quantus (1 %, 3 %, ... 99 %).")  # fmt: skip
    noise: float = Field(
        0.01,
        ge=0.0,
        le=1.0,
        title="Noise",
        description="Standard deviation of what is added to the filled cells, in units of the network's input.",
    )


@register
class Road(Metric[RoadParams]):
    """Mean over the removed shares p = (2 i - 1) / (2 n), i = 1..n, of 1[class c is the first guess for x with the p brightest
    cells of R `[H, W]` filled in]; each filled cell is the weighted mean of its neighbours plus normal noise. Equal cells go
    in random order. Quantus' numbers, averaged over the shares. There is no replacement to choose, and nothing to flip.

    The interval: none, for the noise is too small to matter and the shares are not drawn.
    """

    key: ClassVar[str] = "road"
    title: ClassVar[str] = "ROAD"
    short: ClassVar[str] = "ROAD"
    family: ClassVar[Family] = "faithfulness"
    paper: ClassVar[str] = "Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022, arXiv 2202.00449"  # fmt: skip
    summary: ClassVar[str] = (
        "How long the class stays the first guess while the brightest cells are blended into their surroundings."
    )
    meaning: ClassVar[str] = (
        "The class stays the first guess in {:.0%} of the steps in which the brightest cells are blended away."
    )
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0
    order: ClassVar[int] = 14
    Params = RoadParams

    def measure(self, case: Case, params: RoadParams) -> Value:
        if not case.sweep.own.top[0]:
            raise Unmeasured("The class is not the network's first guess, so it cannot lose that place.")
        places = ranks(case.values, case.rng())
        shares = (2 * np.arange(params.n_steps) + 1) / (2 * params.n_steps)
        x, rng = case.x[0].double().cpu().numpy(), case.rng(3)

        def batches() -> Iterable[Tensor]:
            for share in shares:
                case.pause()
                yield torch.from_numpy(filled(x, places < int(places.size * share), params.noise, rng)).to(
                    case.x
                )[None]

        stays = case.sweep.answers(grouped(batches(), case.sweep.plan.batch)).top.astype(np.float64)
        return Value(
            float(stays.mean()),
            curve=Curve(np.array([0.0, *shares, 1.0]), np.array([1.0, *stays, stays[-1]])),
        )


def filled(x: np.ndarray, removed: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """`x [C, H, W]` with the removed cells bool `[H, W]` filled in."""
    result = x.copy()
    if removed.any():
        values = impute(x, removed)
        result[:, removed] = values + noise * rng.standard_normal(values.shape)
    return result


def grouped(inputs: Iterable[Tensor], size: int) -> Iterable[Tensor]:
    """Inputs `[1, C, H, W]` in batches of so many."""
    group: list[Tensor] = []
    for each in inputs:
        group.append(each)
        if len(group) == size:
            yield torch.cat(group)
            group = []
    if group:
        yield torch.cat(group)
