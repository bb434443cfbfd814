"""Max pooling of what ReLUs gave, in bfloat16.

torch widens each bfloat16 to compare it, and notes which one was largest. Numbers that are not negative have the order of
their bits, so they are compared as whole numbers, twice as fast, and with the same result. For passes without gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.utils import _pair

POSITIVE = (nn.ReLU, nn.ReLU6)
"""Modules that give no negative number."""
FUNCTIONS = {torch.relu, functional.relu, functional.relu6}
KEEPING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout, nn.Identity)
"""Modules that give none where they get none."""
CONCATENATIONS = {torch.cat, torch.concat}


class PositivePooling(nn.Module):
    """`max_pool2d` of numbers that are not negative: bfloat16 `[N, C, H, W]` -> `[N, C, h, w]`."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        pool, bits = self.pool, x.view(torch.int16)
        sizes = (_pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding))
        for dim, (kernel, stride, padding) in zip((2, 3), zip(*sizes, strict=True), strict=True):
            bits = _largest(bits, dim, kernel, stride, padding, pool.ceil_mode)
        return bits.view(torch.bfloat16)


def _largest(x: Tensor, dim: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> Tensor:
    """The largest of each window along one dimension; what lies outside counts as 0."""
    n = x.shape[dim]
    steps = (n + 2 * padding - kernel) / stride
    windows = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
    if ceil_mode and (windows - 1) * stride >= n + padding:
        windows -= 1  # a window must begin inside the input or its left padding
    parts = list(_parts(x, dim, kernel, stride, padding, windows))
    whole = [part for low, part in parts if part.shape[dim] == windows]
    if len(whole) > 1:
        largest = torch.maximum(whole[0], whole[1])
    else:
        largest = (
            whole[0].clone()
            if whole
            else torch.zeros_like(x.narrow(dim, 0, 1)).repeat_interleave(windows, dim)
        )
    for low, part in parts:
        if not any(part is done for done in whole[:2]):
            place = largest.narrow(dim, low, part.shape[dim])
            torch.maximum(place, part, out=place)
    return largest


def _parts(
    x: Tensor, dim: int, kernel: int, stride: int, padding: int, windows: int
) -> Iterator[tuple[int, Tensor]]:
    """For each place in a window: the first window in which it lies inside the input, and what the windows have there."""
    n = x.shape[dim]
    for place in range(kernel):
        low = max(0, math.ceil((padding - place) / stride))
        high = min(windows, (n - 1 + padding - place) // stride + 1)
        if low < high:
            first = low * stride - padding + place
            index = [slice(None)] * x.ndim
            index[dim] = slice(first, first + (high - low - 1) * stride + 1, stride)
            yield low, x[tuple(index)]


def pool_positive(network: fx.GraphModule, kind: type[nn.Module]) -> None:
    """Puts `PositivePooling` where a max pooling reads what cannot be negative, in place. kind: modules that end with a
    ReLU."""
    parts, positive = dict(network.named_modules()), set[fx.Node]()
    for node in network.graph.nodes:
        part = parts.get(str(node.target)) if node.op == "call_module" else None
        is_function = node.op == "call_function"
        given = bool(node.all_input_nodes) and all(source in positive for source in node.all_input_nodes)
        if isinstance(part, nn.MaxPool2d) and given and _is_plain(part):
            network.add_submodule(f"pooled_{node.name}", PositivePooling(part))
            node.target = f"pooled_{node.name}"  # its own: the pooling may have another reader
        if (
            isinstance(part, (*POSITIVE, kind))
            or (is_function and node.target in FUNCTIONS)
            or (given and (isinstance(part, KEEPING) or (is_function and node.target in CONCATENATIONS)))
        ):
            positive.add(node)
    network.recompile()


def _is_plain(pool: nn.MaxPool2d) -> bool:
    return not pool.return_indices and _pair(pool.dilation) == (1, 1)
