"""Saliency: how strongly the score depends on each cell, without a sign."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import Saliency as CaptumSaliency
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.gradient import OnePass
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.types import Attribution, Context, NoParams, Progress
from models.model import Model


@register
class Saliency(OnePass):
    """values = max over channels of |dy_c/dx|. By Captum's `Saliency`."""

    key: ClassVar[str] = "saliency"
    title: ClassVar[str] = "Saliency"
    paper: ClassVar[str] = "Simonyan et al., Deep Inside Convolutional Networks, 2013, arXiv 1312.6034"
    summary: ClassVar[str] = (
        "How strongly the score reacts to a small change of each cell, in whichever direction. Noisy."
    )
    signed: ClassVar[bool] = False
    order: ClassVar[int] = 100

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        forward = Forward(model, context, report, passes=1)
        gradient = forward.attribute(CaptumSaliency(forward), x)
        return forward.attribution(gradient[0].amax(0), signed=False)
