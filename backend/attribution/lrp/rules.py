"""Propagation rules. A rule redistributes the relevance of a layer's output to the layer's inputs.

Symbols: x input `[N, C, H, W]`, W weights, z = Wx + b output, R relevance of the output, s = R / z a
quotient, W' the transposed layer. `x+` is max(x, 0), `x-` is min(x, 0). A denominator z is kept away from
zero as z + epsilon * sign(z), sign(0) = 1.

    epsilon   R_in = x . W's                         s = R / (Wx)                    Bach et al. 2015
    z+        R_in = x+ . W+'s + x- . W-'s           s = R / (W+x+ + W-x-)           Montavon et al. 2017, for signed inputs
    gamma     as epsilon with W + gamma W+           outputs below zero with W-      Montavon et al. 2019, Andeol et al. 2021
    zB        R_in = x . W's - l . W+'s - h . W-'s   s = R / (Wx - W+l - W-h)        Montavon et al. 2017, for pixels in [l, h]
    flat      R_in = 1's                             s = R / 1x, all weights one     Lapuschkin et al. 2019

**Bias.** A bias speaks for no input, yet the sum of relevance is only kept when its part goes somewhere.
Three ways:
`share` (default)  the bias's part goes to the inputs. z+ and zB leave it out of the denominator, which shares it among the contributions;
                   what a unit without any positive contribution received (it was active by its bias alone) is spread over its
                   receptive field. Epsilon and gamma cannot leave it out (their denominators would cross zero and relevance explode:
                   1e13 times the score on a ResNet-18), so they keep it in and spread its part over the receptive field in proportion
                   to |x|. Bach et al. 2015 spread it evenly; in proportion, silent cells stay silent and all stays bounded.
`drop`             left out of every denominator: Zennit's `zero_params="bias"`.
`absorb`           it takes its part with it and the sum leaks by it: LRP as first written, and Captum's.

**Captum.** Its EpsilonRule is our `Epsilon(bias="absorb")` and its GammaRule our `Gamma` on inputs without
negative values; the tests hold the two together on canonical networks. They are computed here nevertheless:
Captum has no rule for signed inputs (Alpha1_Beta0 only clamps the weights), bounded pixels, concatenation,
ReLU6, SiLU or layer norm, edits weights in place and needs two forward passes.

Every rule works on layers of a canonical network (`rewrite.py`), without hooks and without touching weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from backend.attribution.lrp.layers import CONVOLUTIONS, Affine, Gate

STABILISER = 1e-6
"""For all denominators but those of the epsilon rule."""
ROUNDING = 1e-6
"""Leaks below this share of the relevance are not redistributed."""

Tensors = tuple[Tensor, ...]
Bias = Literal["share", "drop", "absorb"]


class Rule(Protocol):
    """(layer, inputs, output, relevance of the output) -> relevance of each input, in the inputs' shapes."""

    name: ClassVar[str]

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors: ...


def stabilised(z: Tensor, epsilon: float) -> Tensor:
    """z moved away from zero by epsilon, to its own side."""
    return z + torch.where(z < 0, -epsilon, epsilon)


def apply(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """The layer's linear map with another weight and no bias."""
    if not isinstance(layer, CONVOLUTIONS):
        return nn.functional.linear(x, weight)
    return torch.convolution(x, weight, None, *_geometry(layer))


def transposed(layer: nn.Module, s: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The transposed linear map W's, in the shape of the layer's input x."""
    if not isinstance(layer, CONVOLUTIONS):
        return s @ weight
    return torch.ops.aten.convolution_backward(s, x, weight, None, *_geometry(layer), [True, False, False])[0]


def _geometry(layer: nn.Module) -> tuple[list[int], list[int], list[int], bool, list[int], int]:
    conv = cast(nn.Conv2d, layer)
    return (
        list(conv.stride),
        cast(list[int], conv.padding),
        list(conv.dilation),
        conv.transposed,
        list(conv.output_padding),
        conv.groups,
    )


def _weight(layer: nn.Module) -> Tensor:
    return cast(Tensor, layer.weight)


def _shift(layer: nn.Module, output: Tensor) -> Tensor:
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
    groups = _geometry(layer)[-1]
    kernel = by.new_ones(groups, 1, *cast(nn.Conv2d, layer).kernel_size)
    field = by.unflatten(1, (groups, -1)).sum(2)
    total = torch.convolution(field, kernel, None, *_geometry(layer))
    received = relevance.unflatten(1, (groups, -1)).sum(2)
    quotient = torch.where(total > 0, received / total, 0.0)
    back = torch.ops.aten.convolution_backward(
        quotient, field, kernel, None, *_geometry(layer), [True, False, False]
    )[0]
    return (by.unflatten(1, (groups, -1)) * back.unsqueeze(2)).flatten(1, 2)


@dataclass(frozen=True)
class Epsilon:
    """Each input's share of the sum; epsilon > 0 absorbs the relevance of sums near zero."""

    name: ClassVar[str] = "epsilon"
    epsilon: float = 1e-6
    bias: Bias = "share"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        (x,), weight = inputs, _weight(layer)
        s = relevance / stabilised(
            output - _shift(layer, output) if self.bias == "drop" else output, self.epsilon
        )
        share = x * transposed(layer, s, x, weight)
        if self.bias == "share" and layer.bias is not None:
            share = share + redistribute(layer, s * _shift(layer, output), x.abs())
        return (share,)


@dataclass(frozen=True)
class ZPlus:
    """Positive contributions only: positive weight on positive input, negative weight on negative input."""

    name: ClassVar[str] = "z+"
    bias: Bias = "share"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        (x,) = inputs
        if bool(x.min() < 0):
            return (_agreeing(layer, x.clamp(min=0), x.clamp(max=0), output, relevance, self.bias),)
        return (
            _agreeing(layer, x, None, output, relevance, self.bias),
        )  # after a ReLU, half of the work is nought


def _agreeing(
    layer: nn.Module, above: Tensor, below: Tensor | None, output: Tensor, relevance: Tensor, bias: Bias
) -> Tensor:
    """above . W+'s + below . W-'s with s = R / (W+ above + W- below), for above >= 0 and below <= 0."""
    weight = _weight(layer).clamp(min=0)
    x = above
    if (
        below is not None
        and isinstance(layer, CONVOLUTIONS)
        and _geometry(layer)[-1] == 1
        and not _geometry(layer)[3]
    ):
        # both halves as channels of one convolution: twice as fast on three-channel inputs
        weight, x = torch.cat([weight, _weight(layer).clamp(max=0)], 1), torch.cat([above, below], 1)
        found, unexplained = _divided(layer, [(x, weight)], output, relevance, bias)
        share = found[0].unflatten(1, (2, -1)).sum(1)
    else:
        parts = (
            [(above, weight)] if below is None else [(above, weight), (below, _weight(layer).clamp(max=0))]
        )
        found, unexplained = _divided(layer, parts, output, relevance, bias)
        share = found[0] if below is None else found[0] + found[1]
    if bias == "share" and bool(unexplained.abs().sum() > ROUNDING * relevance.abs().sum()):
        share = share + redistribute(layer, unexplained, torch.ones_like(above))
    return share


def _divided(
    layer: nn.Module, parts: list[tuple[Tensor, Tensor]], output: Tensor, relevance: Tensor, bias: Bias
) -> tuple[list[Tensor], Tensor]:
    """R handed to several inputs, each with its own weights, by one common denominator; and what the
    denominator could not carry."""
    z = apply(layer, *parts[0])
    for part in parts[1:]:
        z = z + apply(layer, *part)
    s = relevance / stabilised(z + _shift(layer, output).clamp(min=0) if bias == "absorb" else z, STABILISER)
    return [x * transposed(layer, s, x, weight) for x, weight in parts], relevance - s * z


@dataclass(frozen=True)
class Gamma:
    """Contributions in the direction of the output are weighted up by 1 + gamma; gamma 0 is epsilon,
    infinity is z+."""

    name: ClassVar[str] = "gamma"
    gamma: float = 0.25
    bias: Bias = "share"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        (x,) = inputs
        total = torch.zeros_like(x)
        for up in (True, False):
            part = relevance * (output > 0 if up else output < 0)
            if bool(
                part.any()
            ):  # behind a ReLU no relevance sits on outputs below zero: the second half is rarely needed
                total += self._side(layer, x, part, up)
        return (total,)

    def _side(self, layer: nn.Module, x: Tensor, part: Tensor, up: bool) -> Tensor:
        """Relevance of the outputs on one side of zero."""
        weight = _weight(layer)
        signed = bool(x.min() < 0)
        above = x.clamp(min=0) if signed else x
        agreeing = weight + self.gamma * (weight.clamp(min=0) if up else weight.clamp(max=0))
        z = apply(layer, above, agreeing)
        if signed:
            opposing, below = (
                weight + self.gamma * (weight.clamp(max=0) if up else weight.clamp(min=0)),
                x.clamp(max=0),
            )
            z = z + apply(layer, below, opposing)
        shift = _shift(layer, part)
        shift = shift + self.gamma * (shift.clamp(min=0) if up else shift.clamp(max=0))
        s = part / stabilised(z if self.bias == "drop" else z + shift, STABILISER)
        share = above * transposed(layer, s, x, agreeing)
        if signed:
            share = share + below * transposed(layer, s, x, opposing)
        if self.bias == "share" and layer.bias is not None:
            share = share + redistribute(layer, s * shift, x.abs())
        return share


@dataclass(frozen=True, eq=False)
class ZBox:
    """For the first layer of a network whose inputs lie between `low` and `high` `[1, C, H, W]`: a black pixel
    can carry relevance too.

    Wx - W+l - W-h = W+(x - l) + W-(x - h): z+ on the distances to both ends. An input beyond a bound widens
    it.
    """

    name: ClassVar[str] = "zB"
    low: Tensor
    high: Tensor
    bias: Bias = "share"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        (x,) = inputs
        low, high = torch.minimum(self.low, x), torch.maximum(self.high, x)
        return (_agreeing(layer, x - low, x - high, output, relevance, self.bias),)


@dataclass(frozen=True)
class Flat:
    """Even redistribution over the receptive field, whatever the input and the weights."""

    name: ClassVar[str] = "flat"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        return (redistribute(layer, relevance, torch.ones_like(inputs[0])),)


@dataclass(frozen=True)
class Pass:
    """Relevance stays at its cell: elementwise layers, and normalisation (the identity rule of Achtibat et al.
    2024).

    With `absorb` the shift of an affine layer keeps its part.
    """

    name: ClassVar[str] = "pass"
    bias: Bias = "share"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        if self.bias == "absorb" and isinstance(layer, Affine):
            product, _ = layer.parts(inputs[0])
            return (product * relevance / stabilised(output, STABILISER),)
        return (relevance,)


@dataclass(frozen=True)
class Signal:
    """All to the signal, none to the gate."""

    name: ClassVar[str] = "signal"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        assert isinstance(layer, Gate)
        return tuple(
            relevance if index == layer.signal else torch.zeros_like(x) for index, x in enumerate(inputs)
        )


@dataclass(frozen=True)
class Route:
    """Back to where each number came from: the winner of a max pool, the parts of a concatenation."""

    name: ClassVar[str] = "route"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        return _pulled_back(layer, inputs, relevance)


@dataclass(frozen=True)
class Share:
    """Each input's share of a sum or mean: R_in = x . J's with s = R / z. For sums, means and resizing.

    `absolute`: shares of |x| instead. The same where the parts agree in sign; bounded where they cancel while
    the relevance does not vanish with the sum, as below a batch norm whose shift was shared out (DenseNet,
    pre-activation ResNets).
    """

    name: ClassVar[str] = "share"
    absolute: bool = False

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        if self.absolute:
            inputs = tuple(x.abs() for x in inputs)
            output = layer(*inputs)
        s = relevance / stabilised(output, STABILISER)
        return tuple(x * g for x, g in zip(inputs, _pulled_back(layer, inputs, s), strict=True))


def _pulled_back(layer: nn.Module, inputs: Tensors, s: Tensor) -> Tensors:
    """J's: the transposed derivative of a parameterless layer."""
    leaves = tuple(x.detach().requires_grad_() for x in inputs)
    with torch.enable_grad():
        return torch.autograd.grad(layer(*leaves), leaves, s)
