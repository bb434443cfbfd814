"""One cell of a study: one method explains one input, and all metrics measure that one map."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from backend.attribution.explain import explain, resolve_target
from backend.attribution.measuring.controls import CONTROLS, controls
from backend.attribution.measuring.evaluate import evaluate_all
from backend.attribution.measuring.types import Score
from backend.attribution.types import Attribution, Progress, silent
from models.model import Model


@dataclass(frozen=True, eq=False)
class Cell:
    """result: the map. scores: by metric. top: the predicted class. seconds: of explaining and measuring."""

    result: Attribution
    scores: Mapping[str, Score]
    top: int
    seconds: float


def measure_cell(
    model: Model,
    x: Tensor,
    method: str,
    metrics: Sequence[str],
    mask: np.ndarray | None = None,
    *,
    target: int | None = None,
    layer: str | None = None,
    params: Mapping[str, Any] | None = None,
    metric_params: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    report: Progress = silent,
) -> Cell:
    """The map of a method on `x [1, C, H, W]`, made once, and its scores.

    method: a key of `METHODS`, or of `CONTROLS`, whose maps look at nothing. mask: bool `[H, W]`, where the evidence is
    known to be. target: None explains the predicted class. params: of the method; metric_params: by metric.
    Raises what `explain` and `evaluate_all` raise.
    """
    began = time.perf_counter()
    top = resolve_target(model, x.to(model.device), None)
    chosen = top if target is None else target
    if method in CONTROLS:
        result = controls(model, x, chosen)[method]
    else:
        result = explain(
            model, x, method, target=chosen, layer=layer, seed=seed, report=report, **dict(params or {})
        )
    scores = evaluate_all(model, x, result, list(metrics), mask, metric_params or {}, seed, report)
    return Cell(result, scores, top, time.perf_counter() - began)
