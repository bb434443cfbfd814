"""bfloat16 arithmetic: whether a device has it, and networks whose backward pass uses it."""

from __future__ import annotations

import copy
import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware (AVX512-BF16, AMX, ARM's own, or a GPU). Where
    oneDNN only emulates it, which it also calls supported, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if (
        device.type != "cpu"
        or not torch.backends.mkldnn.is_available()
        or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return False
    intel = platform.machine().lower() in ("x86_64", "amd64")
    return not intel or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class _Convolution(torch.autograd.Function):
    """conv2d in float32; the gradient to its input from bfloat16 weights and gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Conv2d, rounded: Tensor) -> Tensor:
        ctx.layer, ctx.rounded, ctx.shape = layer, rounded, x.shape
        return F.conv2d(
            x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups
        )

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        layer = ctx.layer
        # Only the shape of the input is read when the weights' gradient is not asked for.
        like = torch.empty(
            ctx.shape, dtype=torch.bfloat16, device=ctx.rounded.device, memory_format=torch.channels_last
        )
        gradient = torch.ops.aten.convolution_backward(
            upstream[0].to(torch.bfloat16),
            like,
            ctx.rounded,
            None,
            layer.stride,
            layer.padding,
            layer.dilation,
            False,
            [0, 0],
            layer.groups,
            [True, False, False],
        )[0]
        return gradient.float(), None, None


class BackwardInBfloat16(nn.Module):
    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        self.rounded = layer.weight.detach().to(torch.bfloat16, memory_format=torch.channels_last)

    @property
    def weight(self) -> Tensor:
        """For code that reads a convolution's weights itself (positional embeddings, weight
        standardisation)."""
        return self.layer.weight

    @property
    def bias(self) -> Tensor | None:
        return self.layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return _Convolution.apply(x, self.layer, self.rounded)


def backward_in_bfloat16(network: nn.Module) -> nn.Module:
    """A network that shares the float32 weights with `network`; its plain convolutions send gradients back in
    bfloat16.

    Depthwise ones stay as they are: they read more than they compute, and the conversions cost them more than
    bfloat16 saves.
    """
    shared: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    own = copy.deepcopy(network, shared)
    for name, layer in list(own.named_modules()):
        plain = (
            type(layer) is nn.Conv2d
            and name
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
        )
        if plain and not 1 < layer.groups == layer.in_channels:
            own.set_submodule(name, BackwardInBfloat16(layer))
    return own
