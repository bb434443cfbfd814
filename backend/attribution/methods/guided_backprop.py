"""Guided backpropagation: the gradient with every negative part cut off at each ReLU."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.grad_cam import NoParams
from backend.attribution.methods.gradient import input_map
from backend.attribution.network.guided import guided_gradient, verdict
from backend.attribution.types import Attribution, Compatibility, Context, Cost, Family, Method, Progress
from models.model import Model


@register
class GuidedBackprop(Method[NoParams]):
    """values = sum over channels of the guided gradient (backend/attribution/network/guided.py).

    The map shows edges that the network reacts to and hardly depends on the class: with random weights behind
    the first layers it stays nearly the same (Adebayo et al. 2018, arXiv 1810.03292).
    """

    key: ClassVar[str] = "guided_backprop"
    title: ClassVar[str] = "Guided backpropagation"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = "Springenberg et al., Striving for Simplicity, 2014, arXiv 1412.6806"
    summary: ClassVar[str] = (
        "Sharp edges that the network reacts to; it hardly depends on the class, so read it together with Grad-CAM."
    )
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 130
    Params = NoParams

    def is_compatible(self, model: Model) -> Compatibility:
        return verdict(model)

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        result = input_map(guided_gradient(model, x, context.target)[0].sum(0), signed=True)
        report(1, 1, result.values)
        return result
