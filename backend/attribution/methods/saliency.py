"""Saliency: how strongly the score depends on each cell, without a sign."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.grad_cam import NoParams
from backend.attribution.methods.gradient import input_map
from backend.attribution.network.passes import Passes
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Progress
from models.model import Model


@register
class Saliency(Method[NoParams]):
    """values = max over channels of |dy_c/dx|."""

    key: ClassVar[str] = "saliency"
    title: ClassVar[str] = "Saliency"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = "Simonyan et al., Deep Inside Convolutional Networks, 2013, arXiv 1312.6034"
    summary: ClassVar[str] = (
        "How strongly the score reacts to a small change of each cell, in whichever direction. Noisy."
    )
    signed: ClassVar[bool] = False
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 100
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        gradient, _ = Passes.of(model).run(context.target, 1).gradients(x)
        result = input_map(gradient[0].abs().amax(0), signed=False)
        report(1, 1, result.values)
        return result
