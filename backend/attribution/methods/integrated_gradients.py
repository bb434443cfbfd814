"""Integrated gradients: the mean gradient on the line from a baseline to the input, times their difference."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.perturbation.removal import BaselineParam, baseline_defaults, chunks
from backend.attribution.quality import MEASURES
from backend.attribution.tolerance import reached, stopped
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, silent
from models.model import Model

WIDE = MEASURES["completeness"].good
"""Completeness gap from which the map is called rough."""
TINY = 1e-6
DOUBLED = "the last doubling changed the map by {share} of its size"
COARSEST = 8
"""Intervals of the first of the nested rules."""


class IntegratedGradientsParams(Params):
    n_steps: int = Field(
        64,
        ge=2,
        le=1000,
        title="Steps",
        description="Points on the way from the baseline to the input; more make the sum exact.",
        json_schema_extra={"scales_cost": True},
    )
    baseline: BaselineParam = "black"
    tolerance: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        title="Stop early at",
        description="Stop as soon as doubling the steps changes the map by less than this share of its size; 0 takes all steps.",
    )


class PathIntegral(CaptumIntegratedGradients):
    """Captum's integrated gradients over points of the path that are given: its public method knows a few rules
    by name and takes their points in order, so that what it has halfway shows half of the path."""

    def attribute(self, inputs: Tensor, baselines: Tensor, points: np.ndarray, weights: np.ndarray) -> Tensor:
        """(x - b) * sum_k w_k dy_c/dx(b + t_k (x - b)), points t and weights w `[K]`: `[1, C, H, W]`."""
        rule = weights.tolist(), points.tolist()
        return self._attribute((inputs,), (baselines,), n_steps=len(points), step_sizes_and_alphas=rule)[0]


@register
class IntegratedGradients(Method[IntegratedGradientsParams]):
    """values = sum over channels of (x - b) * sum_k w_k dy_c/dx(b + t_k (x - b)); t_k, w_k Gauss-Legendre
    points and weights on [0, 1]. By Captum's `IntegratedGradients`.

    Completeness: the map adds up to y_c(x) - y_c(b); `gap` is the relative deviation from it. The two ends
    cost two forward passes more. The steps are ordered so that every prefix covers the line evenly: a partial
    map is a rougher version of the final one.

    tolerance: trapezoid rules instead, which are nested: 8, 16, 32, ... intervals, each rule reusing the
    gradients of the one before, until one rule's map differs from the one before by less than this share of its
    norm (`extras.change`; on photographs it is about twice the error, which halves from rule to rule as it does
    for Gauss-Legendre: the gradient jumps along the path). extras.samples: points used.
    """

    key: ClassVar[str] = "integrated_gradients"
    title: ClassVar[str] = "Integrated gradients"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365"
    )
    summary: ClassVar[str] = (
        "Each cell's share of the difference in score between the baseline and this input; all cells add up to it."
    )
    signed: ClassVar[bool] = True
    sum_rule: ClassVar[bool] = True
    order: ClassVar[int] = 60
    Params = IntegratedGradientsParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: IntegratedGradientsParams) -> Cost:
        points = sum(len(points) for points, _ in rules(params))
        return Cost(forwards=points + 2, backwards=points)

    def run(
        self, model: Model, x: Tensor, context: Context, params: IntegratedGradientsParams, report: Progress
    ) -> Attribution:
        steps = self.cost(model, params).backwards
        forward = Forward(model, context, silent, passes=steps)
        path, baseline = PathIntegral(forward), model.input.baseline(x, params.baseline)
        total, change, done = torch.zeros_like(x), None, 0
        for level, (points, weights) in enumerate(rules(params)):
            added = torch.zeros_like(x)
            for part in chunks(len(points), forward.run.batch("gradient")):
                added += forward.attribute(
                    path, x, baselines=baseline, points=points[part], weights=weights[part]
                )
                done += part.stop - part.start
                rough = total if level else added / float(weights[: part.stop].sum())
                if done < steps:
                    report(done, steps, cells(rough))
            before, total = total, total / 2 + added if level else added
            change = float((total - before).norm() / total.norm().clamp(min=TINY)) if level else None
            if reached(change, params.tolerance):
                break
        values = cells(total)
        top, bottom = forward.run.exact_scores(torch.cat([x, baseline])).tolist()
        gap = abs(float(values.sum(dtype=np.float64)) - (top - bottom)) / max(abs(top - bottom), TINY)
        report(steps, steps, values)
        return forward.attribution(
            values,
            signed=True,
            gap=gap,
            extras={"score": top, "baseline_score": bottom, "samples": done, "change": change},
            notes=(
                *stopped(done, steps, change, params.tolerance, "steps", DOUBLED),
                *_notes(gap, top - bottom),
            ),
        )


def cells(values: Tensor) -> np.ndarray:
    """Summed over the channels: `[1, C, H, W]` -> `[H, W]`."""
    result: np.ndarray = values[0].sum(0).cpu().numpy()
    return result


def rules(params: IntegratedGradientsParams) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points and weights on [0, 1]. Gauss-Legendre, in golden-ratio order; with a tolerance the trapezoid rule of
    8 intervals, then the midpoints that make the next rule: T_2n = T_n / 2 + sum of g at the midpoints / 2n."""
    if not params.tolerance:
        points, weights = np.polynomial.legendre.leggauss(params.n_steps)
        order = np.argsort(np.arange(params.n_steps) * (np.sqrt(5) - 1) / 2 % 1)
        return [((points[order] + 1) / 2, weights[order] / 2)]
    n = min(COARSEST, params.n_steps)
    levels = [(np.arange(n + 1) / n, np.r_[0.5, np.ones(n - 1), 0.5] / n)]
    while 2 * n <= params.n_steps:
        levels.append(((np.arange(n) + 0.5) / n, np.full(n, 0.5 / n)))
        n *= 2
    return levels


def _notes(gap: float, difference: float) -> tuple[str, ...]:
    if abs(difference) < TINY:
        return ("The model scores the baseline like this input: there is no difference to share out.",)
    if gap > WIDE:
        return (f"The map misses {gap:.0%} of the difference in score: use more steps.",)
    return ()
