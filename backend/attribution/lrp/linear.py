"""The linear map of a weighted layer with other weights than its own, forwards and transposed, and the weights
split by sign. No bias, no hooks, no change to the layer.

The type of the weight decides the arithmetic: with a weight in bfloat16 the inputs are rounded to it, products
are added up in float32 by the processor, and the result comes back in float32.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from backend.attribution.lrp.layers import CONVOLUTIONS

LEAST_FAN_IN = 64
"""A convolution with fewer weights per output gains nothing from bfloat16: the conversions cost as much."""


class SignedWeights:
    """W+ = max(W, 0) and W- = min(W, 0) of the layers of one network, split on first use and laid out once.

    half: in bfloat16 for plain 2-d convolutions. Sums of terms of one sign cannot cancel, so rounding them to 8
    bits changes each by 0.4 % at most. The layers' weights must not change meanwhile.
    """

    def __init__(self, half: bool = False) -> None:
        self.half = half
        self._parts: dict[tuple[nn.Module, str], Tensor] = {}

    def positive(self, layer: nn.Module) -> Tensor:
        return self._part(layer, "+")

    def negative(self, layer: nn.Module) -> Tensor:
        return self._part(layer, "-")

    def both(self, layer: nn.Module) -> Tensor:
        """W+ and W- side by side, for an input with its positive and negative parts as channels."""
        return self._part(layer, "+-")

    def _part(self, layer: nn.Module, signs: str) -> Tensor:
        key = (layer, signs)
        if key not in self._parts:
            weight = weight_of(layer)
            halves = [weight.clamp(min=0) if sign == "+" else weight.clamp(max=0) for sign in signs]
            self._parts[key] = self._laid_out(layer, torch.cat(halves, 1) if len(halves) > 1 else halves[0])
        return self._parts[key]

    def _laid_out(self, layer: nn.Module, weight: Tensor) -> Tensor:
        if not isinstance(layer, nn.Conv2d):
            return weight
        depthwise = 1 < layer.groups == layer.in_channels
        half = self.half and weight[0].numel() >= LEAST_FAN_IN and not depthwise
        return weight.to(torch.bfloat16 if half else weight.dtype, memory_format=torch.channels_last)


def apply(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """Wx in the type of x: the layer's linear map with another weight and no bias."""
    rounded = x.to(weight.dtype)
    if not isinstance(layer, CONVOLUTIONS):
        return nn.functional.linear(rounded, weight).to(x.dtype)
    return torch.convolution(rounded, weight, None, *geometry(layer)).to(x.dtype)


def transposed(layer: nn.Module, s: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The transposed linear map W's in the type of s, in the shape of the layer's input x."""
    rounded = s.to(weight.dtype)
    if not isinstance(layer, CONVOLUTIONS):
        return (rounded @ weight).to(s.dtype)
    # only the shape of the input is read when the gradient of the weights is not asked for
    like = x if x.dtype == weight.dtype else torch.empty_like(x, dtype=weight.dtype)
    back = torch.ops.aten.convolution_backward(
        rounded, like, weight, None, *geometry(layer), [True, False, False]
    )[0]
    return back.to(s.dtype)


def geometry(layer: nn.Module) -> tuple[list[int], list[int], list[int], bool, list[int], int]:
    """(stride, padding, dilation, transposed, output padding, groups), as `torch.convolution` takes them."""
    conv = cast(nn.Conv2d, layer)
    return (
        list(conv.stride),
        cast(list[int], conv.padding),
        list(conv.dilation),
        conv.transposed,
        list(conv.output_padding),
        conv.groups,
    )


def weight_of(layer: nn.Module) -> Tensor:
    return cast(Tensor, layer.weight)


def shift_of(layer: nn.Module, output: Tensor) -> Tensor:
    """The bias, shaped to be added to the output (zero where there is none)."""
    bias = cast(Tensor | None, layer.bias)
    if bias is None:
        return output.new_zeros(())
    return bias if isinstance(layer, nn.Linear) else bias.view(-1, *[1] * (output.ndim - 2))


def redistribute(layer: nn.Module, relevance: Tensor, by: Tensor) -> Tensor:
    """Redistributes the relevance of each output over its receptive field in proportion to `by` >= 0, in the
    shape of the layer's input.

    All weights are equal here, so channels are summed first: one channel per group instead of a full
    convolution. Relevance whose receptive field sums to 0 is lost.
    """
    if not isinstance(layer, CONVOLUTIONS):
        total = by.sum(-1, keepdim=True)
        return by * torch.where(total > 0, relevance.sum(-1, keepdim=True) / total, 0.0)
    groups = geometry(layer)[-1]
    back = _to_the_field(layer, relevance, by.unflatten(1, (groups, -1)).sum(2))
    return (by.unflatten(1, (groups, -1)) * back.unsqueeze(2)).flatten(1, 2)


def spread(layer: nn.Module, relevance: Tensor, x: Tensor) -> Tensor:
    """`redistribute` in equal parts. The result may be a view with repeated cells, in the shape of x."""
    if not isinstance(layer, CONVOLUTIONS):
        return (relevance.sum(-1, keepdim=True) / x.shape[-1]).expand(x.shape)
    groups = geometry(layer)[-1]
    each = x.shape[1] // groups
    back = _to_the_field(layer, relevance, x.new_full((1, groups, *x.shape[2:]), each))
    return back.unsqueeze(2).expand(-1, -1, each, *x.shape[2:]).flatten(1, 2)


def _to_the_field(layer: nn.Module, relevance: Tensor, field: Tensor) -> Tensor:
    """1's with s = R / (1 field), one channel per group. field: `[N or 1, groups, ...]`."""
    groups = geometry(layer)[-1]
    kernel = field.new_ones(groups, 1, *cast(nn.Conv2d, layer).kernel_size)
    total = torch.convolution(field, kernel, None, *geometry(layer))
    received = relevance.unflatten(1, (groups, -1)).sum(2)
    quotient = torch.where(total > 0, received / total, 0.0)
    like = field.expand(received.shape[0], *field.shape[1:])
    back: Tensor = torch.ops.aten.convolution_backward(
        quotient, like, kernel, None, *geometry(layer), [True, False, False]
    )[0]
    return back
