"""SmoothGrad: the gradient, averaged over noisy copies of the input."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.network.passes import Passes
from backend.attribution.perturbation.removal import chunks
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model


class SmoothGradParams(Params):
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
    sign: Literal["signed", "abs"] = Field(
        "signed",
        title="Sign",
        description="signed: positive cells raise the score when brightened. abs: only how strongly a cell counts.",
    )


@register
class SmoothGrad(Method[SmoothGradParams]):
    """M = mean over n of g(x + e), g = dy_c/dx, e ~ N(0, sigma^2), sigma = noise * (max x - min x).

    signed: values = sum over channels of M; abs: sum over channels of |M| (the mean is taken first, so noise
    cancels). Stage `variance`: variance over the copies (ddof 1) of the channel sum of g: where the gradient
    depends on the noise. extras.uncertainty: root mean square standard error of the channel sum as a share of
    the map's spread. Deviation: the paper takes the largest channel; a sum keeps the sign's meaning.
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
        return Cost(forwards=params.n_samples, backwards=params.n_samples)

    def run(
        self, model: Model, x: Tensor, context: Context, params: SmoothGradParams, report: Progress
    ) -> Attribution:
        run = Passes.of(model).run(context.target, params.n_samples)
        n, sigma = params.n_samples, params.noise * float(x.max() - x.min())
        generator = torch.Generator().manual_seed(context.seed)
        start = run.ready(x, "gradient")
        total = torch.zeros_like(x)
        squares = torch.zeros(x.shape[-2:], dtype=torch.float64, device=x.device)
        first = None
        for part in chunks(n, run.batch("gradient")):
            gradients, _ = run.gradients(start + sigma * noise_like(x, part.stop - part.start, generator))
            total += gradients.sum(0, keepdim=True)
            sums = gradients.sum(1).double()
            first = sums[0] if first is None else first
            squares += ((sums - first) ** 2).sum(0)  # shifted by the first copy: no cancellation
            report(part.stop, n, self._values(total / part.stop, params))
        assert first is not None
        mean = (total / n)[0].sum(0)
        variance = (squares - n * (mean.double() - first) ** 2).clamp(min=0) / max(1, n - 1)
        values = self._values(total / n, params)
        return Attribution(
            values=values,
            signed=params.sign == "signed",
            native=(values.shape[0], values.shape[1]),
            stages={
                "variance": Stage("Variance over the noisy copies", variance.float().cpu().numpy(), False)
            },
            extras={
                "precision": run.precision,
                "sigma": sigma,
                "uncertainty": _uncertainty(mean, variance, n),
            },
            forwards=run.forwards,
            backwards=run.backwards,
        )

    @staticmethod
    def _values(mean: Tensor, params: SmoothGradParams) -> np.ndarray:
        values: np.ndarray = (mean if params.sign == "signed" else mean.abs())[0].sum(0).cpu().numpy()
        return values


def noise_like(x: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Standard normal `[n, C, H, W]`, drawn copy by copy: the same numbers whatever the batch size."""
    return torch.stack([torch.randn(x.shape[1:], generator=generator) for _ in range(n)]).to(x.device)


def _uncertainty(mean: Tensor, variance: Tensor, n: int) -> float | None:
    deviation = float(mean.std(correction=0))
    return float((variance / n).mean().sqrt()) / deviation if n > 1 and deviation > 0 else None
