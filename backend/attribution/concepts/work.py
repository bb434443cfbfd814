"""What the part of a network behind a layer costs: fields and curves run that part alone, hundreds of times."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from backend.attribution.network.cache import cached
from models.model import Model


def share_behind(model: Model, layer: str) -> float:
    """Multiplications behind the layer's last call as a share of the whole network's, 0..1; by its linear and
    convolutional layers."""
    total, behind = _multiplications(model, layer)
    return behind / total if total else 1.0


def work_behind(model: Model, layer: str) -> int:
    """The same as a number of multiplications for one input."""
    return _multiplications(model, layer)[1]


def work_of(model: Model) -> int:
    """Multiplications of the whole network for one input."""
    return _multiplications(model, model.layers[0].name)[0]


def _multiplications(model: Model, layer: str) -> tuple[int, int]:
    return cached(model, "work behind", layer, lambda: _counted(model, layer))


def passes_behind(model: Model, layer: str, count: int) -> int:
    """`count` passes through the part behind the layer, in passes of the whole network; at least one."""
    return max(1, math.ceil(count * share_behind(model, layer)))


@torch.no_grad()
def _counted(model: Model, layer: str) -> tuple[int, int]:
    """Multiplications of the whole network, and of what runs behind the layer."""
    total = behind = 0

    def multiplied(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total, behind
        weight = module.weight
        assert isinstance(weight, Tensor)
        work = output.numel() // weight.shape[0] * weight.numel()
        total, behind = total + work, behind + work

    def passed(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal behind
        behind = 0

    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    hooks = [
        part.register_forward_hook(multiplied) for part in model.module.modules() if isinstance(part, kinds)
    ]
    hooks.append(model.module.get_submodule(layer).register_forward_hook(passed))
    try:
        model.module(torch.zeros(1, *model.input.shape, device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return total, behind
