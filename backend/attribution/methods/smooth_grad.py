"""SmoothGrad: the gradient, averaged over noisy copies of the input."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from captum.attr import NoiseTunnel, Saliency
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.network.captum_adapter import Forward
from backend.attribution.tolerance import ToleranceParam, reached, stopped
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model


class NoiseParams(Params):
    n_samples: int = Field(
        50,
        ge=1,
        le=2000,
        title="Noisy copies",
        description="How many gradients are averaged; the noise falls with the square root.",
        json_schema_extra={"scales_cost": True},
    )
    noise: float = Field(
        0.15,
        ge=0.0,
        le=1.0,
        title="Noise",
        description="Standard deviation of the noise as a share of the input's range; 0.1 to 0.2 is usual.",
    )


class SmoothGradParams(NoiseParams):
    sign: Literal["signed", "abs"] = Field(
        "signed",
        title="Sign",
        description="signed: positive cells raise the score when brightened. abs: only how strongly a cell counts.",
    )
    tolerance: ToleranceParam = 0.0


class Moments:
    """Mean and variance (ddof 1) over samples that arrive in rounds, float64. n: samples so far."""

    def __init__(self) -> None:
        self.n = 0
        self._first: Tensor | None = None
        self._sums: Tensor = torch.zeros(())
        self._squares: Tensor = torch.zeros(())

    def add(self, samples: Tensor) -> None:
        """samples: `[N, ...]`."""
        samples = samples.double()
        if self._first is None:
            self._first = samples[0]
            self._sums, self._squares = torch.zeros_like(self._first), torch.zeros_like(self._first)
        shifted = samples - self._first  # by the first sample: no cancellation
        self._sums += shifted.sum(0)
        self._squares += (shifted**2).sum(0)
        self.n += samples.shape[0]

    @property
    def mean(self) -> Tensor:
        assert self._first is not None, "no sample has arrived"
        return self._first + self._sums / self.n

    @property
    def variance(self) -> Tensor:
        return (self._squares - self._sums**2 / self.n).clamp(min=0) / max(1, self.n - 1)

    @property
    def uncertainty(self) -> float | None:
        """Root mean square standard error of the mean over the standard deviation of its values; None for one
        sample and for a flat mean."""
        deviation = float(self.mean.std(correction=0))
        return (
            float((self.variance / self.n).mean().sqrt()) / deviation
            if self.n > 1 and deviation > 0
            else None
        )


@register
class SmoothGrad(Method[SmoothGradParams]):
    """M = mean over n of g(x + e), g = dy_c/dx, e ~ N(0, sigma^2), sigma = noise * (max x - min x).

    By Captum's `NoiseTunnel` over `Saliency`, in rounds of one batch, which are averaged. signed: values = sum
    over channels of M; abs: sum over channels of |M| (the mean is taken first, so noise cancels). Stage
    `variance`: variance over the copies (ddof 1) of the channel sum of g: where the gradient depends on the
    noise. extras.uncertainty: root mean square standard error of the channel sum as a share of the map's spread.
    Deviation: the paper takes the largest channel; a sum keeps the sign's meaning.
    """

    key: ClassVar[str] = "smooth_grad"
    title: ClassVar[str] = "SmoothGrad"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Smilkov et al., SmoothGrad: removing noise by adding noise, 2017, arXiv 1706.03825"
    )
    summary: ClassVar[str] = (
        "Where small changes of brightness or level move the score, averaged so that chance patterns cancel."
    )
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "copies"
    default_on: ClassVar[bool] = True
    order: ClassVar[int] = 30
    Params = SmoothGradParams

    def cost(self, model: Model, params: SmoothGradParams) -> Cost:
        return Cost(forwards=params.n_samples, backwards=params.n_samples, noise=params.noise)

    def run(
        self, model: Model, x: Tensor, context: Context, params: SmoothGradParams, report: Progress
    ) -> Attribution:
        sums, total, sigma = Moments(), torch.zeros_like(x), params.noise * float(x.max() - x.min())
        forward = Forward(
            model,
            context,
            report,
            passes=params.n_samples,
            noise=sigma,
            partial=lambda: self._values(total / sums.n, params),
        )
        tunnel = NoiseTunnel(Saliency(forward))
        for size in forward.rounds(params.n_samples, lambda: reached(sums.uncertainty, params.tolerance)):
            total += size * forward.attribute(tunnel, x, nt_samples=size, stdevs=sigma, abs=False)
            sums.add(forward.gradients.sum(1))
        variance = sums.variance.float().cpu().numpy()
        return forward.attribution(
            self._values(total / sums.n, params),
            signed=params.sign == "signed",
            stages={"variance": Stage("Variance over the noisy copies", variance, False)},
            extras={"sigma": sigma, "samples": sums.n, "uncertainty": sums.uncertainty},
            notes=stopped(sums.n, params.n_samples, sums.uncertainty, params.tolerance, "copies"),
        )

    @staticmethod
    def _values(mean: Tensor, params: SmoothGradParams) -> np.ndarray:
        values: np.ndarray = (mean if params.sign == "signed" else mean.abs())[0].sum(0).cpu().numpy()
        return values
