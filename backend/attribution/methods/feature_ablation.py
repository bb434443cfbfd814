"""Feature ablation: how far the score falls when one segment is taken away."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from captum.attr import FeatureAblation as CaptumFeatureAblation
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.perturbation.removal import (
    BaselineParam,
    CountedSegmentsParam,
    SegmentationParam,
    most_segments,
    segment_defaults,
)
from backend.attribution.perturbation.segment_space import SegmentForward, by_label
from backend.attribution.perturbation.segments import segments, to_cells
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress
from models.model import Model


class FeatureAblationParams(Params):
    segments: CountedSegmentsParam = 50
    segmentation: SegmentationParam = "slic"
    baseline: BaselineParam = "black"


@register
class FeatureAblation(Method[FeatureAblationParams]):
    """values = y_c(x) - y_c(x without the cell's segment). By Captum's `FeatureAblation` in segment space.

    arrays: segments `[H, W]`, coefficients `[S]`.
    """

    key: ClassVar[str] = "feature_ablation"
    title: ClassVar[str] = "Feature ablation"
    family: ClassVar[Family] = "perturbation"
    paper: ClassVar[str] = (
        "Kokhlikyan et al., Captum: A unified and generic model interpretability library for PyTorch, 2020, "
        "arXiv 2009.07896"
    )
    summary: ClassVar[str] = (
        "How much the score falls when this piece alone is covered; negative where covering raises it."
    )
    signed: ClassVar[bool] = True
    pieces: ClassVar[bool] = True
    unit: ClassVar[str] = "pieces"
    order: ClassVar[int] = 152
    Params = FeatureAblationParams

    def defaults(self, model: Model) -> dict[str, Any]:
        return segment_defaults(model)

    def cost(self, model: Model, params: FeatureAblationParams) -> Cost:
        """The whole input and one pass a segment; SLIC may return fewer segments than `params` asks for."""
        return Cost(forwards=1 + most_segments(model, params.segmentation, params.segments), backwards=0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: FeatureAblationParams, report: Progress
    ) -> Attribution:
        labels = segments(model, x, params.segmentation, params.segments)
        count = int(labels.max()) + 1

        def partial() -> np.ndarray | None:
            falls = forward.scores[0] - forward.scores[1:]
            return to_cells(np.pad(falls, (0, count - len(falls))), labels) if len(falls) else None

        forward = SegmentForward(
            model,
            x,
            params.baseline,
            by_label(labels, x.device),
            context,
            report,
            passes=1 + count,
            partial=partial,
        )
        falls = forward.attribute(
            CaptumFeatureAblation(forward),
            forward.everything(count),
            baselines=0,
            perturbations_per_eval=forward.batch,
        )[0]
        return forward.attribution(
            to_cells(falls, labels),
            signed=True,
            extras={"segments": count, "score": float(forward.scores[0])},
            arrays={"segments": labels.astype(np.int16), "coefficients": falls.float().cpu().numpy()},
        )
