"""Shared by the metrics of faithfulness: the choice of a replacement, steps of removal, and curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.measuring.order import ranks
from backend.attribution.measuring.types import Case, Curve, Value
from backend.attribution.perturbation.removal import BaselineParam
from backend.attribution.types import Params
from models.model import Model

StepsParam = Annotated[
    int,
    Field(
        ge=4, le=512, title="Steps", description="How many steps the whole input is removed in; more draw the curve finer.",
        json_schema_extra={"scales_cost": True},
    ),
]  # fmt: skip


class Replaced(Params):
    """A metric that replaces parts of the input."""

    baseline: BaselineParam = "black"


class Stepped(Replaced):
    """One that does so step by step until all is replaced."""

    n_steps: StepsParam = 32


def baseline_defaults(model: Model) -> dict[str, Any]:
    """The first replacement of this kind of input: black, or silence."""
    return {"baseline": model.input.baselines[0]}


def steps_of(cells: int, n_steps: int) -> np.ndarray:
    """Cells removed after each step, int64, from 0 to all: equal steps but for the last, as `features_in_step` of Quantus."""
    size = -(-cells // n_steps)
    return np.minimum(np.arange(-(-cells // size) + 1) * size, cells)


def curve(case: Case, baseline: Any, n_steps: int, first: str) -> Curve:
    """The class's probability while the map's cells are removed, or shown, the brightest first.

    first: `removed` begins with the whole input, `shown` with none of it.
    """
    places = torch.from_numpy(ranks(case.values, case.rng()))
    counts = steps_of(places.numel(), n_steps)

    def masks() -> Iterable[Tensor]:
        for part in torch.from_numpy(counts).split(32):
            shown = places[None] < part[:, None, None]
            case.pause()
            yield shown if first == "shown" else ~shown

    answers = case.sweep.removed(baseline, masks)
    return Curve(counts / places.numel(), answers.probability)


def area(drawn: Curve) -> float:
    """Mean height of a curve, by trapezia."""
    return float((np.diff(drawn.x) * (drawn.y[1:] + drawn.y[:-1]) / 2).sum())


def area_under(case: Case, params: Stepped, first: str) -> Value:
    """The area with its curve, and the area with the input's second kind of replacement."""
    drawn, second = curve(case, params.baseline, params.n_steps, first), case.sweep.second(params.baseline)
    other = None if second is None else area(curve(case, second, params.n_steps, first))
    return Value(area(drawn), curve=drawn, other=other)
