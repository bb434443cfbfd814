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
from backend.attribution.perturbation.removal import BaselineParam, Removal, SamplesParam, baseline_defaults, chunks
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress
from models.spec import Model


class RiseParams(Params):
    n_samples: SamplesParam = 2000
    cells: int = Field(7, ge=2, le=32, title="Cells", description="Coarse cells along each side of a mask; fewer make larger patches.")
    visible: float = Field(0.5, ge=0.05, le=0.95, title="Visible share", description="Probability that a coarse cell stays visible.")
    baseline: BaselineParam = "black"


@register
class Rise(Method[RiseParams]):
    """values = 1 / (n p) sum_i (y_i - mean y) (M_i - p): the covariance of the score with each cell's visibility, over p.

    M_i: a random grid of cells (on with probability p), enlarged bilinearly and shifted at random, `[H, W]` in 0..1.
    Deviation: the paper weighs masks by a probability and adds up what is not negative; logits have no zero, so both are centred, which
    leaves the expectation's shape and makes the map signed.
    """

    key: ClassVar[str] = "rise"
    title: ClassVar[str] = "RISE"
    family: ClassVar[Family] = "perturbation"
    paper: ClassVar[str] = "Petsiuk et al., RISE, BMVC 2018, arXiv 1806.07421; scores centred"
    summary: ClassVar[str] = "Positive where the score tends to be higher when the place is visible, over many random masks."
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"
    order: ClassVar[int] = 150
    Params = RiseParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return baseline_defaults(model)

    def cost(self, model: Model, params: RiseParams) -> Cost:
        return Cost(forwards=params.n_samples, backwards=0)

    def run(self, model: Model, x: Tensor, context: Context, params: RiseParams, report: Progress) -> Attribution:
        run = Passes.of(model).run(context.target, params.n_samples)
        removal = Removal(run, x, model.input.baseline(x, params.baseline))
        generator = torch.Generator().manual_seed(context.seed)
        size = (x.shape[-2], x.shape[-1])
        shape = torch.zeros(size, dtype=torch.float64, device=x.device)
        weighted, visible, scores, shift = shape.clone(), shape.clone(), 0.0, 0.0
        values = np.zeros(size, np.float32)
        for part in chunks(params.n_samples, run.batch("forward")):
            masks = soft_masks(part.stop - part.start, params, size, generator).to(x.device)
            found = removal.scores(masks).double()
            shift = float(found[0]) if part.start == 0 else shift  # sums of small numbers do not cancel
            flat = masks.double() - params.visible
            weighted += torch.einsum("n,nhw->hw", found - shift, flat)
            visible += flat.sum(0)
            scores += float((found - shift).sum())
            mean = scores / part.stop
            values = ((weighted - mean * visible) / (part.stop * params.visible)).float().cpu().numpy()
            report(part.stop, params.n_samples, values)
        return Attribution(
            values=values, signed=True, native=(params.cells, params.cells), extras={"precision": run.precision},
            forwards=run.forwards, backwards=0,
        )  # fmt: skip


def soft_masks(n: int, params: RiseParams, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """float32 `[n, H, W]` in 0..1, drawn one by one: the same masks whatever the batch size."""
    height, width = (-(-side // params.cells) for side in size)
    masks = []
    for _ in range(n):
        cells = (torch.rand(params.cells + 1, params.cells + 1, generator=generator) < params.visible).float()
        grown = F.interpolate(
            cells[None, None], size=((params.cells + 1) * height, (params.cells + 1) * width), mode="bilinear", align_corners=False
        )
        top, left = (int(torch.randint(0, side, (1,), generator=generator)) for side in (height, width))
        masks.append(grown[0, 0, top : top + size[0], left : left + size[1]])
    return torch.stack(masks)
