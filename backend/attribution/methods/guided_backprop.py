"""Guided backpropagation: the gradient with every negative part cut off at each ReLU."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import Saliency
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.gradient import OnePass
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.network.rectifiers import guided, verdict
from backend.attribution.types import Attribution, Compatibility, Context, NoParams, Progress
from models.model import Model


@register
class GuidedBackprop(OnePass):
    """values = sum over channels of the guided gradient: at each ReLU only what is positive, in the forward
    and in the backward pass, goes on.

    Captum's `Saliency` of the network under our rule for the ReLUs (backend/attribution/network/rectifiers.py).
    Captum's `GuidedBackprop` hooks `nn.ReLU` modules: it leaves functional ReLUs and ReLU6 (MobileNetV2) at the
    plain gradient without a word, and refuses in-place ones. Where all are modules the two agree.

    The map shows edges that the network reacts to and hardly depends on the class: with random weights behind
    the first layers it stays nearly the same (Adebayo et al. 2018, arXiv 1810.03292).
    """

    key: ClassVar[str] = "guided_backprop"
    title: ClassVar[str] = "Guided backpropagation"
    paper: ClassVar[str] = "Springenberg et al., Striving for Simplicity, 2014, arXiv 1412.6806"
    summary: ClassVar[str] = (
        "Sharp edges that the network reacts to; it hardly depends on the class, so read it together with Grad-CAM."
    )
    signed: ClassVar[bool] = True
    order: ClassVar[int] = 130

    def is_compatible(self, model: Model) -> Compatibility:
        return verdict(model)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        forward = Forward(model, context, report, passes=1, within=guided)
        gradient = forward.attribute(Saliency(forward), x, abs=False)
        return forward.attribution(gradient[0].sum(0), signed=True)
