"""The plain gradient of the score, with its sign."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.grad_cam import NoParams
from backend.attribution.network.passes import Passes
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Progress
from models.model import Model


def input_map(values: Tensor, *, signed: bool) -> Attribution:
    """The result of a method of one forward and one backward pass at input resolution. values: `[H, W]`."""
    array: np.ndarray = values.detach().cpu().numpy()
    return Attribution(
        values=array, signed=signed, native=(array.shape[0], array.shape[1]), forwards=1, backwards=1
    )


@register
class Gradient(Method[NoParams]):
    """values = sum over channels of dy_c/dx."""

    key: ClassVar[str] = "gradient"
    title: ClassVar[str] = "Gradient"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Baehrens et al., How to Explain Individual Classification Decisions, JMLR 2010, arXiv 0912.1128"
    )
    summary: ClassVar[str] = "Positive cells raise the score when brightened, negative ones lower it. Noisy."
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 110
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        gradient, _ = Passes.of(model).run(context.target, 1).gradients(x)
        result = input_map(gradient[0].sum(0), signed=True)
        report(1, 1, result.values)
        return result
