"""Kernel SHAP: Shapley values of segments, exact for few, sampled for many."""

from __future__ import annotations

from math import comb, inf, isfinite, prod
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.network.passes import Passes
from backend.attribution.perturbation.removal import (
    BaselineParam,
    Removal,
    SamplesParam,
    SegmentationParam,
    SegmentsParam,
    segment_defaults,
    unsure,
)
from backend.attribution.perturbation.segments import grid, segments, to_cells
from backend.attribution.perturbation.surrogate import ENOUGH, relative_error, robust_errors, too_few
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model

EXACT = 8
"""Up to this many segments all 2^S coalitions are scored."""
REFIT = 100


class KernelShapParams(Params):
    n_samples: SamplesParam = 1000
    segments: SegmentsParam = 50
    segmentation: SegmentationParam = "slic"
    baseline: BaselineParam = "black"


@register
class KernelShap(Method[KernelShapParams]):
    """phi_i = sum over coalitions without i of |z|! (S - |z| - 1)! / S! * (y(z + i) - y(z)); they add up to
    y(x) - y(baseline).

    Up to 8 segments exactly. Above: coalitions drawn with the Shapley kernel, each with its complement, and
    least squares under the constraint that the values add up (Covert and Lee 2021, arXiv 2012.01536); the
    standard errors are cluster-robust, a pair one cluster. arrays: segments `[H, W]`, coefficients and errors
    `[S]` (errors 0 where exact, none below 4 samples a segment).
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
        count = (
            prod(grid(params.segments, *model.input.shape[1:]))
            if params.segmentation == "tiles"
            else params.segments
        )
        return Cost(forwards=2**count if count <= EXACT else params.n_samples, backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: KernelShapParams, report: Progress
    ) -> Attribution:
        run = Passes.of(model).run(context.target, params.n_samples)
        labels = segments(model, x, params.segmentation, params.segments)
        count = int(labels.max()) + 1
        exact = count <= EXACT
        on = all_coalitions(count) if exact else coalitions(params.n_samples, count, context.seed)
        removal = Removal(run, x, model.input.baseline(x, params.baseline))
        scores, next_report = np.empty(0), REFIT
        for part in removal.segment_scores(on, labels):
            scores = np.append(scores, part)
            ready = not exact and next_report <= len(scores) < len(on)
            next_report = len(scores) + REFIT if ready else next_report
            if len(scores) < len(on):
                report(
                    len(scores),
                    len(on),
                    to_cells(solve(on[: len(scores)], scores)[0], labels) if ready else None,
                )
        shares, errors = (shapley(on, scores), np.zeros(count)) if exact else solve(on, scores)
        has_errors = exact or len(on) >= ENOUGH * count + 2
        uncertainty = relative_error(errors, shares) if has_errors else inf
        values = to_cells(shares, labels)
        report(len(on), len(on), values)
        return Attribution(
            values=values,
            signed=True,
            native=(labels.shape[0], labels.shape[1]),
            stages={"error": Stage("Standard error", to_cells(errors, labels), False)}
            if has_errors and not exact
            else {},
            extras={
                "precision": run.precision,
                "exact": exact,
                "segments": count,
                "score": float(scores[0]),
                "baseline_score": float(scores[1]),
                "uncertainty": uncertainty if isfinite(uncertainty) else None,
            },
            arrays={
                "segments": labels.astype(np.int16),
                "coefficients": shares.astype(np.float32),
                **({"errors": errors.astype(np.float32)} if has_errors else {}),
            },
            forwards=run.forwards,
            backwards=0,
            notes=unsure(uncertainty, len(on)) if has_errors else (too_few(len(on), count, len(on) - 2),),
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
