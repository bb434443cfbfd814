"""The plain gradient of the score, with its sign."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from captum.attr import Saliency
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.types import Attribution, Context, Cost, Family, Method, NoParams, Progress
from models.model import Model


class OnePass(Method[NoParams], ABC):
    """A method of one forward and one backward pass, without parameters."""

    family: ClassVar[Family] = "gradient"
    unit: ClassVar[str] = "passes"
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)


@register
class Gradient(OnePass):
    """values = sum over channels of dy_c/dx. By Captum's `Saliency` without the absolute value."""

    key: ClassVar[str] = "gradient"
    title: ClassVar[str] = "Gradient"
    paper: ClassVar[str] = (
        "Baehrens et al., How to Explain Individual Classification Decisions, JMLR 2010, arXiv 0912.1128"
    )
    summary: ClassVar[str] = "Positive cells raise the score when brightened, negative ones lower it. Noisy."
    signed: ClassVar[bool] = True
    order: ClassVar[int] = 110

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        forward = Forward(model, context, report, passes=1)
        gradient = forward.attribute(Saliency(forward), x, abs=False)
        return forward.attribution(gradient[0].sum(0), signed=True)
