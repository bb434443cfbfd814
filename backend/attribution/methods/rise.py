"""RISE: random soft masks, each weighted by the score of what it leaves visible."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from backend.attribution.methods import register
from backend.attribution.network.passes import Passes
from backend.attribution.perturbation.removal import (
    BaselineParam,
    Removal,
    SamplesParam,
    baseline_defaults,
    chunks,
    unsure,
)
from backend.attribution.perturbation.surrogate import relative_error
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model


class RiseParams(Params):
    n_samples: SamplesParam = 2000
    cells: int = Field(
        7,
        ge=2,
        le=32,
        title="Cells",
        description="Coarse cells along each side of a mask; fewer make larger patches.",
    )
    visible: float = Field(
        0.5,
        ge=0.05,
        le=0.95,
        title="Visible share",
        description="Probability that a coarse cell stays visible.",
    )
    baseline: BaselineParam = "black"


@register
class Rise(Method[RiseParams]):
    """values = 1 / (n p) sum_i (y_i - mean y) (M_i - p): the covariance of the score with each cell's
    visibility, over p.

    M_i: a random grid of cells (on with probability p), enlarged bilinearly and shifted at random, `[H, W]`
    in 0..1. Deviation: the paper weighs masks by a probability and adds up what is not negative; logits have
    no zero, so both are centred, which leaves the expectation's shape and makes the map signed. Standard
    error of a cell: that of the mean of (y_i - mean y) (M_i - p) / p over the n masks.
    """

    key: ClassVar[str] = "rise"
    title: ClassVar[str] = "RISE"
    family: ClassVar[Family] = "perturbation"
    paper: ClassVar[str] = "Petsiuk et al., RISE, BMVC 2018, arXiv 1806.07421; scores centred"
    summary: ClassVar[str] = (
        "Positive where the score tends to be higher when the place is visible, over many random masks."
    )
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"
    order: ClassVar[int] = 150
    Params = RiseParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: RiseParams) -> Cost:
        return Cost(forwards=params.n_samples, backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: RiseParams, report: Progress
    ) -> Attribution:
        run = Passes.of(model).run(context.target, params.n_samples)
        removal = Removal(run, x, model.input.baseline(x, params.baseline))
        generator = torch.Generator().manual_seed(context.seed)
        size = (x.shape[-2], x.shape[-1])
        sums = torch.zeros(2, 3, *size, dtype=torch.float64, device=x.device)
        total, shift, values = 0.0, 0.0, np.zeros(size, np.float32)
        for part in chunks(params.n_samples, run.batch("forward")):
            masks = soft_masks(part.stop - part.start, params, size, generator).to(x.device)
            scores = removal.scores(masks).double()
            shift = float(scores[0]) if part.start == 0 else shift  # sums of small numbers do not cancel
            sums += _moments(scores - shift, masks.double() - params.visible)
            total += float((scores - shift).sum())
            mean = total / part.stop
            values = ((sums[0, 1] - mean * sums[0, 0]) / (part.stop * params.visible)).float().cpu().numpy()
            report(part.stop, params.n_samples, values)
        square = (sums[1, 2] - 2 * mean * sums[1, 1] + mean**2 * sums[1, 0]) / (
            params.n_samples * params.visible**2
        )
        errors = (square.cpu().numpy() - values.astype(np.float64) ** 2).clip(
            0
        ) ** 0.5 / params.n_samples**0.5
        uncertainty = relative_error(errors, values)
        return Attribution(
            values=values,
            signed=True,
            native=(params.cells, params.cells),
            stages={"error": Stage("Standard error", errors.astype(np.float32), False)},
            extras={
                "precision": run.precision,
                "uncertainty": uncertainty if np.isfinite(uncertainty) else None,
            },
            forwards=run.forwards,
            backwards=0,
            notes=unsure(uncertainty, params.n_samples),
        )


def _moments(scores: Tensor, masks: Tensor) -> Tensor:
    """sum_i y_i^k m_i^j for j in 1, 2 and k in 0, 1, 2: `[n]`, `[n, H, W]` -> `[2, 3, H, W]`."""
    powers = torch.stack([torch.ones_like(scores), scores, scores**2])
    return torch.stack(
        [torch.einsum("kn,nhw->khw", powers, masks), torch.einsum("kn,nhw->khw", powers, masks**2)]
    )


def soft_masks(n: int, params: RiseParams, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """float32 `[n, H, W]` in 0..1, drawn one by one: the same masks whatever the batch size."""
    height, width = (-(-side // params.cells) for side in size)
    masks = []
    for _ in range(n):
        cells = (torch.rand(params.cells + 1, params.cells + 1, generator=generator) < params.visible).float()
        grown = F.interpolate(
            cells[None, None],
            size=((params.cells + 1) * height, (params.cells + 1) * width),
            mode="bilinear",
            align_corners=False,
        )
        top, left = (int(torch.randint(0, side, (1,), generator=generator)) for side in (height, width))
        masks.append(grown[0, 0, top : top + size[0], left : left + size[1]])
    return torch.stack(masks)
