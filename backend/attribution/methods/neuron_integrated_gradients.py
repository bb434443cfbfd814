"""Neuron integrated gradients: each cell's share in the activation of one feature map of a layer."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from captum.attr import NeuronIntegratedGradients as CaptumNeuronIntegratedGradients
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.layer_conductance import PathParams
from backend.attribution.methods.neuron_gradient import FeatureMap, FeatureMapParams
from backend.attribution.network.captum_adapter import Forward, LayerForward
from backend.attribution.network.completeness import Completeness
from backend.attribution.perturbation.removal import baseline_defaults
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Progress
from models.model import Model


class NeuronPathParams(PathParams, FeatureMapParams):
    """A path, and the feature map at its end."""


@register
class NeuronIntegratedGradients(Method[NeuronPathParams]):
    """values = sum over channels of (x - b) * sum_k w_k da/dx(b + t_k (x - b)); a the mean over its cells of one feature
    map of the chosen layer, t_k, w_k Gauss-Legendre points and weights on [0, 1]. The class does not matter. By Captum's
    `NeuronIntegratedGradients`, a few points at a time.

    Completeness: the map adds up to a(x) - a(b); `gap` is the relative deviation. extras: activation,
    baseline_activation, feature_map, explains (see `NeuronGradient`).
    """

    key: ClassVar[str] = "neuron_integrated_gradients"
    title: ClassVar[str] = "Neuron integrated gradients"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365; of a feature map in place "
        "of a class"
    )
    summary: ClassVar[str] = (
        "Each cell's share in how active one filter of a layer is, against a baseline; all cells add up to it. Whatever the "
        "class."
    )
    signed: ClassVar[bool] = True
    sum_rule: ClassVar[bool] = True
    uses_layer: ClassVar[bool] = True
    order: ClassVar[int] = 178
    Params = NeuronPathParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: NeuronPathParams) -> Cost:
        return Cost(forwards=params.n_steps + 2, backwards=params.n_steps)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NeuronPathParams, report: Progress
    ) -> Attribution:
        baseline = model.input.baseline(x, params.baseline)
        chosen = FeatureMap(model, context, torch.cat([x, baseline]), params.feature_map)
        forward = Forward(model, context, report, passes=params.n_steps, exact=True)
        shares = forward.attribute(
            CaptumNeuronIntegratedGradients(forward, chosen.layer),
            x,
            neuron_selector=chosen.selector,
            baselines=baseline,
            n_steps=params.n_steps,
            internal_batch_size=LayerForward.batch(model),
        )
        forward.run.forwards += chosen.forwards
        forward.run.backwards += params.n_steps
        here, there = chosen.means.tolist()
        complete = Completeness(float(shares.double().sum()), here, there, of="activation")
        return forward.attribution(
            shares[0].sum(0),
            signed=True,
            gap=complete.gap,
            extras={**complete.extras, **chosen.extras},
            notes=complete.notes("use more steps"),
        )
