"""Layer conductance: how the difference in score between baseline and input flows through one layer."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from captum.attr import LayerConductance as CaptumLayerConductance
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.layer_grad_x_activation import of_layer
from backend.attribution.network.captum_adapter import LayerForward
from backend.attribution.network.completeness import completeness
from backend.attribution.perturbation.removal import BaselineParam, baseline_defaults
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress
from models.model import Model


class PathParams(Params):
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
class LayerConductance(Method[PathParams]):
    """values = sum over channels, at the chosen layer, of sum_i dy_c/dA(x_i) * (A(x_i+1) - A(x_i)), enlarged; A the
    layer's feature maps, x_i n + 1 equal steps from the baseline b to the input x. By Captum's `LayerConductance`, a
    few points at a time. arrays.channels `[C]`: the sum of each feature map.

    Completeness: a layer that all paths go through adds up to y_c(x) - y_c(b); `gap` is the relative deviation. It
    stays where a shortcut passes the layer by. extras: score, baseline_score.
    """

    key: ClassVar[str] = "layer_conductance"
    title: ClassVar[str] = "Layer conductance"
    family: ClassVar[Family] = "cam"
    paper: ClassVar[str] = "Dhamdhere et al., How Important Is a Neuron?, ICLR 2019, arXiv 1805.12233"
    summary: ClassVar[str] = (
        "How much of the difference in score between the baseline and this input flows through each area of one layer."
    )
    signed: ClassVar[bool] = True
    sum_rule: ClassVar[bool] = True
    uses_layer: ClassVar[bool] = True
    order: ClassVar[int] = 170
    Params = PathParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: PathParams) -> Cost:
        passes = params.n_steps + math.ceil(params.n_steps / (LayerForward.batch(model) - 1))
        return Cost(forwards=passes + 2, backwards=passes)  # neighbouring batches share a point

    def run(
        self, model: Model, x: Tensor, context: Context, params: PathParams, report: Progress
    ) -> Attribution:
        forward = LayerForward(model, context, report, passes=self.cost(model, params).backwards)
        baseline = model.input.baseline(x, params.baseline)
        shares = forward.attribute(
            CaptumLayerConductance(forward, forward.layer),
            x,
            baselines=baseline,
            n_steps=params.n_steps,
            method="riemann_trapezoid",
            internal_batch_size=LayerForward.batch(model),
        )
        complete = completeness(forward.run, shares, x, baseline)
        return of_layer(
            forward,
            shares,
            x,
            gap=complete.gap,
            extras=complete.extras,
            notes=complete.notes("use more steps, or a layer that no shortcut passes by"),
        )
