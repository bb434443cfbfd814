"""A layer's activations and the gradient of one logit with respect to them, from a single forward and
backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.model import Model


def activations_and_gradients(model: Model, x: Tensor, layer: str, target: int) -> tuple[Tensor, Tensor]:
    """A and dy_c/dA at `layer`, both `[N, C, h, w]`, for x `[N, C, H, W]`; y_c is the logit of `target`.

    The layer's output starts a graph of its own: nothing before it is recorded, so only the part behind it is
    paid for on the way back. A module that runs several times (a shared ReLU) is seen at its last call. What
    runs on is a copy, so that an in-place operation behind the layer does not change what was seen.
    """
    seen: list[Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        seen[:] = [output.detach().requires_grad_(True)]
        return seen[0].clone()

    handle = model.module.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            y = model.select(model.module(x.detach().clone()), target).sum()
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(y, seen[0])
    return seen[0].detach(), gradient.detach()
