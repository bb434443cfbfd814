"""A layer's activations and the gradient of one logit with respect to them, from a single forward and
backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.model import Model


def activations_and_gradients(model: Model, x: Tensor, layer: str, target: int) -> tuple[Tensor, Tensor]:
    """A and dy_c/dA at `layer`, both `[N, C, h, w]`, for x `[N, C, H, W]`; y_c is the logit of `target`.

    The layer's output starts a graph of its own, so the backward pass ends at the layer. A module that runs
    several times (a shared ReLU) counts at its last call. The network continues on a copy of the output, so
    that an in-place operation behind the layer does not change A.
    """
    recorded: list[Tensor] = []

    def record(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        recorded[:] = [output.detach().requires_grad_(True)]
        return recorded[0].clone()

    handle = model.module.get_submodule(layer).register_forward_hook(record)
    try:
        with torch.enable_grad():
            y = model.select(model.module(x.detach().clone()), target).sum()
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(y, recorded[0])
    return recorded[0].detach(), gradient.detach()


class _Reached(Exception):
    """The layer has put out what was asked for."""


def up_to(model: Model, layer: str, x: Tensor) -> Tensor:
    """The layer's output at its first call `[N, C, h, w]` for x `[N, C, H, W]`, with the graph back to x where x asks for
    one. What lies behind the layer is not run."""
    recorded: list[Tensor] = []

    def stop(_module: Any, _inputs: Any, output: Tensor) -> None:
        recorded.append(output)
        raise _Reached

    handle = model.module.get_submodule(layer).register_forward_hook(stop)
    try:
        model.module(x.clone())
    except _Reached:
        pass
    finally:
        handle.remove()
    return recorded[0]
