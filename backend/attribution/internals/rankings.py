"""Other rankings of a layer's filters, by Captum: conductance, internal influence, activation. And how far they agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from captum.attr import InternalInfluence, LayerActivation, LayerConductance
from torch import Tensor

from app.core.internals_results import Agreement
from backend.attribution.internals.correlation import kendall
from backend.attribution.internals.pooled import Inputs, batches
from backend.attribution.network.captum_adapter import LayerForward
from backend.attribution.types import Context, silent
from models.model import Model

STEPS = 8
"""Points of a path from the baseline to the input; a mean over inputs needs fewer than one map does."""
TITLES = {
    "ablation": "Ablation",
    "taylor": "Taylor",
    "conductance": "Layer conductance",
    "internal_influence": "Internal influence",
    "layer_activation": "Layer activation",
}


def captum_rankings(
    model: Model, layer: str, inputs: Inputs, reached: Callable[[int], None] = lambda done: None
) -> dict[str, np.ndarray]:
    """Per algorithm, for each filter the mean over the inputs of |sum over its cells|, float64 `[C]`, for the predicted
    class; paths start at the model's own baseline."""
    sums: dict[str, Tensor] = {}
    count = 0
    for batch in batches(inputs, model):
        for x in batch.split(1):
            for name, values in _of_one(model, layer, x).items():
                sums[name] = sums.get(name, torch.zeros(())) + values.sum((2, 3))[0].abs().double().cpu()
            count += 1
            reached(count)
    return {name: (total / count).numpy() for name, total in sums.items()}


def _of_one(model: Model, layer: str, x: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        target = int(model.logits(x.clone()).argmax(1))
    forward = LayerForward(model, Context(target, layer), silent, passes=3 * STEPS)
    path: dict[str, Any] = {
        "baselines": model.input.baseline(x),
        "n_steps": STEPS,
        "internal_batch_size": LayerForward.batch(model),
    }
    return {
        "conductance": forward.attribute(LayerConductance(forward, forward.layer), x, **path),
        "internal_influence": forward.attribute(InternalInfluence(forward, forward.layer), x, **path),
        "layer_activation": forward.attribute(LayerActivation(forward, forward.layer), x),
    }


def agreement(rankings: Mapping[str, np.ndarray]) -> Agreement:
    """Kendall's tau-b between all pairs, over the filters that both rank (finite numbers)."""
    names = list(rankings)
    matrix: list[list[float | None]] = []
    for left in names:
        row: list[float | None] = []
        for right in names:
            both = np.isfinite(rankings[left]) & np.isfinite(rankings[right])
            row.append(kendall(rankings[left][both], rankings[right][both]) if both.sum() > 1 else None)
        matrix.append(row)
    return Agreement(names=names, matrix=matrix)
