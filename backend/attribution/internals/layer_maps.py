"""Grad-CAM at every layer, and each filter's share, from one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.model import Model

STRONGEST = 12
LARGEST = 112
"""Maps with longer sides are averaged down."""


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """maps: A `[C, h, w]`. grad_cam: relu(sum_k w_k A_k) `[h, w]`, w_k = mean_ij dy_c/dA_k. share: `[C]`,
    mean_ij(dy_c/dA_k A_k), signed. y_c is the logit that `Model.select` gives. On the CPU."""

    maps: Tensor
    grad_cam: Tensor
    share: Tensor

    def strongest(self, count: int = STRONGEST) -> list[int]:
        """Filters by |share|, the largest first; none without any."""
        order = self.share.abs().argsort(descending=True, stable=True)[:count]
        return [int(k) for k in order if float(self.share[k]) != 0.0]


def layer_maps(model: Model, x: Tensor, names: Sequence[str], target: int) -> dict[str, LayerMaps | None]:
    """x `[1, C, H, W]`. None for a layer on which the answer does not depend. A module that runs several times counts
    at its last run."""
    recorded: dict[str, Tensor] = {}

    def record(name: str) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            recorded[name] = output
            return output.clone()  # what follows may work in place, and A must stay as it is

        return hook

    handles = [
        model.module.get_submodule(name).register_forward_hook(record(name)) for name in dict.fromkeys(names)
    ]
    try:
        with torch.enable_grad():
            start = x.detach().clone().requires_grad_(True)
            y = model.select(model.module(start.clone()), target).sum()
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(y, [recorded[name] for name in names], allow_unused=True)
    out: dict[str, LayerMaps | None] = {}
    for name, gradient in zip(names, gradients, strict=True):
        if gradient is None:
            out[name] = None
            continue
        maps, gradient = recorded[name].detach()[0], gradient[0]
        weights = gradient.mean((1, 2))
        cam = torch.einsum("k,kij->ij", weights, maps).relu()
        out[name] = LayerMaps(maps.cpu(), cam.cpu(), (gradient * maps).mean((1, 2)).cpu())
    return out


def small(maps: Tensor) -> np.ndarray:
    """`[n, h, w]` -> float32 with sides of at most `LARGEST`, averaged down by whole areas; the mean of each map is
    kept."""
    height, width = maps.shape[-2:]
    size = (_side(height), _side(width))
    if size == (height, width):
        return maps.float().numpy()
    less = F.adaptive_avg_pool2d(maps[None].double(), size)[0]
    whole = maps.double().mean((1, 2), keepdim=True)
    return (less + whole - less.mean((1, 2), keepdim=True)).float().numpy()


def _side(length: int) -> int:
    return -(-length // -(-length // LARGEST))
