"""The last convolution for the explained class alone.

A fully convolutional network (SqueezeNet) ends with a convolution that has a channel for each class: a quarter of its
work and the widest of its last maps, of which an explanation reads one channel. Inside `explaining` only that one is
computed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from backend.attribution.network.bfloat16 import BackwardInBfloat16
from backend.attribution.network.joined import Joined, LimitedConvolution

BETWEEN = (nn.ReLU, nn.Dropout, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Identity)
"""Modules that keep channels apart."""
FUNCTIONS: set[Any] = {
    torch.flatten,
    torch.relu,
    torch.mean,
    functional.relu,
    functional.dropout,
    functional.avg_pool2d,
    functional.adaptive_avg_pool2d,
}
METHODS = {"flatten", "mean", "relu", "squeeze"}
KEPT = 8
"""Classes whose channels are kept."""
CLOSE = 1e-3
"""Largest difference to the logit of the whole network, relative to the largest (or 1)."""

_explained: ContextVar[int | None] = ContextVar("explained", default=None)


@contextmanager
def explaining(target: int) -> Iterator[None]:
    """Inside, a network of `narrow` answers `[N, 1]`: the logit of this class."""
    token = _explained.set(target)
    try:
        yield
    finally:
        _explained.reset(token)


class Classifier(nn.Module):
    """The last convolution: all its channels, or inside `explaining` the one of the class."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.whole = whole
        self._channels: dict[int, nn.Module] = {}

    def forward(self, x: Tensor) -> Tensor:
        target = _explained.get()
        result: Tensor = (self.whole if target is None else self._channel(target))(x)
        return result

    def _channel(self, target: int) -> nn.Module:
        if target not in self._channels:
            if len(self._channels) >= KEPT:
                self._channels.clear()
            self._channels[target] = _cut(self.whole, target)
        return self._channels[target]


def _cut(whole: nn.Module, target: int) -> nn.Module:
    """The module with this channel alone."""
    if isinstance(whole, LimitedConvolution):
        return LimitedConvolution(_channel(whole.convolution, target), whole.limit)
    if isinstance(whole, BackwardInBfloat16):
        return BackwardInBfloat16(_channel(whole.layer, target), whole.has_relu)
    assert isinstance(whole, nn.Conv2d)
    return _channel(whole, target)


def _channel(layer: nn.Conv2d, target: int) -> nn.Conv2d:
    one = copy.copy(layer)  # a new layer would draw weights
    one._parameters = {**layer._parameters}
    one.out_channels = 1
    for name, values in layer._parameters.items():
        if values is not None:
            setattr(
                one, name, nn.Parameter(values[target : target + 1].detach().clone(), requires_grad=False)
            )
    return one


def narrow(network: nn.Module | Joined) -> None:
    """Puts a `Classifier` in place of the last convolution, where the network can be read and ends with one."""
    graph = network.graph_module if isinstance(network, Joined) else network
    if isinstance(graph, fx.GraphModule) and (name := _last_convolution(graph)):
        graph.set_submodule(name, Classifier(graph.get_submodule(name)))


def is_narrowed(network: Any, x: Tensor) -> bool:
    """Whether `explaining` gives the logits of the whole network, for the first and the last class. x: `[N, C, H, W]`, as
    the network takes it."""
    graph = network.graph_module if isinstance(network, Joined) else network
    if not isinstance(graph, nn.Module) or not any(isinstance(part, Classifier) for part in graph.modules()):
        return False
    with torch.inference_mode():
        whole = network(x.clone()).float()
        close = CLOSE if x.dtype == torch.float32 else 10 * CLOSE
        for target in (0, whole.shape[1] - 1):
            try:
                with explaining(target):
                    alone = network(x.clone()).float()
            except RuntimeError:  # a fixed number of channels further on
                return False
            difference = (
                (alone - whole[:, target, None]).abs().max() if alone.shape == (len(x), 1) else float("inf")
            )
            if float(difference) > close * max(1.0, float(whole.abs().max())):
                return False
    return True


def _last_convolution(graph: fx.GraphModule) -> str | None:
    """The name of the convolution whose channels become the logits, each on its own."""
    parts = dict(graph.named_modules())
    node: fx.Node = next(iter(reversed(graph.graph.nodes)))
    while len(node.all_input_nodes) == 1:
        node = node.all_input_nodes[0]
        if len(node.users) != 1:
            return None
        part = parts.get(str(node.target)) if node.op == "call_module" else None
        layer = getattr(part, "layer", getattr(part, "convolution", part))
        if isinstance(layer, nn.Conv2d):
            plain = isinstance(part, LimitedConvolution | BackwardInBfloat16) or type(part) is nn.Conv2d
            return str(node.target) if plain and layer.groups == 1 and layer.out_channels > 1 else None
        if not (
            isinstance(part, BETWEEN)
            or (node.op == "call_function" and node.target in FUNCTIONS)
            or (node.op == "call_method" and node.target in METHODS)
        ):
            return None
    return None
