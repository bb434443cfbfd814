"""A layer's activations and the gradient of one logit with respect to them, from a single forward and backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.spec import Model


def activations_and_gradients(model: Model, x: Tensor, layer: str, target: int) -> tuple[Tensor, Tensor]:
    """A and dy_c/dA at `layer`, both `[N, C, h, w]`, for x `[N, C, H, W]`; y_c is the logit of `target`.

    A module that runs several times (a shared ReLU) is seen at its last call. The activation is cloned at the hook, so that an in-place
    operation behind the layer does not change what was seen.
    """
    seen: list[Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        if not output.requires_grad:
            output.requires_grad_(True)
        seen.append(output)
        return output.clone()

    handle = model.module.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            y = model.select(model.module(x.detach().requires_grad_(True)), target).sum()
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(y, seen[-1])
    return seen[-1].detach(), gradient.detach()
