"""Deconvolution: the way back through the network with every ReLU applied to what comes back."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import Saliency
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.gradient import OnePass
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.network.rectifiers import deconvolved, verdict
from backend.attribution.types import Attribution, Compatibility, Context, NoParams, Progress
from models.model import Model


@register
class Deconvolution(OnePass):
    """values = sum over channels of the deconvolved score: the gradient, but each ReLU passes what is positive of
    what comes back, whether the unit itself is on or off (max pooling goes back to where the maximum was).

    Captum's `Saliency` of the network under our rule for the ReLUs, for the reasons given at guided
    backpropagation: Captum's `Deconvolution` hooks `nn.ReLU` modules only. Where all are modules the two agree.
    Like that method it hardly depends on the class (Adebayo et al. 2018, arXiv 1810.03292).
    """

    key: ClassVar[str] = "deconvolution"
    title: ClassVar[str] = "Deconvolution"
    paper: ClassVar[str] = (
        "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013, arXiv 1311.2901"
    )
    summary: ClassVar[str] = (
        "A pattern of the input that the network's filters answer to; it hardly depends on the class, so read it "
        "together with Grad-CAM."
    )
    signed: ClassVar[bool] = True
    order: ClassVar[int] = 168

    def is_compatible(self, model: Model) -> Compatibility:
        return verdict(model, "Deconvolution")

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        forward = Forward(model, context, report, passes=1, within=deconvolved)
        back = forward.attribute(Saliency(forward), x, abs=False)
        return forward.attribution(back[0].sum(0), signed=True)
