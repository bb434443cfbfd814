"""Occlusion: how far the score falls when a window is covered."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from captum.attr import FeatureAblation
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.perturbation.removal import BaselineParam, baseline_defaults
from backend.attribution.perturbation.segment_space import SegmentForward
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

    By Captum's `FeatureAblation` with a window as a feature. Its own `Occlusion` builds every covered image in
    float32, which is no faster (5 % more processor time on a ResNet-18), and has no map before the last window.
    The last window of a row or column is cut off at the border, as there.
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
        rows, columns = (bands(side, params) for side in model.input.shape[1:])
        return Cost(forwards=1 + len(rows) * len(columns), backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: OcclusionParams, report: Progress
    ) -> Attribution:
        rows, columns = (bands(side, params).to(x.device) for side in x.shape[-2:])
        count = len(rows) * len(columns)

        def shown(windows: Tensor) -> Tensor:
            taken = (~windows).float().view(-1, len(rows), len(columns))
            return rows.T @ taken @ columns < 0.5

        def partial() -> np.ndarray | None:
            falls = forward.scores[0] - forward.scores[1:]
            return mean_over_windows(falls, rows, columns) if len(falls) else None

        forward = SegmentForward(
            model, x, params.baseline, shown, context, report, passes=1 + count, partial=partial
        )
        falls = forward.attribute(
            FeatureAblation(forward),
            forward.everything(count),
            baselines=0,
            perturbations_per_eval=forward.batch,
        )[0]
        return forward.attribution(
            mean_over_windows(falls.cpu().numpy(), rows, columns),
            signed=True,
            native=(len(rows), len(columns)),
            extras={"score": float(forward.scores[0])},
        )


def bands(side: int, params: OcclusionParams) -> Tensor:
    """Which cells along a side each place of the window covers, float32 `[places, side]` of 0 and 1."""
    length = max(1, round(params.window * side))
    step = min(length, max(1, round(params.stride * side)))
    count = -(-max(0, side - length) // step) + 1
    behind = torch.arange(side) - step * torch.arange(count)[:, None]
    return ((behind >= 0) & (behind < length)).float()


def mean_over_windows(falls: np.ndarray, rows: Tensor, columns: Tensor) -> np.ndarray:
    """Mean for each cell of the values of the windows that cover it, float32 `[H, W]`; 0 where none does.

    falls: of the first n windows, left to right and top to bottom. rows, columns: `bands`.
    """
    down, across = rows.cpu().double().numpy(), columns.cpu().double().numpy()
    values, done = np.zeros((2, len(down) * len(across)))
    values[: len(falls)], done[: len(falls)] = falls, 1
    total, covering = (down.T @ part.reshape(len(down), len(across)) @ across for part in (values, done))
    result: np.ndarray = (total / covering.clip(min=1)).astype(np.float32)
    return result
