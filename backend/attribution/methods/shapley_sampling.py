"""Shapley sampling: each segment's contribution when the segments are uncovered in random orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from captum.attr import ShapleyValueSampling
from pydantic import Field
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.perturbation.removal import (
    BaselineParam,
    CountedSegmentsParam,
    SegmentationParam,
    most_segments,
    segment_defaults,
    unsure,
)
from backend.attribution.perturbation.segment_space import SegmentForward, by_label
from backend.attribution.perturbation.segments import segments, to_cells
from backend.attribution.perturbation.surrogate import relative_error
from backend.attribution.tolerance import ToleranceParam, reached, stopped
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model

LEAST = 8
"""Orders before a run may stop: a standard error of fewer is itself too uncertain."""


class ShapleySamplingParams(Params):
    n_orders: int = Field(
        20,
        ge=2,
        le=500,
        title="Orders",
        description="Random orders in which the pieces are uncovered; the error falls with the square root.",
        json_schema_extra={"scales_cost": True},
    )
    segments: CountedSegmentsParam = 50
    segmentation: SegmentationParam = "slic"
    baseline: BaselineParam = "black"
    tolerance: ToleranceParam = 0.0


class Contributions:
    """What each segment added in each order, read off the passes of `ShapleyValueSampling`: the empty input,
    then the orders one after the other, a segment more from row to row."""

    def __init__(self, forward: SegmentForward, segments: int) -> None:
        self._forward, self._segments = forward, segments
        self._orders: list[np.ndarray] = []

    def update(self) -> Contributions:
        """Takes in the orders completed since the last time."""
        rows, scores, count = self._forward.rows, self._forward.scores, self._segments
        for start in range(1 + self.n * count, len(rows) - count + 1, count):
            order = slice(start, start + count)
            shown = np.concatenate([rows[:1], rows[order]])
            gains = np.empty(count)
            gains[(shown[1:] & ~shown[:-1]).argmax(1)] = np.diff(scores[order], prepend=scores[0])
            self._orders.append(gains)
        return self

    @property
    def n(self) -> int:
        """Complete orders."""
        return len(self._orders)

    @property
    def mean(self) -> np.ndarray:
        """Of the contributions over the orders, float64 `[S]`."""
        result: np.ndarray = np.mean(self._orders, axis=0)
        return result

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of the mean, `[S]`."""
        result: np.ndarray = np.std(self._orders, axis=0, ddof=1) / self.n**0.5
        return result

    @property
    def uncertainty(self) -> float | None:
        """Root mean square standard error over the standard deviation of the values; None where those are all
        alike."""
        relative = relative_error(self.errors, self.mean)
        return relative if np.isfinite(relative) else None


@register
class ShapleySampling(Method[ShapleySamplingParams]):
    """phi_i = mean over random orders of y(the segments before i, and i) - y(the segments before i); they add
    up to y(x) - y(baseline).

    By Captum's `ShapleyValueSampling` in segment space. Standard errors over the orders. arrays: segments
    `[H, W]`, coefficients and errors `[S]`.
    """

    key: ClassVar[str] = "shapley_sampling"
    title: ClassVar[str] = "Shapley sampling"
    family: ClassVar[Family] = "perturbation"
    paper: ClassVar[str] = (
        "Castro et al., Polynomial calculation of the Shapley value based on sampling, Computers & Operations "
        "Research 36, 2009, doi:10.1016/j.cor.2008.04.004"
    )
    summary: ClassVar[str] = (
        "What each piece adds to the score when pieces are uncovered one by one, averaged over random orders."
    )
    signed: ClassVar[bool] = True
    pieces: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"
    order: ClassVar[int] = 154
    Params = ShapleySamplingParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return segment_defaults(model)

    def cost(self, model: Model, params: ShapleySamplingParams) -> Cost:
        """The empty input and one pass a segment and order; SLIC may return fewer segments than `params` asks
        for."""
        count = most_segments(model, params.segmentation, params.segments)
        return Cost(forwards=1 + params.n_orders * count, backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: ShapleySamplingParams, report: Progress
    ) -> Attribution:
        labels = segments(model, x, params.segmentation, params.segments)
        count = int(labels.max()) + 1

        def partial() -> np.ndarray | None:
            return to_cells(added.mean, labels) if added.update().n else None

        def orders(*features_and_orders: int) -> Iterator[Sequence[int]]:
            for order in drawn(*features_and_orders):
                if added.update().n >= LEAST and reached(added.uncertainty, params.tolerance):
                    return
                yield order

        forward = SegmentForward(
            model,
            x,
            params.baseline,
            by_label(labels, x.device),
            context,
            report,
            passes=1 + params.n_orders * count,
            partial=partial,
            refit=count,
        )
        added, algorithm = Contributions(forward, count), ShapleyValueSampling(forward)
        drawn, algorithm.permutation_generator = algorithm.permutation_generator, orders
        shares = forward.attribute(
            algorithm,
            forward.everything(count),
            baselines=0,
            n_samples=params.n_orders,
            perturbations_per_eval=forward.batch,
        )[0]
        errors, uncertainty = added.update().errors, added.uncertainty
        return forward.attribution(
            to_cells(shares, labels),
            signed=True,
            stages={"error": Stage("Standard error", to_cells(errors, labels), False)},
            extras={
                "segments": count,
                "samples": len(forward.scores),
                "orders": added.n,
                "baseline_score": float(forward.scores[0]),
                "score": float(forward.scores[count]),
                "uncertainty": uncertainty,
            },
            arrays={
                "segments": labels.astype(np.int16),
                "coefficients": shares.float().cpu().numpy(),
                "errors": errors.astype(np.float32),
            },
            notes=(
                *stopped(added.n, params.n_orders, uncertainty, params.tolerance, "orders"),
                *unsure(uncertainty, added.n, "orders"),
            ),
        )
