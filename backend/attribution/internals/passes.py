"""One pass through a network that reads all its layers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.attribution.internals.readable import Head, Products
from models.model import Model


@dataclass(frozen=True, eq=False)
class Reading:
    """pooled: by layer, the means of its maps `[N, grid^2 C]`, cell by cell; z `[N, D]`, the input of the final linear
    layer; logits `[N, classes]`, as `Model.logits` gives them. maps: by layer `[N, C, h, w]`, if they were asked for.
    On the CPU."""

    pooled: dict[str, Tensor]
    z: Tensor
    logits: Tensor
    maps: dict[str, Tensor]


@torch.no_grad()
def read(
    model: Model, head: Head, names: Sequence[str], x: Tensor, grid: int = 1, *, maps: bool = False
) -> Reading:
    """x `[N, C, H, W]`. Of a module that runs several times its last run is read."""
    pooled: dict[str, Tensor] = {}
    whole: dict[str, Tensor] = {}
    inputs: list[Tensor] = []

    def hook(name: str) -> Callable[..., None]:
        def see(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            pooled[name] = means(output, grid).cpu()
            if maps:
                whole[name] = output.detach().clone().cpu()

        return see

    def product(_name: str, args: tuple[Any, ...], kwargs: dict[str, Any], _out: Any, number: int) -> None:
        if number == head.number:
            source = args[head.argument] if len(args) > head.argument else kwargs["input"]
            inputs[:] = [head.z_of(source).detach().clone()]

    with ExitStack() as stack:
        for name in names:
            handle = model.module.get_submodule(name).register_forward_hook(hook(name))
            stack.callback(handle.remove)
        if head.number is not None:
            stack.enter_context(Products(product))
        outputs = model.module(x.clone())
    logits = torch.cat([-outputs / 2, outputs / 2], dim=1) if model.single_logit else outputs
    z = inputs[0] if head.number is not None else outputs
    return Reading(pooled, z.cpu(), logits.cpu(), whole)


def cells(height: int, width: int, grid: int) -> list[tuple[slice, slice]]:
    """The quarters of a map, or the whole; a map of one row or column has none to part."""
    rows = [
        slice(height * i // grid, max(height * (i + 1) // grid, height * i // grid + 1)) for i in range(grid)
    ]
    columns = [
        slice(width * i // grid, max(width * (i + 1) // grid, width * i // grid + 1)) for i in range(grid)
    ]
    return [(row, column) for row in rows for column in columns]


def means(maps: Tensor, grid: int) -> Tensor:
    """`[N, C, h, w]` -> `[N, grid^2 C]`, float64: the mean of each cell, cell by cell."""
    height, width = maps.shape[-2:]
    parts = [maps[:, :, rows, columns].double().mean((2, 3)) for rows, columns in cells(height, width, grid)]
    return torch.cat(parts, dim=1)
