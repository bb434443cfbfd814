"""Layers of a traced network (its `call_module` nodes), written as steps of its canonical network."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from backend.attribution.lrp.layers import (
    ACTIVATIONS,
    BATCH_NORMS,
    WEIGHTED,
    Affine,
    Average,
    Move,
    Normalise,
    Slot,
    batch_norm,
    out_of_place,
    padding_step,
    with_parameters,
)
from backend.attribution.lrp.steps import MOVERS, POOLS
from backend.attribution.lrp.trace import DROPPED
from backend.attribution.lrp.writer import Writer


def write_module(writer: Writer, node: fx.Node) -> None:
    layer = writer.traced.get_submodule(str(node.target))
    if not isinstance(node.args[0], fx.Node) or node.args[0] not in writer.new:
        writer.refuse(node, "its input is not a feature map")
    source, name = writer.new[node.args[0]], type(layer).__name__
    if isinstance(layer, DROPPED) or name in ("DropPath", "DropBlock2d", "StochasticDepth"):
        writer.alias(node, node.args[0])
    elif isinstance(layer, WEIGHTED):
        write_weighted(writer, node, layer, source)
    elif isinstance(layer, BATCH_NORMS) or name == "FrozenBatchNorm2d":
        write_batch_norm(writer, node, layer, source)
    elif "LayerNorm" in name or isinstance(layer, nn.GroupNorm):
        write_norm(writer, node, layer, source)
    elif isinstance(layer, ACTIVATIONS):
        writer.emit(node, out_of_place(layer), source)
    elif isinstance(layer, POOLS) or name in ("FastAdaptiveAvgPool", "AvgPool2dSame"):
        writer.emit(node, Average(layer.forward, (Slot(0),), {}), source)
    elif isinstance(layer, MOVERS) or name == "MaxPool2dSame":
        writer.emit(node, Move(layer.forward, (Slot(0),), {}), source)
    else:
        writer.refuse(node, f"a layer of type {name}")


def write_weighted(writer: Writer, node: fx.Node, layer: nn.Module, source: fx.Node) -> None:
    if (
        type(layer).forward not in [kind.forward for kind in WEIGHTED]
        and type(layer).__name__ != "Conv2dSame"
    ):
        writer.refuse(node, f"a layer of type {type(layer).__name__} with a way of its own")
    fresh = with_parameters(layer, layer.weight, layer.bias)  # type: ignore[arg-type]
    pad = padding_step(layer)
    if pad is not None:
        source = writer.emit(node, pad, source)
        fresh.padding = tuple(0 for _ in fresh.kernel_size)  # type: ignore[union-attr,assignment]
        fresh.padding_mode = "zeros"  # type: ignore[assignment]
    written = writer.emit(node, fresh, source)
    written.meta["over_channels"] = isinstance(layer, nn.Linear) and writer.values[node].ndim > 2


def write_batch_norm(writer: Writer, node: fx.Node, layer: nn.Module, source: fx.Node) -> None:
    if getattr(layer, "running_mean", None) is None:
        writer.refuse(node, "its batch norm has no stored statistics")
    if not hasattr(layer, "eps"):
        writer.refuse(node, f"a layer of type {type(layer).__name__}")
    written = writer.emit(node, batch_norm(layer), source)
    activation = getattr(layer, "act", None)  # timm's BatchNormAct2d: norm, dropout and activation in one
    if isinstance(activation, ACTIVATIONS):
        writer.emit(node, out_of_place(activation), written)
    elif activation is not None and not isinstance(activation, nn.Identity):
        writer.refuse(node, f"an activation of type {type(activation).__name__}")


def write_norm(writer: Writer, node: fx.Node, layer: Any, source: fx.Node) -> None:
    """Layer and group norm. layer: a module, or the arguments of the function in a namespace."""
    shape = writer.values[node].shape
    groups = getattr(layer, "num_groups", None)
    channels = groups is None and "2d" in type(layer).__name__
    last = None if groups or channels else len(layer.normalized_shape)
    if last is not None and last > 1:
        writer.refuse(node, "its layer norm runs over more than the channels")
    eps = float(layer.eps)
    written = writer.emit(node, Normalise(eps, last=last, channels=channels, groups=groups), source)
    if layer.weight is not None:
        dim = 1 if groups or channels else len(shape) - 1
        bias = layer.bias if layer.bias is not None else torch.zeros_like(layer.weight)
        writer.emit(node, Affine(layer.weight, bias, dim), written)
