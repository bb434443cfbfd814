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
from backend.attribution.tolerance import ToleranceParam, reached, stopped
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model

LEAST = 100
"""Samples before a run may stop: a standard error of fewer is itself too uncertain."""


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
    tolerance: ToleranceParam = 0.0


@register
class Rise(Method[RiseParams]):
    """values = 1 / (n p) sum_i (y_i - mean y) (M_i - p): the covariance of the score with each cell's
    visibility, over p.

    Own code, because Captum has no RISE. M_i: a random grid of cells (on with probability p), enlarged bilinearly and shifted at random, `[H, W]`
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
        size, n = (x.shape[-2], x.shape[-1]), params.n_samples
        sums = Sums(size, params.visible, x.device)
        for part in chunks(n, run.batch("forward")):
            masks = soft_masks(part.stop - part.start, params, size, generator).to(x.device)
            sums.add(masks, removal.scores(masks))
            if sums.n == n or (sums.n >= LEAST and reached(sums.uncertainty, params.tolerance)):
                break
            report(sums.n, n, sums.values)
        values, uncertainty = sums.values, sums.uncertainty
        report(n, n, values)
        return Attribution(
            values=values,
            signed=True,
            native=(params.cells, params.cells),
            stages={"error": Stage("Standard error", sums.errors.astype(np.float32), False)},
            extras={"precision": run.precision, "samples": sums.n, "uncertainty": uncertainty},
            forwards=run.forwards,
            backwards=0,
            notes=(*stopped(sums.n, n, uncertainty, params.tolerance), *unsure(uncertainty, sums.n)),
        )


class Sums:
    """Sums over masks and scores, of which the map and its standard errors are made. n: masks so far.

    `_sums[j - 1, k]` = sum_i y_i^k (M_i - p)^j, `[2, 3, H, W]`, with scores y counted from the first one: sums
    of small numbers do not cancel.
    """

    def __init__(self, size: tuple[int, int], visible: float, device: torch.device) -> None:
        self.n, self._visible = 0, visible
        self._sums = torch.zeros(2, 3, *size, dtype=torch.float64, device=device)
        self._total, self._first = 0.0, 0.0

    def add(self, masks: Tensor, scores: Tensor) -> None:
        """masks: `[n, H, W]`; scores: `[n]`."""
        scores = scores.double()
        self._first = self._first if self.n else float(scores[0])
        self._sums += _moments(scores - self._first, masks.double() - self._visible)
        self._total += float((scores - self._first).sum())
        self.n += len(scores)

    @property
    def values(self) -> np.ndarray:
        """float32 `[H, W]`."""
        mean = self._total / self.n
        values = (self._sums[0, 1] - mean * self._sums[0, 0]) / (self.n * self._visible)
        result: np.ndarray = values.float().cpu().numpy()
        return result

    @property
    def errors(self) -> np.ndarray:
        """float64 `[H, W]`."""
        mean = self._total / self.n
        square = self._sums[1, 2] - 2 * mean * self._sums[1, 1] + mean**2 * self._sums[1, 0]
        variance = (square / (self.n * self._visible**2)).cpu().numpy() - self.values.astype(np.float64) ** 2
        result: np.ndarray = variance.clip(0) ** 0.5 / self.n**0.5
        return result

    @property
    def uncertainty(self) -> float | None:
        """Root mean square standard error over the standard deviation of the values; None for a flat map."""
        relative = relative_error(self.errors, self.values)
        return relative if np.isfinite(relative) else None


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
