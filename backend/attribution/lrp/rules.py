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

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from backend.attribution.lrp.layers import CONVOLUTIONS, Add, Affine, Gate
from backend.attribution.lrp.linear import (
    SignedWeights,
    apply,
    geometry,
    redistribute,
    shift_of,
    spread,
    transposed,
    weight_of,
)

STABILISER = 1e-6
"""For all denominators but those of the epsilon rule."""
FAINT = 1e-2
"""Denominators smaller than this on average get a smaller epsilon."""
LEAST = 1e-18
"""Least share of epsilon, so that relevance over a layer of zeros stays finite."""
ROUNDING = 1e-6
"""Leaks below this share of the relevance are not redistributed."""

Tensors = tuple[Tensor, ...]
Shares = tuple[Tensor | None, ...]
Bias = Literal["share", "drop", "absorb"]


class Rule(Protocol):
    """(layer, inputs, output, relevance of the output) -> relevance of each input, in the inputs' shapes; None for
    an input that gets none."""

    name: ClassVar[str]

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Shares: ...


def stabilised(z: Tensor, epsilon: float) -> Tensor:
    """z moved away from zero by epsilon, to its own side. See `stabiliser`."""
    return torch.copysign(stabiliser(z.abs(), epsilon), z).add_(z)


def stabiliser(sizes: Tensor, epsilon: float = STABILISER) -> Tensor:
    """epsilon for denominators of these sizes (>= 0, `[N, ...]`), `[N, 1, ...]`: in proportion to their mean where
    that is below `FAINT`. Where activations fade (deep networks, new weights) a fixed epsilon would absorb all
    that there is; in a network scaled down the map stays the same."""
    mean = sizes.mean(tuple(range(1, sizes.ndim)), keepdim=True)
    return epsilon * (mean / FAINT).clamp(LEAST, 1.0)


@dataclass(frozen=True)
class Epsilon:
    """Each input's share of the sum; epsilon > 0 absorbs the relevance of sums near zero."""

    name: ClassVar[str] = "epsilon"
    epsilon: float = 1e-6
    bias: Bias = "share"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        (x,), weight = inputs, weight_of(layer)
        s = relevance / stabilised(
            output - shift_of(layer, output) if self.bias == "drop" else output, self.epsilon
        )
        share = x * transposed(layer, s, x, weight)
        if self.bias == "share" and layer.bias is not None:
            share = share + redistribute(layer, s * shift_of(layer, output), x.abs())
        return (share,)


@dataclass(frozen=True)
class ZPlus:
    """Positive contributions only: positive weight on positive input, negative weight on negative input.

    weights: the split weights, shared by the rules of one network.
    """

    name: ClassVar[str] = "z+"
    bias: Bias = "share"
    weights: SignedWeights = field(default_factory=SignedWeights, repr=False, compare=False)

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        (x,) = inputs
        if not bool((x < 0).any()):  # behind a ReLU half of the work is nought
            parts = [(x, self.weights.positive(layer))]
            return (_agreeing(layer, parts, output, relevance, self.bias),)
        sides = x.clamp(min=0), x.clamp(max=0)
        return (_both_sides(layer, *sides, self.weights, output, relevance, self.bias),)


def _both_sides(
    layer: nn.Module,
    above: Tensor,
    below: Tensor,
    weights: SignedWeights,
    output: Tensor,
    relevance: Tensor,
    bias: Bias,
) -> Tensor:
    """above . W+'s + below . W-'s with s = R / (W+ above + W- below), for above >= 0 and below <= 0. Where the
    layer allows it both are channels of one convolution, twice as fast on three-channel inputs."""
    if isinstance(layer, CONVOLUTIONS) and geometry(layer)[-1] == 1 and not geometry(layer)[3]:
        parts = [(torch.cat([above, below], 1), weights.both(layer))]
        return _agreeing(layer, parts, output, relevance, bias).unflatten(1, (2, -1)).sum(1)
    parts = [(above, weights.positive(layer)), (below, weights.negative(layer))]
    return _agreeing(layer, parts, output, relevance, bias)


def _agreeing(
    layer: nn.Module, parts: list[tuple[Tensor, Tensor]], output: Tensor, relevance: Tensor, bias: Bias
) -> Tensor:
    """Sum over the parts of x . W's with s = R / z and z the sum of Wx, for x and W of the same sign everywhere.

    z + epsilon divides R, so what z cannot carry is R - sz = epsilon s.
    """
    z = apply(layer, *parts[0])
    for part in parts[1:]:
        z += apply(layer, *part)
    if bias == "absorb":
        z += shift_of(layer, output).clamp(min=0)
    epsilon = stabiliser(z.clamp_(min=0))
    s = torch.div(relevance, z.add_(epsilon), out=z)
    share = transposed(layer, s, *parts[0]).mul_(parts[0][0])
    for x, weight in parts[1:]:
        share += transposed(layer, s, x, weight).mul_(x)
    if bias == "share" and _leaks(s, epsilon, relevance):
        share += spread(layer, epsilon * s, share)
    return share


def _leaks(s: Tensor, epsilon: Tensor, relevance: Tensor) -> bool:
    """Whether epsilon s is a part of the relevance worth handing on."""
    lost = epsilon * s.abs().sum(tuple(range(1, s.ndim)), keepdim=True)
    return bool(lost.sum() > ROUNDING * relevance.abs().sum())


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
        weight = weight_of(layer)
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
        shift = shift_of(layer, part)
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
    weights: SignedWeights = field(default_factory=SignedWeights, repr=False)

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        (x,) = inputs
        low, high = torch.minimum(self.low, x), torch.maximum(self.high, x)
        return (_both_sides(layer, x - low, x - high, self.weights, output, relevance, self.bias),)


@dataclass(frozen=True)
class Flat:
    """Even redistribution over the receptive field, whatever the input and the weights."""

    name: ClassVar[str] = "flat"

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Tensors:
        return (spread(layer, relevance, inputs[0]),)


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

    def __call__(self, layer: nn.Module, inputs: Tensors, output: Tensor, relevance: Tensor) -> Shares:
        assert isinstance(layer, Gate)
        return tuple(relevance if index == layer.signal else None for index in range(len(inputs)))


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
        z = stabilised(output, STABILISER)
        s = torch.div(relevance, z, out=z)
        plain = isinstance(layer, Add) and all(x.shape == output.shape for x in inputs)
        pulled = (s,) * len(inputs) if plain else _pulled_back(layer, inputs, s)
        return tuple(x * g for x, g in zip(inputs, pulled, strict=True))


def _pulled_back(layer: nn.Module, inputs: Tensors, s: Tensor) -> Tensors:
    """J's: the transposed derivative of a parameterless layer."""
    leaves = tuple(x.detach().requires_grad_() for x in inputs)
    with torch.enable_grad():
        return torch.autograd.grad(layer(*leaves), leaves, s)
