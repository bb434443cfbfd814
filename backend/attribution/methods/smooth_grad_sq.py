"""SmoothGrad-Squared: the squared gradient, averaged over noisy copies of the input."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.smooth_grad import NoiseParams
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Progress
from models.model import Model


@register
class SmoothGradSquared(Method[NoiseParams]):
    """values = sum over channels of the mean over n of g(x + e)^2, g = dy_c/dx, e ~ N(0, sigma^2), sigma = noise *
    (max x - min x): the mean squared length of the gradient at each cell, in squared logits per squared unit of
    the network's input. By Captum's `NoiseTunnel` over `Saliency`, in rounds of one batch, which are averaged.

    It is SmoothGrad squared plus VarGrad (for n - 1 in place of n): noise does not cancel in it.
    """

    key: ClassVar[str] = "smooth_grad_sq"
    title: ClassVar[str] = "SmoothGrad-Squared"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Hooker et al., A Benchmark for Interpretability Methods in Deep Neural Networks, NeurIPS 2019, arXiv 1806.10758"
    )
    summary: ClassVar[str] = (
        "How strongly the score reacts to each cell over many noisy copies, squared: strong cells stand out, without a sign."
    )
    signed: ClassVar[bool] = False
    unit: ClassVar[str] = "copies"
    order: ClassVar[int] = 164
    Params = NoiseParams

    def cost(self, model: Model, params: NoiseParams) -> Cost:
        return Cost(forwards=params.n_samples, backwards=params.n_samples)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoiseParams, report: Progress
    ) -> Attribution:
        total, done, sigma = 0 * x, 0, params.noise * float(x.max() - x.min())

        def values() -> np.ndarray:
            array: np.ndarray = (total / done)[0].sum(0).cpu().numpy()
            return array

        forward = Forward(model, context, report, passes=params.n_samples, partial=values)
        tunnel = NoiseTunnel(Saliency(forward))
        for size in forward.rounds(params.n_samples):
            squares = forward.attribute(
                tunnel, x, nt_type="smoothgrad_sq", nt_samples=size, stdevs=sigma, abs=False
            )
            total, done = total + size * squares, done + size
        return forward.attribution(values(), signed=False, extras={"sigma": sigma})
