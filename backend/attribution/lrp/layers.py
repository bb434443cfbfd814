"""The few kinds of layer that a canonical network is made of. Every rule of `rules.py` is written for a kind,
never for an architecture.

kind        layers                                              how relevance goes back
weighted    nn.Conv*, nn.ConvTranspose*, nn.Linear              by a rule of the preset
affine      Affine: batch norm that could not be merged, scale  to the same cell
activation  ReLU, ReLU6, SiLU, GELU, sigmoid, ...               to the same cell
move        Move: flatten, reshape, concatenation, max pooling  where the number came from
average     Average: pooling, mean, resizing                    by share of the sum
normalise   Normalise: layer norm and group norm                to the same cell
add         Add                                                 by share of the sum
gate        Gate: signal * gate (squeeze and excitation)        all to the signal
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

WEIGHTED = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
)
CONVOLUTIONS = WEIGHTED[:-1]
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.SiLU, nn.Mish, nn.GELU, nn.Hardswish, nn.Hardtanh,
    nn.Softplus, nn.Tanh, nn.Sigmoid, nn.Hardsigmoid,
)  # fmt: skip


class Call(nn.Module):
    """A function with its constants bound; the tensors come as arguments. `template` holds a `Slot` where
    a tensor goes."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.function, self.template = function, (args, kwargs)

    def forward(self, *tensors: Tensor) -> Any:
        args, kwargs = fx.node.map_aggregate(
            self.template, lambda part: tensors[part.index] if isinstance(part, Slot) else part
        )
        return self.function(*args, **kwargs)

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", str(self.function))


class Slot:
    """Stands for the tensor number `index` in a Call's template."""

    def __init__(self, index: int) -> None:
        self.index = index


class Move(Call):
    """Every output number *is* one input number: reshape, concatenation, slices, padding, max pooling."""


class Average(Call):
    """Linear without weights of its own: pooling, mean, resizing."""


class Activation(Call):
    """An elementwise non-linearity that has no module, or whose arguments were bound."""


class Add(nn.Module):
    """The sum of any number of tensors (residual connections)."""

    def forward(self, *tensors: Tensor) -> Tensor:
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        return total


class Gate(nn.Module):
    """signal * gate; the gate only regulates, so it gets no relevance (Arras et al. 2017, "signal takes
    all")."""

    def __init__(self, signal: int) -> None:
        super().__init__()
        self.signal = signal

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left * right


class Affine(nn.Module):
    """y = scale * x + shift along one dimension: a batch norm that no convolution could take up, or a
    learned scale."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("scale", scale.detach())
        self.register_buffer("shift", shift.detach())

    def _along(self, values: Tensor, x: Tensor) -> Tensor:
        return values.view([-1 if axis == self.dim % x.ndim else 1 for axis in range(x.ndim)])

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """scale * x, and the shift shaped to be added to it."""
        return self._along(self.scale, x) * x, self._along(self.shift, x)

    def forward(self, x: Tensor) -> Tensor:
        product, shift = self.parts(x)
        return product + shift


class Normalise(nn.Module):
    """(x - mean) / deviation over one sample's channels or groups of them, without the learned scale and
    shift (an Affine of its own)."""

    def __init__(
        self, eps: float, *, last: int | None = None, channels: bool = False, groups: int | None = None
    ) -> None:
        super().__init__()
        self.eps, self.last, self.channels, self.groups = eps, last, channels, groups

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        if self.groups:
            x = x.reshape(shape[0], self.groups, -1)
        dims = (1,) if self.channels else tuple(range(-(self.last or 1), 0))
        centred = x - x.mean(dims, keepdim=True)
        deviation = (centred.pow(2).mean(dims, keepdim=True) + self.eps).sqrt()
        return (centred / deviation).reshape(shape)


def batch_norm(layer: Any) -> Affine:
    """Batch norm with its running statistics, as the affine map that it is in eval mode. layer: anything
    with a batch norm's tensors."""
    scale = torch.rsqrt(layer.running_var + layer.eps)
    if layer.weight is not None:
        scale = scale * layer.weight
    shift = -layer.running_mean * scale
    if layer.bias is not None:
        shift = shift + layer.bias
    return Affine(scale, shift)


def with_parameters(layer: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """The same kind of layer around other tensors; shares nothing mutable with the old one, not even its
    hooks."""
    if isinstance(layer, nn.Linear):
        fresh: nn.Module = nn.Linear(1, 1, bias=False, device="meta")
        names = ["in_features", "out_features"]
    else:
        kind = next(kind for kind in CONVOLUTIONS if isinstance(layer, kind))
        fresh = kind(1, 1, 1, bias=False, device="meta")
        names = [
            "in_channels",
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "dilation",
            "groups",
            "padding_mode",
            "output_padding",
            "transposed",
            "_reversed_padding_repeated_twice",
        ]
    for name in names:
        setattr(fresh, name, getattr(layer, name))
    fresh.weight = nn.Parameter(weight.detach(), requires_grad=False)
    fresh.register_parameter(
        "bias", None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    )
    return fresh.eval()


def pad_same(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Tensor:
    """TensorFlow's "same" padding: the output has ceil(size / stride) cells; the odd cell goes after."""
    pads: list[int] = []
    for size, k, s, d in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], dilation[::-1], strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def out_of_place(layer: nn.Module) -> nn.Module:
    """A copy of an activation without hooks that leaves its input unchanged, which the rules need."""
    fresh = type(layer).__new__(type(layer))
    nn.Module.__init__(fresh)
    for name, value in vars(layer).items():
        if name not in vars(fresh):
            setattr(fresh, name, value)
    fresh._parameters = dict(layer._parameters)
    if hasattr(fresh, "inplace"):
        vars(fresh)["inplace"] = False
    return fresh


def padding_step(layer: Any) -> Move | None:
    """The padding of a convolution as a step of its own, None for equal zero padding on both sides."""
    if isinstance(layer, nn.Linear):
        return None
    if type(layer).__name__ == "Conv2dSame":
        return Move(pad_same, (Slot(0), layer.kernel_size, layer.stride, layer.dilation), {})
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    if isinstance(layer.padding, str) or mode != "constant":
        pads = tuple(layer._reversed_padding_repeated_twice)
        return Move(F.pad, (Slot(0), pads), {"mode": mode}) if any(pads) else None
    return None
