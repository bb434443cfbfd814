"""Studies that are worth asking for by name: what they measure, and with which settings."""

from __future__ import annotations

from app.core.schemas import EvaluationPreset
from backend.scoring.claim import FUSED, PARENTS, SETTINGS

PRESETS = (
    EvaluationPreset(
        key="fused",
        title="Is Grad-CAM x LRP better? The paper's study",
        text="The product against its two factors, under the five metrics and settings of arXiv 2405.12175, with a verdict on each "
        "of its claims. Explains the true class where it is known.",
        methods=[*PARENTS, FUSED],
        metrics=list(SETTINGS),
        metric_params={metric: params for metric, params in SETTINGS.items() if params},
    ),
)
