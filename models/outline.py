"""Networks with shapes but without memory for their weights, so that a file that does not fit cannot make a process
allocate a giant; and without the time that starting values take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

ALLOCATING = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
FILLING = {
    "normal_", "uniform_", "fill_", "zero_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_", "xavier_uniform_",
    "xavier_normal_", "orthogonal_", "constant_", "erfinv_", "mul_", "add_", "sub_", "div_", "clamp_", "copy_", "random_",
}  # fmt: skip


def outline_of(build: Callable[[], nn.Module]) -> nn.Module:
    """The network on the meta device."""
    try:
        with _Outline():
            return build().to("meta")
    except RuntimeError:  # computes with its own weights while it is built
        with torch.device("meta"):
            return build()


class _Outline(TorchFunctionMode):
    """Inside, tensors of the kinds that weights are made as get no memory, and nothing is written into them. Everything
    computed has some: a network may read a number out of a tensor while it is built (RegNet's widths)."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in ALLOCATING:
            return func(*args, **{**(kwargs or {}), "device": "meta"})
        if (
            args
            and isinstance(args[0], Tensor)
            and args[0].is_meta
            and getattr(func, "__name__", "") in FILLING
        ):
            return args[0]
        return func(*args, **(kwargs or {}))
