"""Input times gradient: the first-order share of each cell in the score."""

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
class InputXGradient(Method[NoParams]):
    """values = sum over channels of x * dy_c/dx. x is on the network's scale, where zero is not black."""

    key: ClassVar[str] = "input_x_gradient"
    title: ClassVar[str] = "Input x gradient"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = "Shrikumar et al., Not Just a Black Box, 2016, arXiv 1605.01713"
    summary: ClassVar[str] = "What each cell adds to the score if the model were linear around this input."
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 120
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        gradient, _ = Passes.of(model).run(context.target, 1).gradients(x)
        result = input_map((x * gradient)[0].sum(0), signed=True)
        report(1, 1, result.values)
        return result
