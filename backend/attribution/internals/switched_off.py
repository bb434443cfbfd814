"""Filters switched off for one input, and the filters that made one spot of its Grad-CAM.

A filter that is off has its map replaced, for every input alike: by its mean over the calibration inputs (the default,
as importance is measured), or by zero, which for many filters is a value that no input ever gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter
from backend.attribution.internals import answers
from backend.attribution.internals.pooled import check_layer, logits_of
from backend.attribution.network.activations import activations_and_gradients
from backend.attribution.network.cache import steady
from backend.attribution.network.head import suffix
from models.model import Model


@dataclass(frozen=True, eq=False)
class SwitchedOff:
    """logits: `[2, classes]`, before and after. maps: Grad-CAM at the layer before and after, float32 `[2, h, w]`, raw.
    kl: KL(before || after), nats."""

    logits: Tensor
    maps: np.ndarray
    kl: float


def check_filters(filters: Sequence[int], count: int) -> list[int]:
    """Raises BadParameter."""
    wrong = [k for k in filters if not 0 <= k < count]
    if wrong:
        raise BadParameter(
            f"This layer has filters 0 to {count - 1}; there is no filter {wrong[0]}.", field="filters"
        )
    if not filters:
        raise BadParameter("Name at least one filter to switch off.", field="filters")
    return sorted(set(filters))


def switched_off(
    model: Model, x: Tensor, layer: str, filters: Sequence[int], target: int, replacement: Tensor | None
) -> SwitchedOff:
    """x `[1, C, H, W]`. replacement: maps `[C, h, w]` in place of the filters' own; None takes zero."""
    check_layer(model, layer)
    with steady(model):
        features, head = suffix(model, layer).at(x.to(model.device))
        off = check_filters(filters, features.shape[1])
        without = features.clone()
        without[:, off] = 0.0 if replacement is None else replacement.to(features)[off]
        logits, maps = [], []
        for given in (features, without):
            with torch.enable_grad():
                leaf = given.detach().requires_grad_(True)
                out = head(leaf)
                (gradient,) = torch.autograd.grad(model.select(out, target).sum(), leaf)
            weights = gradient.mean((2, 3), keepdim=True)
            maps.append((weights * given).sum(1)[0].relu())
            logits.append(logits_of(out.detach())[0].double())
        kl = float(answers.kl(model, logits[0][None], logits[1][None])[0])
    return SwitchedOff(torch.stack(logits).cpu(), torch.stack(maps).float().cpu().numpy(), kl)


@dataclass(frozen=True, eq=False)
class Spot:
    """One cell of a layer. parts: `w_k A_k` there, `[C]`; values: A_k. cell: (row, column) of `shape`."""

    parts: np.ndarray
    values: np.ndarray
    cell: tuple[int, int]
    shape: tuple[int, int]


def spot(model: Model, x: Tensor, layer: str, target: int, at: tuple[float, float]) -> Spot:
    """at: (x, y) in 0..1 of the display grid."""
    check_layer(model, layer)
    activations, gradients = activations_and_gradients(model, x.to(model.device), layer, target)
    height, width = activations.shape[2:]
    row, column = min(height - 1, int(at[1] * height)), min(width - 1, int(at[0] * width))
    values = activations[0, :, row, column].double()
    parts = gradients.double().mean((2, 3))[0] * values
    return Spot(parts.cpu().numpy(), values.cpu().numpy(), (row, column), (height, width))
