"""Input times gradient: the first-order share of each cell in the score."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import InputXGradient as CaptumInputXGradient
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.gradient import OnePass
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.types import Attribution, Context, NoParams, Progress
from models.model import Model


@register
class InputXGradient(OnePass):
    """values = sum over channels of x * dy_c/dx. x is on the network's scale, where zero is not black. By
    Captum's `InputXGradient`."""

    key: ClassVar[str] = "input_x_gradient"
    title: ClassVar[str] = "Input x gradient"
    paper: ClassVar[str] = "Shrikumar et al., Not Just a Black Box, 2016, arXiv 1605.01713"
    summary: ClassVar[str] = "What each cell adds to the score if the model were linear around this input."
    signed: ClassVar[bool] = True
    order: ClassVar[int] = 120

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        forward = Forward(model, context, report, passes=1)
        product = forward.attribute(CaptumInputXGradient(forward), x)
        return forward.attribution(product[0].sum(0), signed=True)
