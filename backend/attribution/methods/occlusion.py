"""Occlusion: how far the score falls when a window is covered."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.network.passes import Passes
from backend.attribution.perturbation.removal import BaselineParam, Removal, baseline_defaults, chunks
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress
from models.model import Model


class OcclusionParams(Params):
    window: float = Field(
        0.15,
        ge=0.02,
        le=1.0,
        title="Window",
        description="Sides of the covered rectangle as a share of the input's sides.",
    )
    stride: float = Field(
        0.06,
        ge=0.02,
        le=1.0,
        title="Step",
        description="How far the rectangle moves, as a share of the sides; half the step costs four times.",
    )
    baseline: BaselineParam = "black"


@register
class Occlusion(Method[OcclusionParams]):
    """values_ij = mean over the windows that cover cell ij of y_c(x) - y_c(x with the window replaced); 0
    for a cell that no window covers.

    The last window of a row or column is cut off at the border, as in Captum.
    """

    key: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Occlusion"
    family: ClassVar[Family] = "perturbation"
    paper: ClassVar[str] = (
        "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv 1311.2901"
    )
    summary: ClassVar[str] = (
        "How much the score falls when this place is covered; negative where covering raises it."
    )
    signed: ClassVar[bool] = True
    pieces: ClassVar[bool] = True
    unit: ClassVar[str] = "windows"
    order: ClassVar[int] = 90
    Params = OcclusionParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: OcclusionParams) -> Cost:
        return Cost(forwards=1 + len(windows(model.input.shape[1:], params)), backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: OcclusionParams, report: Progress
    ) -> Attribution:
        places = windows((x.shape[-2], x.shape[-1]), params)
        run = Passes.of(model).run(context.target, 1 + len(places))
        removal = Removal(run, x, model.input.baseline(x, params.baseline))
        whole = float(removal.scores(torch.ones(1, *x.shape[-2:], dtype=torch.bool, device=x.device)))
        total, count = np.zeros(x.shape[-2:]), np.zeros(x.shape[-2:])
        for part in chunks(len(places), run.batch("forward")):
            keep = torch.ones(part.stop - part.start, *x.shape[-2:], dtype=torch.bool)
            for mask, (rows, columns) in zip(keep, places[part], strict=True):
                mask[rows, columns] = False
            scores = removal.scores(keep.to(x.device)).double().cpu().numpy()
            for score, (rows, columns) in zip(scores, places[part], strict=True):
                total[rows, columns] += whole - score
                count[rows, columns] += 1
            report(part.stop, len(places), (total / count.clip(min=1)).astype(np.float32))
        values = (total / count.clip(min=1)).astype(np.float32)
        grid = (len({rows.start for rows, _ in places}), len({columns.start for _, columns in places}))
        return Attribution(
            values=values,
            signed=True,
            native=grid,
            extras={"precision": run.precision, "score": whole},
            forwards=run.forwards,
            backwards=0,
        )


def windows(size: tuple[int, ...], params: OcclusionParams) -> list[tuple[slice, slice]]:
    """Rows and columns of every window, left to right and top to bottom."""
    rows, columns = (_places(side, params) for side in size)
    return [(row, column) for row in rows for column in columns]


def _places(side: int, params: OcclusionParams) -> list[slice]:
    length = max(1, round(params.window * side))
    step = min(length, max(1, round(params.stride * side)))
    count = -(-max(0, side - length) // step) + 1
    return [slice(i * step, min(side, i * step + length)) for i in range(count)]
