"""A network on which Captum's `DeepLift` is right: the canonical network, every non-linear step a module of its own
that Captum's Rescale rule covers.

Captum hooks modules by their exact type, and the tensors that go into them. Without a word it leaves at the plain
gradient what it does not know (functional activations, ReLU6, SiLU, Hardswish, GELU, products of two maps) and a
max pooling right behind a ReLU; it loses what overlapping windows share, and what else reads the input of an
activation. Here:

    activation        Elementwise: Rescale, (f(x) - f(b)) / (x - b), as Captum has it for ReLU
    max pooling       its windows side by side, then a pooling without overlap, which Captum covers
    signal * gate     ((s + g)^2 - (s - g)^2) / 4, two squares under Rescale: the mean of both orders of the product
    each of these     on a tensor of its own, which nothing else reads
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR, nonlinear
from torch import Tensor, fx, nn
from torch.nn import functional as F

from app.core.errors import Incompatible
from backend.attribution.lrp.layers import (
    ACTIVATIONS,
    WEIGHTED,
    Activation,
    Add,
    Affine,
    Average,
    Call,
    Gate,
    Move,
    Normalise,
    out_of_place,
)
from backend.attribution.lrp.prepared import canonical_of, probe_input
from backend.attribution.lrp.trace import WAY_OUT
from backend.attribution.network.cache import cached
from backend.attribution.types import OK, Compatibility
from models.model import Model

LOWEST = -1e30
"""Padding of a max pooling; finite, so that the difference of two paddings is 0."""
CLOSE = 1e-3
"""Largest difference of the logits of two inputs in one batch, relative to the largest logit (or 1)."""


class Elementwise(nn.Module):
    """An elementwise function under the Rescale rule."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


SUPPORTED_NON_LINEAR[Elementwise] = nonlinear  # Captum looks the rule up by the module's type


class Apart(nn.Module):
    """The same numbers as a tensor of their own, for Captum's hooks."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view_as(x)


class Product(nn.Module):
    """left * right."""

    def __init__(self) -> None:
        super().__init__()
        self.plus, self.minus = Elementwise(torch.square), Elementwise(torch.square)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return (self.plus(left + right) - self.minus(left - right)) / 4


class Windows(nn.Module):
    """The windows of a max pooling side by side: `[N, C, H, W]` -> `[N, C, h * kh, w * kw]`."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.kernel, self.stride = _pair(pool.kernel_size), _pair(pool.stride)
        self.padding, self.dilation, self.ceil = _pair(pool.padding), _pair(pool.dilation), pool.ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        pads: list[int] = []
        for size, span, step, pad in zip(
            x.shape[:1:-1], spans[::-1], self.stride[::-1], self.padding[::-1], strict=True
        ):
            missing = -(size + 2 * pad - span) % step  # cells that the last, cut-off window lacks
            starts_inside = size + 2 * pad - span + missing < size + pad
            pads += [pad, pad + (missing if self.ceil and starts_inside else 0)]
        windows = (
            F.pad(x, pads, value=LOWEST)
            .unfold(2, spans[0], self.stride[0])
            .unfold(3, spans[1], self.stride[1])
        )
        windows = windows[..., :: self.dilation[0], :: self.dilation[1]]  # [N, C, h, w, kh, kw]
        n, channels, h, w, kh, kw = windows.shape
        return windows.transpose(3, 4).reshape(n, channels, h * kh, w * kw)


def rescalable(model: Model) -> fx.GraphModule:
    """The model's network for Captum's `DeepLift`, built on first use. Raises Incompatible, naming the step that has
    no rule."""
    return cached(model, "rescalable network", None, lambda: _rescalable(model), capacity=1)


def verdict(model: Model) -> Compatibility:
    """Whether every step of the network has a rule."""
    return cached(model, "rescale verdict", None, lambda: _verdict(model))


def _verdict(model: Model) -> Compatibility:
    try:
        rescalable(model)
    except Incompatible as error:
        return Compatibility(False, error.detail.replace("LRP", "DeepLIFT"))
    return OK


def _rescalable(model: Model) -> fx.GraphModule:
    network = canonical_of(model)
    layers = {
        str(node.target): _with_rule(str(node.target), network.get_submodule(str(node.target)))
        for node in network.graph.nodes
        if node.op == "call_module"
    }
    rewritten = fx.GraphModule(layers, copy.deepcopy(network.graph)).eval()
    _check(rewritten, model)
    return rewritten


def _with_rule(path: str, layer: nn.Module) -> nn.Module:
    """The step as a module that Captum treats rightly; linear ones are shared with the canonical network."""
    if isinstance(layer, Activation):
        return nn.Sequential(Apart(), Elementwise(layer.forward))
    if isinstance(layer, ACTIVATIONS):
        fresh = out_of_place(layer)
        return nn.Sequential(
            Apart(), fresh if type(fresh) in SUPPORTED_NON_LINEAR else Elementwise(fresh.forward)
        )
    if isinstance(layer, Gate):
        return Product()
    kind = _kind(layer)
    pool = _max_pooling(layer) if isinstance(layer, Move) else None
    if pool is not None:
        return nn.Sequential(Windows(pool), nn.MaxPool2d(_pair(pool.kernel_size)))
    if isinstance(layer, (*WEIGHTED, Affine, Add, Average)) or (
        isinstance(layer, Move) and "max" not in kind.lower()
    ):
        return layer
    raise Incompatible(f"DeepLIFT has no rule for the layer {path!r} of this model: {kind}. {WAY_OUT}")


def _kind(layer: nn.Module) -> str:
    """What the step is called: the type of its layer, or the name of its function."""
    if isinstance(layer, Normalise):
        return "a layer or group norm"
    if not isinstance(layer, Call):
        return type(layer).__name__
    owner = getattr(layer.function, "__self__", None)
    return type(owner).__name__ if isinstance(owner, nn.Module) else layer.extra_repr()


def _max_pooling(layer: Move) -> nn.MaxPool2d | None:
    """The 2-D max pooling that a step computes, as a module or as a function; None for any other step."""
    owner = getattr(layer.function, "__self__", None)
    if type(owner) is nn.MaxPool2d:
        return owner
    if layer.function is not F.max_pool2d:
        return None
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    args, kwargs = layer.template
    arguments = {**dict(zip(names, args, strict=False)), **kwargs}
    return nn.MaxPool2d(**{name: value for name, value in arguments.items() if name != "input"})


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


@torch.no_grad()
def _check(network: nn.Module, model: Model) -> None:
    """Raises Incompatible unless input and baseline go through the network together and give the model's scores."""
    x = probe_input(model)
    both = torch.cat([x, model.input.baseline(x)])
    try:
        expected = model.module(both.clone())
        away = float((network(both) - expected).abs().max() / expected.abs().max().clamp(min=1))
    except RuntimeError:  # a shape that holds for one input only
        raise Incompatible(
            f"DeepLIFT sends input and baseline together, and this model takes one input at a time. {WAY_OUT}"
        ) from None
    if not away <= CLOSE:
        raise Incompatible(
            f"DeepLIFT cannot be applied to this model: rewritten layer by layer it gives other scores. {WAY_OUT}"
        )
