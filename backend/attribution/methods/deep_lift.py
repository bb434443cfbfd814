"""DeepLIFT: differences from a baseline, followed back layer by layer."""

from __future__ import annotations

from typing import Any, ClassVar

from captum.attr import DeepLift
from torch import Tensor, nn

from backend.attribution.lrp.rescale import rescalable, verdict
from backend.attribution.methods import register
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.network.completeness import completeness
from backend.attribution.perturbation.removal import BaselineParam, baseline_defaults
from backend.attribution.types import (
    Attribution,
    Compatibility,
    Context,
    Cost,
    Family,
    Method,
    Params,
    Progress,
)
from models.model import Model

TINY = 1e-6
"""Differences of an activation's input below this take its gradient: their ratio would be rounding."""


class DeepLiftParams(Params):
    baseline: BaselineParam = "black"


class Score(nn.Module):
    """The explained logit of a network, as a module."""

    def __init__(self, network: nn.Module, model: Model, target: int) -> None:
        super().__init__()
        self.network, self._model, self._target = network, model, target

    def forward(self, x: Tensor) -> Tensor:
        return self._model.select(self.network(x), self._target)


@register
class DeepLIFT(Method[DeepLiftParams]):
    """values = sum over channels of (x - b) * m, where m goes back through the network like a gradient, but with
    (f(x) - f(b)) / (x - b) in place of f' at each activation f (the Rescale rule).

    By Captum's `DeepLift`, on a copy of the network that it gets right (backend/attribution/lrp/rescale.py): on the
    network itself it refuses shared activations, and is wrong without a word on functional ones, those it does not
    know, max pooling behind a ReLU or with overlap, and inputs of an activation that something else reads. What cannot be carried is refused by name. Completeness: the
    map adds up to y_c(x) - y_c(b); `gap` is the relative deviation. extras: score, baseline_score.
    """

    key: ClassVar[str] = "deep_lift"
    title: ClassVar[str] = "DeepLIFT"
    family: ClassVar[Family] = "propagation"
    paper: ClassVar[str] = (
        "Shrikumar et al., Learning Important Features Through Propagating Activation Differences, ICML 2017, "
        "arXiv 1704.02685; our reading for products"
    )
    summary: ClassVar[str] = (
        "Each cell's share of the difference in score between the baseline and this input, in one pass back through "
        "the network; all cells add up to it."
    )
    signed: ClassVar[bool] = True
    sum_rule: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 160
    Params = DeepLiftParams

    def is_compatible(self, model: Model) -> Compatibility:
        return verdict(model)

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: DeepLiftParams) -> Cost:
        return Cost(forwards=4, backwards=2)

    def run(
        self, model: Model, x: Tensor, context: Context, params: DeepLiftParams, report: Progress
    ) -> Attribution:
        forward = Forward(model, context, report, passes=2)
        baseline = model.input.baseline(x, params.baseline)
        algorithm = DeepLift(Score(rescalable(model), model, context.target), eps=TINY)
        shares = forward.attribute(algorithm, x, baselines=baseline)[0].sum(0)
        forward.run.forwards += 2  # input and baseline go through the copy together
        forward.run.backwards += 2
        report(1, 1)
        complete = completeness(forward.run, shares, x, baseline)
        return forward.attribution(
            shares,
            signed=True,
            gap=complete.gap,
            extras=complete.extras,
            plan="rewritten step by step, float32",
            notes=complete.notes("compare it with integrated gradients"),
        )
