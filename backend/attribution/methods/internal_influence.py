"""Internal influence: how strongly the score depends on one layer, on the way from a baseline to the input."""

from __future__ import annotations

from typing import Any, ClassVar

from captum.attr import InternalInfluence as CaptumInternalInfluence
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.layer_conductance import PathParams
from backend.attribution.methods.layer_grad_x_activation import of_layer
from backend.attribution.network.captum_adapter import LayerForward
from backend.attribution.perturbation.removal import baseline_defaults
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Progress
from models.model import Model

EVEN = 1e-4
"""A map whose values differ by less than this share of the largest is the same everywhere."""
LINEAR = (
    "The influence is the same everywhere: behind this layer the network only averages. Choose an earlier layer, or layer "
    "conductance."
)


@register
class InternalInfluence(Method[PathParams]):
    """values = sum over channels of sum_k w_k dy_c/dA(b + t_k (x - b)) at the chosen layer, enlarged; A its feature
    maps, t_k, w_k Gauss-Legendre points and weights on [0, 1]. By Captum's `InternalInfluence`, a few points at a time.
    arrays.channels `[C]`: the sum of each feature map. Unlike conductance it is a mean gradient, in logits per unit of
    the layer: it says what would count, whether or not it is there.
    """

    key: ClassVar[str] = "internal_influence"
    title: ClassVar[str] = "Internal influence"
    family: ClassVar[Family] = "cam"
    paper: ClassVar[str] = (
        "Leino et al., Influence-Directed Explanations for Deep Convolutional Networks, 2018, arXiv 1802.03788"
    )
    summary: ClassVar[str] = (
        "Where more activity of one layer would raise the score, or lower it, averaged on the way from the baseline to "
        "this input."
    )
    signed: ClassVar[bool] = True
    uses_layer: ClassVar[bool] = True
    order: ClassVar[int] = 172
    Params = PathParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: PathParams) -> Cost:
        return Cost(forwards=params.n_steps, backwards=params.n_steps)

    def run(
        self, model: Model, x: Tensor, context: Context, params: PathParams, report: Progress
    ) -> Attribution:
        forward = LayerForward(model, context, report, passes=params.n_steps)
        influence = forward.attribute(
            CaptumInternalInfluence(forward, forward.layer),
            x,
            baselines=model.input.baseline(x, params.baseline),
            n_steps=params.n_steps,
            internal_batch_size=LayerForward.batch(model),
        )
        cells = influence.sum(1)
        largest = float(cells.abs().max())
        even = largest > 0 and float(cells.max() - cells.min()) <= EVEN * largest
        return of_layer(forward, influence, x, notes=(LINEAR,) if even else ())
