"""GradientSHAP: gradients at random points between the input and its baselines, times their difference."""

from __future__ import annotations

from typing import ClassVar

import torch
from captum.attr import GradientShap
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.smooth_grad import Moments
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.network.completeness import completeness
from backend.attribution.perturbation.removal import unsure
from backend.attribution.tolerance import ToleranceParam, reached, stopped
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress
from models.model import Model

CHANCE = 0.25
"""Completeness gap from which a note says so: with few points a smaller one is chance."""


class GradientShapParams(Params):
    n_samples: int = Field(
        100,
        ge=1,
        le=2000,
        title="Random points",
        description="How many gradients are averaged; the error falls with the square root.",
        json_schema_extra={"scales_cost": True},
    )
    noise: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        title="Noise",
        description="Standard deviation of noise added to the input, as a share of its range; 0 adds none.",
    )
    tolerance: ToleranceParam = 0.0


@register
class GradientSHAP(Method[GradientShapParams]):
    """values = sum over channels of the mean over n of (x + e - b) * dy_c/dx at b + u (x + e - b); u uniform on [0, 1],
    b one of the baselines of this kind of input (black, mean and blur, or silence, mean and blur) at random,
    e ~ N(0, sigma^2), sigma = noise * (max x - min x).

    By Captum's `GradientShap`, one random point for each of a batch of copies of the input, so that a round gives
    single samples: their spread is the standard error (extras.uncertainty, as a share of the map's spread).
    Completeness on average: the map adds up to y_c(x) minus the mean score of the baselines; `gap` is the relative
    deviation, which falls with the square root of n. extras: score, baseline_score.
    """

    key: ClassVar[str] = "gradient_shap"
    title: ClassVar[str] = "GradientSHAP"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017, arXiv 1705.07874"
    )
    summary: ClassVar[str] = (
        "Each cell's share of the difference in score between this input and several baselines together, estimated from "
        "random points between them."
    )
    signed: ClassVar[bool] = True
    sum_rule: ClassVar[bool] = True
    unit: ClassVar[str] = "points"
    order: ClassVar[int] = 162
    Params = GradientShapParams

    def cost(self, model: Model, params: GradientShapParams) -> Cost:
        baselines = len(model.input.baselines)
        return Cost(forwards=params.n_samples + 1 + baselines, backwards=params.n_samples)

    def run(
        self, model: Model, x: Tensor, context: Context, params: GradientShapParams, report: Progress
    ) -> Attribution:
        samples, sigma = Moments(), params.noise * float(x.max() - x.min())

        forward = Forward(
            model,
            context,
            report,
            passes=params.n_samples,
            partial=lambda: samples.mean.float().cpu().numpy(),
        )
        algorithm = GradientShap(forward)
        baselines = torch.cat([model.input.baseline(x, kind) for kind in model.input.baselines])
        for size in forward.rounds(params.n_samples, lambda: reached(samples.uncertainty, params.tolerance)):
            copies = x.expand(size, *x.shape[1:])
            samples.add(
                forward.attribute(algorithm, copies, baselines=baselines, n_samples=1, stdevs=sigma).sum(1)
            )
        complete = completeness(forward.run, samples.mean, x, baselines)
        return forward.attribution(
            samples.mean,
            signed=True,
            gap=complete.gap,
            extras={**complete.extras, "samples": samples.n, "uncertainty": samples.uncertainty},
            notes=(
                *stopped(samples.n, params.n_samples, samples.uncertainty, params.tolerance, "points"),
                *(unsure(samples.uncertainty, samples.n) or complete.notes("use more points", CHANCE)),
            ),
        )
