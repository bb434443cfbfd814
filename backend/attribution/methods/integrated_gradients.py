"""Integrated gradients: the mean gradient on the line from a baseline to the input, times their difference."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.network.passes import Passes
from backend.attribution.perturbation.removal import BaselineParam, baseline_defaults, chunks
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress
from models.model import Model

WIDE = 0.05
"""Completeness gap from which the map is called rough."""
TINY = 1e-6


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


@register
class IntegratedGradients(Method[IntegratedGradientsParams]):
    """values = sum over channels of (x - b) * sum_k w_k dy_c/dx(b + t_k (x - b)); t_k, w_k Gauss-Legendre
    points and weights on [0, 1].

    Completeness: the map adds up to y_c(x) - y_c(b); `gap` is the relative deviation from it. The two ends
    cost two forward passes more. The steps are ordered so that every prefix covers the line evenly: a partial
    map is a rougher version of the final one.
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
    order: ClassVar[int] = 60
    Params = IntegratedGradientsParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: IntegratedGradientsParams) -> Cost:
        return Cost(forwards=params.n_steps + 2, backwards=params.n_steps)

    def run(
        self, model: Model, x: Tensor, context: Context, params: IntegratedGradientsParams, report: Progress
    ) -> Attribution:
        run = Passes.of(model).run(context.target, params.n_steps)
        baseline = model.input.baseline(x, params.baseline)
        start, difference = run.ready(baseline, "gradient"), run.ready(x - baseline, "gradient")
        points, weights = path(params.n_steps, x)
        total, weight_so_far = torch.zeros_like(difference), 0.0
        for part in chunks(params.n_steps, run.batch("gradient")):
            gradients, _ = run.gradients(start + points[part] * difference)
            total += (weights[part] * gradients).sum(0, keepdim=True)
            weight_so_far += float(weights[part].sum())
            if part.stop < params.n_steps:
                report(
                    part.stop, params.n_steps, (total * difference / weight_so_far)[0].sum(0).cpu().numpy()
                )
        values = (total * difference)[0].sum(0).cpu().numpy()
        top, bottom = (float(run.exact_scores(end)) for end in (x, baseline))
        gap = abs(float(values.sum(dtype=np.float64)) - (top - bottom)) / max(abs(top - bottom), TINY)
        report(params.n_steps, params.n_steps, values)
        return Attribution(
            values=values,
            signed=True,
            native=(values.shape[0], values.shape[1]),
            gap=gap,
            extras={"precision": run.precision, "score": top, "baseline_score": bottom},
            notes=_notes(gap, top - bottom),
            forwards=run.forwards,
            backwards=run.backwards,
        )


def path(n: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points and weights on [0, 1], `[n, 1, 1, 1]` each, in golden-ratio order."""
    points, weights = np.polynomial.legendre.leggauss(n)
    order = np.argsort(np.arange(n) * (np.sqrt(5) - 1) / 2 % 1)
    pair = (
        torch.from_numpy(part[order]).to(x.device, torch.float32).view(-1, 1, 1, 1)
        for part in ((points + 1) / 2, weights / 2)
    )
    return next(pair), next(pair)


def _notes(gap: float, difference: float) -> tuple[str, ...]:
    if abs(difference) < TINY:
        return ("The model scores the baseline like this input: there is no difference to share out.",)
    if gap > WIDE:
        return (f"The map misses {gap:.0%} of the difference in score: use more steps.",)
    return ()
