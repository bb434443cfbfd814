"""Grad-CAM at every layer, and each filter's share, from one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backend.attribution.internals.linear_head import Head
from backend.attribution.internals.passes import Reading, as_logits, means, reading_z
from models.model import Model

STRONGEST = 12
LARGEST = 112
"""Maps with longer sides are averaged down."""
THUMBNAIL = 32
"""The same for the small maps of all filters."""


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


@dataclass(frozen=True, eq=False)
class Look:
    """One input at all layers. target: the class that the maps are of. layers: None for one on which the answer does
    not depend. maps: A `[1, C, h, w]` by layer; z `[1, D]` and logits `[1, classes]`, as in a `Reading`."""

    target: int
    layers: dict[str, LayerMaps | None]
    maps: dict[str, Tensor]
    z: Tensor
    logits: Tensor

    def reading(self, grid: int) -> Reading:
        """What a lens of this grid reads."""
        pooled = {name: means(part, grid) for name, part in self.maps.items()}
        return Reading(pooled, self.z, self.logits, self.maps)


def layer_maps(
    model: Model, x: Tensor, names: Sequence[str], target: int | None = None, head: Head | None = None
) -> Look:
    """x `[1, C, H, W]`. target: None takes the predicted class. head: None reads no z. A module that runs several
    times counts at its last run."""
    recorded: dict[str, Tensor] = {}

    def record(name: str) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            recorded[name] = output
            return output.clone()  # what follows may work in place, and A must stay as it is

        return hook

    with ExitStack() as stack:
        for name in dict.fromkeys(names):
            stack.callback(model.module.get_submodule(name).register_forward_hook(record(name)).remove)
        z = stack.enter_context(reading_z(head)) if head is not None else []
        stack.enter_context(torch.enable_grad())
        start = x.detach().clone().requires_grad_(True)
        outputs = model.module(start.clone())
    with torch.enable_grad():
        logits = as_logits(model, outputs)
        chosen = int(logits[0].argmax()) if target is None else target
        y = model.select(outputs, chosen).sum()
    gradients = torch.autograd.grad(y, [recorded[name] for name in names], allow_unused=True)
    layers: dict[str, LayerMaps | None] = {
        name: None if gradient is None else _of(recorded[name].detach()[0], gradient[0])
        for name, gradient in zip(names, gradients, strict=True)
    }
    known = logits.detach().cpu()
    source = z[0].cpu() if z else outputs.detach().cpu()
    return Look(chosen, layers, {name: recorded[name].detach().cpu() for name in names}, source, known)


def _of(maps: Tensor, gradient: Tensor) -> LayerMaps:
    cam = torch.einsum("k,kij->ij", gradient.mean((1, 2)), maps).relu()
    return LayerMaps(maps.cpu(), cam.cpu(), (gradient * maps).mean((1, 2)).cpu())


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


def thumbnails(maps: Tensor) -> np.ndarray:
    """`[C, h, w]` -> uint8 with sides of at most `THUMBNAIL`, averaged down; 255 is the largest magnitude of each map
    then, and what is negative is 0."""
    height, width = maps.shape[-2:]
    less = F.adaptive_avg_pool2d(maps[None].float(), (_side(height, THUMBNAIL), _side(width, THUMBNAIL)))[0]
    largest = less.abs().amax((1, 2), keepdim=True)
    scaled = torch.where(largest > 0, 255 * less.clamp(min=0) / largest, torch.zeros_like(less))
    return scaled.round().nan_to_num().to(torch.uint8).numpy()


def _side(length: int, largest: int = LARGEST) -> int:
    return -(-length // -(-length // largest))
