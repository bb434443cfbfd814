"""How well a fitted lens reads a layer, on inputs that it was not fitted on, and whether that is worth trusting."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from backend.attribution.internals.answers import divergence, log_probabilities
from backend.attribution.internals.calibration import Calibration
from backend.attribution.internals.linear_head import Head
from backend.attribution.internals.ridge import fit_ridge
from models.model import Model
from models.spec import Layer

WIDEST = 100.0
"""Temperatures are looked for from 1/100 to 100 times the model's own."""
CLEARLY = 2.0
"""Standard errors above the majority rate from which a layer is trusted."""
ONE_ANSWER = 0.95
"""Majority rate from which agreement can tell nothing: there R2 decides."""
EXPLAINS = 0.5
"""R2 from which a layer is trusted there."""


def standard(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and one over the deviation of each column `[N, F]`; 0 for a column that does not change (a dead filter)."""
    mean, deviation = values.mean(0), values.std(0, correction=0)
    changes = deviation > 1e-7 * values.abs().amax(0).clamp_min(1e-30)
    return mean, torch.where(changes, 1 / deviation.where(changes, torch.ones_like(deviation)), 0.0)


def explained(actual: Tensor, predicted: Tensor) -> float:
    """R2 over all columns together `[N, D]`: the share of the squared distance from the mean that is explained. NaN
    where nothing changes."""
    total = float((actual - actual.mean(0)).square().sum())
    return 1 - float((actual - predicted).square().sum()) / total if total > 0 else float("nan")


def best_temperature(logits: Tensor, wanted: Tensor, model: Model) -> float:
    """The temperature whose probabilities are nearest to the model's: smallest mean KL. wanted: log probabilities."""
    own = model.spec.temperature

    def distance(log_temperature: float) -> float:
        scaled = logits / float(np.exp(log_temperature))
        return float(divergence(wanted, log_probabilities(scaled, model.independent)).mean())

    reach = (np.log(own / WIDEST), np.log(own * WIDEST))
    found = minimize_scalar(distance, bounds=reach, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def matching(head: Head, layer: Layer, grid: int) -> bool:
    """Whether the layer's pooled maps may stand in for z."""
    return grid == 1 and head.number is not None and head.weight.shape[1] == layer.shape[0]


def direct_agreement(pooled: Tensor, weight: Tensor, bias: Tensor, classes: Tensor) -> float:
    return float(((pooled @ weight.T + bias).argmax(1) == classes).double().mean())


def probe(g: Tensor, calibration: Calibration, classes: int) -> float | None:
    """Held-out accuracy of the likeliest of one ridge per class, on the labels."""
    if calibration.labels is None:
        return None
    labels, out = torch.tensor(calibration.labels), torch.from_numpy(calibration.held_out)
    wanted = torch.nn.functional.one_hot(labels, classes).double()
    fit = fit_ridge(g[~out], wanted[~out], folds(calibration))
    return float(((g[out] @ fit.weight.T + fit.bias).argmax(1) == labels[out]).double().mean())


def accuracy(classes: Tensor, calibration: Calibration) -> float | None:
    if calibration.labels is None:
        return None
    labels = torch.tensor(calibration.labels)[torch.from_numpy(calibration.held_out)]
    return float((classes == labels).double().mean())


def folds(calibration: Calibration) -> np.ndarray:
    """A number 0 to 4 for each fitted input, the same for all views of a source."""
    sources = [s for s, out in zip(calibration.sources, calibration.held_out, strict=True) if not out]
    numbers = {source: place % 5 for place, source in enumerate(sorted(set(sources)))}
    return np.array([numbers[source] for source in sources])


def trusted(agreement: float, majority: float, r2: float, sources: int) -> bool:
    """Clearly above what naming the most frequent class would reach; where that is nearly always right, by R2."""
    if majority >= ONE_ANSWER:
        return bool(r2 >= EXPLAINS)
    return agreement >= majority + CLEARLY * float(np.sqrt(majority * (1 - majority) / sources))
