"""VarGrad: how much the gradient varies from one noisy copy of the input to the next."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import NoiseTunnel, Saliency
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.smooth_grad import Moments, NoiseParams
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Progress
from models.model import Model


@register
class VarGrad(Method[NoiseParams]):
    """values = sum over channels of the variance over n (ddof 1) of g(x + e), g = dy_c/dx, e ~ N(0, sigma^2),
    sigma = noise * (max x - min x); in squared logits per squared unit of the network's input. Zero for a linear
    network.

    The copies and their gradients are those of Captum's `NoiseTunnel`; its `vargrad` subtracts two nearly equal
    numbers and cannot be added up over rounds, so the moments are ours.
    """

    key: ClassVar[str] = "var_grad"
    title: ClassVar[str] = "VarGrad"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Adebayo et al., Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values, "
        "2018, arXiv 1810.03307"
    )
    summary: ClassVar[str] = (
        "Where the effect of a cell depends on small changes of the input, as a variance: no sign, and dark where it is steady."
    )
    signed: ClassVar[bool] = False
    unit: ClassVar[str] = "copies"
    order: ClassVar[int] = 166
    Params = NoiseParams

    def cost(self, model: Model, params: NoiseParams) -> Cost:
        return Cost(forwards=params.n_samples, backwards=params.n_samples)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoiseParams, report: Progress
    ) -> Attribution:
        moments, sigma = Moments(), params.noise * float(x.max() - x.min())
        forward = Forward(
            model,
            context,
            report,
            passes=params.n_samples,
            partial=lambda: moments.variance.sum(0).float().cpu().numpy(),
        )
        tunnel = NoiseTunnel(Saliency(forward))
        for size in forward.rounds(params.n_samples):
            forward.attribute(tunnel, x, nt_samples=size, stdevs=sigma, abs=False)
            moments.add(forward.gradients)
        return forward.attribution(moments.variance.sum(0), signed=False, extras={"sigma": sigma})
