"""Kernel SHAP: Shapley values of segments, exact for few, sampled for many."""

from __future__ import annotations

from math import comb
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.perturbation.removal import (
    BaselineParam,
    SamplesParam,
    SegmentationParam,
    SegmentsParam,
    most_segments,
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
from backend.attribution.perturbation.surrogate import ENOUGH, robust_errors, too_few
from backend.attribution.tolerance import ToleranceParam, reached, stopped
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model

EXACT = 8
"""Up to this many segments all 2^S coalitions are scored."""


class KernelShapParams(Params):
    n_samples: SamplesParam = 1000
    segments: SegmentsParam = 50
    segmentation: SegmentationParam = "slic"
    baseline: BaselineParam = "black"
    tolerance: ToleranceParam = 0.0


class ConstrainedLeastSquares(SegmentModel):
    """`solve` as Captum's interpretable model."""

    def solve(self, on: np.ndarray, scores: np.ndarray) -> None:
        shares, errors = solve(on, scores)
        self.keep(shares, errors, enough=len(on) >= ENOUGH * on.shape[1] + 2)


class Exact(SegmentModel):
    """`shapley`, of all coalitions."""

    def solve(self, on: np.ndarray, scores: np.ndarray) -> None:
        self.keep(shapley(on, scores), np.zeros(on.shape[1]), enough=True)


@register
class KernelShap(Method[KernelShapParams]):
    """phi_i = sum over coalitions without i of |z|! (S - |z| - 1)! / S! * (y(z + i) - y(z)); they add up to
    y(x) - y(baseline).

    Up to 8 segments exactly. Above by Captum's `LimeBase`, the frame of its Kernel SHAP, in segment space. Its
    draws and its fit are replaced: coalitions come with their complements, and the constraint that the values
    add up is kept exactly, not by a weight of 1e6 (Covert and Lee 2021, arXiv 2012.01536). The standard errors
    are cluster-robust, a pair one cluster. arrays: segments `[H, W]`, coefficients and errors `[S]` (errors 0
    where exact, none below 4 samples a segment).
    """

    key: ClassVar[str] = "kernel_shap"
    title: ClassVar[str] = "Kernel SHAP"
    family: ClassVar[Family] = "perturbation"
    paper: ClassVar[str] = (
        "Lundberg and Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017, arXiv 1705.07874"
    )
    summary: ClassVar[str] = (
        "Each piece's fair share of the difference in score between everything covered and everything shown."
    )
    signed: ClassVar[bool] = True
    pieces: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"
    order: ClassVar[int] = 140
    Params = KernelShapParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return segment_defaults(model)

    def cost(self, model: Model, params: KernelShapParams) -> Cost:
        """2^S passes for S <= 8 segments, `n_samples` for more. SLIC may return fewer segments than `params`
        asks for; the run is then cheaper."""
        count = most_segments(model, params.segmentation, params.segments)
        return Cost(forwards=2**count if count <= EXACT else params.n_samples, backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: KernelShapParams, report: Progress
    ) -> Attribution:
        labels = segments(model, x, params.segmentation, params.segments)
        count = int(labels.max()) + 1
        exact = count <= EXACT
        on = all_coalitions(count) if exact else coalitions(params.n_samples, count, context.seed)
        fit = Exact() if exact else ConstrainedLeastSquares()

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
            refit=len(on) if exact else REFIT,
        )
        fit_by_captum(forward, on, fit, lambda: reached(fit.uncertainty, params.tolerance))
        done = len(forward.scores)
        notes = unsure(fit.uncertainty, done) if fit.enough else (too_few(done, count, done - 2),)
        return forward.attribution(
            to_cells(fit.coefficients, labels),
            signed=True,
            stages={"error": Stage("Standard error", to_cells(fit.errors, labels), False)}
            if fit.enough and not exact
            else {},
            extras={
                "exact": exact,
                "segments": count,
                "samples": done,
                "score": float(forward.scores[0]),
                "baseline_score": float(forward.scores[1]),
                "uncertainty": fit.uncertainty,
            },
            arrays={
                "segments": labels.astype(np.int16),
                "coefficients": fit.coefficients.astype(np.float32),
                **({"errors": fit.errors.astype(np.float32)} if fit.enough else {}),
            },
            notes=(*stopped(done, len(on), fit.uncertainty, params.tolerance), *notes),
        )


def all_coalitions(count: int) -> np.ndarray:
    """bool `[2^S, S]`, the full one first, the empty one second."""
    codes = np.r_[2**count - 1, 0, 1 : 2**count - 1] if count > 0 else np.zeros(1, int)
    return (codes[:, None] >> np.arange(count) & 1).astype(bool)


def coalitions(n: int, count: int, seed: int) -> np.ndarray:
    """bool `[n, S]`: full, empty, then pairs of a coalition and its complement; sizes s with probability ~
    1 / (s (S - s))."""
    generator = np.random.default_rng(seed)
    sizes = np.arange(1, count)
    chance = 1 / (sizes * (count - sizes))
    pairs = max(1, (n - 1) // 2)
    drawn_sizes = generator.choice(sizes, size=pairs, p=chance / chance.sum())
    ranks = generator.random((pairs, count)).argsort(1).argsort(1)
    half = ranks < drawn_sizes[:, None]
    on = np.stack([half, ~half], axis=1).reshape(-1, count)
    ends = np.stack([np.ones(count, bool), np.zeros(count, bool)])
    return np.concatenate([ends, on])[:n]


def solve(on: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """min sum_i (y_i - y(empty) - z_i phi)^2 with sum phi = y(full) - y(empty): phi and its standard errors,
    `[S]` each.

    Rows 0 and 1 are full and empty, the rest pairs of a coalition and its complement.
    """
    z, y = on[2:].astype(np.float64), scores[2:] - scores[1]
    difference = scores[0] - scores[1]
    inverse = np.linalg.pinv(z.T @ z, hermitian=True)
    along = inverse.sum(1) / inverse.sum()
    free = inverse @ (z.T @ y)
    shares: np.ndarray = free + along * (difference - free.sum())
    constrained = inverse - np.outer(along, inverse.sum(0))  # as free, less what the constraint fixes
    return shares, robust_errors(z, y - z @ shares, constrained, pairs=True)


def shapley(on: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Shapley values `[S]` by definition. on: all coalitions `[2^S, S]`; scores: `[2^S]`."""
    count = on.shape[1]
    codes = on @ (1 << np.arange(count))
    by_code = np.empty(2**count)
    by_code[codes] = scores
    sizes = on.sum(1)
    shares = np.empty(count)
    for i in range(count):
        without = ~on[:, i]
        weights = np.array([1 / (count * comb(count - 1, int(size))) for size in sizes[without]])
        shares[i] = weights @ (by_code[codes[without] + (1 << i)] - by_code[codes[without]])
    return shares
