"""Merging affine steps (batch norm, learned scales) into the weighted layer before them."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from backend.attribution.lrp.layers import WEIGHTED, Affine, with_parameters


def merge_affine(network: fx.GraphModule) -> None:
    """Merges each affine step into the convolution or linear layer before it, where nothing else reads that
    layer."""
    for node in list(network.graph.nodes):
        affine = network.get_submodule(node.target) if node.op == "call_module" else None
        if not isinstance(affine, Affine):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) != 1:
            continue
        layer = network.get_submodule(before.target)
        dim = affine.dim if not isinstance(layer, nn.Linear) else 1
        if not isinstance(layer, WEIGHTED) or affine.dim != dim:
            continue
        network.set_submodule(before.target, merged(layer, affine))
        node.replace_all_uses_with(before)
        network.graph.erase_node(node)
    network.delete_all_unused_submodules()
    network.recompile()


def merged(layer: nn.Module, affine: Affine) -> nn.Module:
    """A new convolution or linear layer that computes `affine(layer(x))`. Neither of the two is changed."""
    transposed = isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    weight: Tensor = layer.weight  # type: ignore[assignment]
    if transposed:  # [in, out / groups, ...]: the output channel is spread over both leading axes
        groups: int = layer.groups  # type: ignore[assignment]
        grouped = weight.view(groups, -1, *weight.shape[1:]) * affine.scale.view(
            groups, 1, -1, *[1] * (weight.ndim - 2)
        )
        new = grouped.reshape(weight.shape)
    else:
        new = weight * affine.scale.view(-1, *[1] * (weight.ndim - 1))
    if new.ndim == 4:
        new = new.contiguous(memory_format=torch.channels_last)
    bias: Tensor | None = layer.bias  # type: ignore[assignment]
    return with_parameters(layer, new, affine.shift if bias is None else bias * affine.scale + affine.shift)
