"""LIME: a linear model of the score around one input, fitted to samples in which segments are switched
off."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.perturbation.removal import (
    BaselineParam,
    SamplesParam,
    SegmentationParam,
    SegmentsParam,
    segment_defaults,
    unsure,
)
from backend.attribution.perturbation.segment_space import (
    REFIT,
    SegmentForward,
    SegmentModel,
    by_label,
    fit_by_captum,
)
from backend.attribution.perturbation.segments import segments, to_cells
from backend.attribution.perturbation.surrogate import Surrogate, draw, fit_surrogate, too_few
from backend.attribution.quality import MEASURES
from backend.attribution.tolerance import ToleranceParam, reached, stopped
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model

WEAK = MEASURES["fit"].fair
"""R2 below which the surrogate does not describe the model."""


class LimeParams(Params):
    n_samples: SamplesParam = 1000
    segments: SegmentsParam = 50
    segmentation: SegmentationParam = "slic"
    baseline: BaselineParam = "black"
    kernel_width: float = Field(
        0.25,
        ge=0.05,
        le=5.0,
        title="Kernel width",
        description="How quickly samples lose weight as more is switched off; large is equal weight.",
    )
    antithetic: bool = Field(
        True,
        title="Paired samples",
        description="Each sample comes with its opposite: the same error with fewer samples. Off: as in the paper.",
    )
    tolerance: ToleranceParam = 0.0


class LocalModel(SegmentModel):
    """`fit_surrogate` as Captum's interpretable model."""

    def __init__(self, params: LimeParams) -> None:
        self._width, self._pairs = params.kernel_width, params.antithetic

    def solve(self, on: np.ndarray, scores: np.ndarray) -> None:
        self.surrogate = fit_surrogate(on, scores, self._width, self._pairs)
        self.keep(self.surrogate.coefficients, self.surrogate.errors, self.surrogate.enough)


@register
class Lime(Method[LimeParams]):
    """beta of min sum_i w_i (y_i - b - z_i beta)^2 on samples z of segments on and off; values = beta of each
    cell's segment.

    By Captum's `LimeBase` in segment space, which costs 3 ms of processor time for 1,000 samples over a bare loop
    (its `Lime`, which builds each image in Python, takes a third longer than the passes of a ResNet-18); draws, weights and fit are
    our own. w = sqrt(exp(-(1 - cos(z, 1))^2 / width^2)) as in the lime package; y are logits. Deviations: SLIC
    superpixels (lime: quickshift), time x mel tiles for spectrograms, paired samples (can be switched off),
    the whole input left out of the fit, and lime's ridge penalty of 1 only below 4 samples a segment: both
    bias, and no band would show it. The 90 % band is one of the coefficients that infinitely many samples
    would give; below 4 samples a segment there is none. arrays: segments `[H, W]`, coefficients `[S]`, band
    `[2, S]`, samples `[n, S]` and scores `[n]`, the whole input first, the empty second.
    """

    key: ClassVar[str] = "lime"
    title: ClassVar[str] = "LIME"
    family: ClassVar[Family] = "perturbation"
    paper: ClassVar[str] = "Ribeiro et al., Why Should I Trust You?, KDD 2016, arXiv 1602.04938"
    summary: ClassVar[str] = (
        "How much each piece adds to the score when it is shown instead of covered: positive speaks for the class."
    )
    signed: ClassVar[bool] = True
    pieces: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"
    default_on: ClassVar[bool] = True
    order: ClassVar[int] = 20
    Params = LimeParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return segment_defaults(model)

    def cost(self, model: Model, params: LimeParams) -> Cost:
        return Cost(forwards=params.n_samples, backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: LimeParams, report: Progress
    ) -> Attribution:
        labels = segments(model, x, params.segmentation, params.segments)
        count = int(labels.max()) + 1
        on = draw(params.n_samples, count, context.seed, params.antithetic)
        fit = LocalModel(params)

        def partial() -> np.ndarray:
            fit.solve(forward.rows, forward.scores)
            return to_cells(fit.coefficients, labels)

        forward = SegmentForward(
            model,
            x,
            params.baseline,
            by_label(labels, x.device),
            context,
            report,
            passes=len(on),
            partial=partial,
            refit=REFIT,
        )
        fit_by_captum(forward, on, fit, lambda: reached(fit.uncertainty, params.tolerance))
        surrogate, done, values = fit.surrogate, len(forward.scores), to_cells(fit.coefficients, labels)
        band = {"band": surrogate.band.astype(np.float32)} if fit.enough else {}
        return forward.attribution(
            values,
            signed=True,
            native=labels.shape if params.segmentation == "slic" else _tile_shape(labels),
            stages=_stages(surrogate, values, labels) if fit.enough else {},
            extras={
                "r2": surrogate.r2,
                "intercept": surrogate.intercept,
                "segments": count,
                "samples": done,
                "uncertainty": fit.uncertainty,
                "sure_segments": int(_sure(surrogate).sum()) if fit.enough else None,
            },
            arrays={
                "segments": labels.astype(np.int16),
                "coefficients": surrogate.coefficients.astype(np.float32),
                **band,
                "samples": on[:done],
                "scores": forward.scores.astype(np.float32),
            },
            notes=(
                *stopped(done, len(on), fit.uncertainty, params.tolerance),
                *_notes(surrogate, done, count),
            ),
        )


def _sure(surrogate: Surrogate) -> np.ndarray:
    """bool `[S]`: the band does not hold zero."""
    low, high = surrogate.band
    result: np.ndarray = (low > 0) | (high < 0)
    return result


def _stages(surrogate: Surrogate, values: np.ndarray, labels: np.ndarray) -> dict[str, Stage]:
    low, high = surrogate.band
    return {
        "low": Stage("Lower end of the 90% band", to_cells(low, labels), True),
        "high": Stage("Upper end of the 90% band", to_cells(high, labels), True),
        "sure": Stage(
            "Only pieces whose band leaves no doubt about the sign",
            values * to_cells(_sure(surrogate) * 1.0, labels),
            True,
        ),
        "error": Stage("Standard error", to_cells(surrogate.errors, labels), False),
    }


def _tile_shape(labels: np.ndarray) -> tuple[int, int]:
    return len(np.unique(labels[:, 0])), len(np.unique(labels[0]))


def _notes(surrogate: Surrogate, done: int, count: int) -> tuple[str, ...]:
    notes = []
    if surrogate.r2 < WEAK:
        notes.append(
            f"The linear model explains only {max(surrogate.r2, 0):.0%} of the scores: take these pieces with care."
        )
    if not surrogate.enough:
        notes.append(too_few(done, count, surrogate.effective))
    return (*notes, *(unsure(surrogate.uncertainty, done) if surrogate.enough else ()))
