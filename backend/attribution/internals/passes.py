"""One pass through a network that reads all its layers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.attribution.internals.linear_head import Head, Products
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
    model: Model,
    head: Head,
    names: Sequence[str],
    x: Tensor,
    grid: int = 1,
    *,
    maps: bool = False,
    seen: Callable[[str, Tensor], None] | None = None,
) -> Reading:
    """x `[N, C, H, W]`. Of a module that runs several times its last run is read. seen: shown the maps of every run."""
    pooled: dict[str, Tensor] = {}
    whole: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[..., None]:
        def see(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            pooled[name] = means(output, grid).cpu()
            if seen is not None:
                seen(name, output.detach())
            if maps:
                whole[name] = output.detach().clone().cpu()

        return see

    with ExitStack() as stack:
        for name in names:
            stack.callback(model.module.get_submodule(name).register_forward_hook(hook(name)).remove)
        z = stack.enter_context(reading_z(head))
        outputs = model.module(x.clone())
    source = z[0] if head.number is not None else outputs
    return Reading(pooled, source.cpu(), as_logits(model, outputs).cpu(), whole)


@contextmanager
def reading_z(head: Head) -> Iterator[list[Tensor]]:
    """Inside, the list receives z `[N, D]` of each forward pass in place of the last; nothing where z is the outputs
    themselves."""
    z: list[Tensor] = []

    def product(_name: str, args: tuple[Any, ...], kwargs: dict[str, Any], _out: Any, number: int) -> None:
        if number == head.number:
            source = args[head.argument] if len(args) > head.argument else kwargs["input"]
            z[:] = [head.z_of(source.detach()).clone()]

    if head.number is None:
        yield z
    else:
        with Products(product):
            yield z


def as_logits(model: Model, outputs: Tensor) -> Tensor:
    """The module's outputs as `Model.logits` gives them."""
    return torch.cat([-outputs / 2, outputs / 2], dim=1) if model.single_logit else outputs


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
    """`[N, C, h, w]` -> `[N, grid^2 C]`, float64: the mean of each cell, cell by cell. Of a batch the sums are in the
    maps' own precision, which is faster; one input's are exact."""
    height, width = maps.shape[-2:]
    parts = [
        (part if len(part) > 1 else part.double()).mean((2, 3)).double()
        for part in (maps[:, :, rows, columns] for rows, columns in cells(height, width, grid))
    ]
    return torch.cat(parts, dim=1)
