"""bfloat16 arithmetic: whether a device has it, and networks whose backward pass uses it."""

from __future__ import annotations

import copy
import platform
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backend.attribution.network.joined import joinable, joined_graph, limited
from backend.attribution.network.late_masks import mask_late


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
    """conv2d in the type of its input, with the ReLU after it where `has_relu`; the gradient to its input from
    bfloat16 weights and gradients; masks: the ReLU's gradient is taken here."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, layer: nn.Conv2d, rounded: Tensor, has_relu: bool, masks: bool
    ) -> Tensor:
        ctx.layer, ctx.rounded, ctx.shape, ctx.masks = layer, rounded, x.shape, has_relu and masks
        if has_relu:
            y = limited(x, layer, "relu")
            if masks:
                ctx.save_for_backward(y)
            return y
        return F.conv2d(
            x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups
        )

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        layer, gradient = ctx.layer, upstream[0]
        if ctx.masks:
            gradient = torch.ops.aten.threshold_backward(gradient, ctx.saved_tensors[0], 0)
        # Only the shape of the input is read when the weights' gradient is not asked for.
        like = torch.empty(
            ctx.shape, dtype=torch.bfloat16, device=ctx.rounded.device, memory_format=torch.channels_last
        )
        back = torch.ops.aten.convolution_backward(
            gradient.to(torch.bfloat16),
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
        return back.to(gradient.dtype), None, None, None, None


class BackwardInBfloat16(nn.Module):
    """has_relu: the ReLU after the convolution is done with it. masks: its gradient too (`late_masks`)."""

    def __init__(self, layer: nn.Conv2d, has_relu: bool = False) -> None:
        super().__init__()
        self.layer, self.has_relu, self.masks = layer, has_relu, has_relu
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
        return _Convolution.apply(x, self.layer, self.rounded, self.has_relu, self.masks)


def backward_in_bfloat16(network: nn.Module, join: bool = True) -> nn.Module:
    """A network that shares the weights with `network`, in float32 or bfloat16; its plain convolutions send gradients
    back in bfloat16. join: they do the ReLUs after them, where that is possible.

    Depthwise ones stay as they are: they read more than they compute, and the conversions cost them more than
    bfloat16 saves.
    """
    shared: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    own = copy.deepcopy(network, shared)
    if join and joinable(own):
        with suppress(ValueError):
            own = joined_graph(
                own,
                lambda layer, limit: (
                    BackwardInBfloat16(layer, has_relu=True) if limit == "relu" and _is_plain(layer) else None
                ),
            )
            mask_late(own, BackwardInBfloat16)
    wrapped = {id(part.layer) for part in own.modules() if isinstance(part, BackwardInBfloat16)}
    for name, layer in list(own.named_modules()):
        if name and id(layer) not in wrapped and _is_plain(layer):
            assert isinstance(layer, nn.Conv2d)
            own.set_submodule(name, BackwardInBfloat16(layer))
    return own


def _is_plain(layer: nn.Module) -> bool:
    return (
        type(layer) is nn.Conv2d
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and not 1 < layer.groups == layer.in_channels
    )
