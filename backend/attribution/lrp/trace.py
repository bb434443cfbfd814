"""Tracing: the steps of a network as `torch.fx` nodes, their values for one example, and their names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from app.core.errors import Incompatible

WAY_OUT = "Use Grad-CAM, SmoothGrad or LIME for this model, or choose a model of the VGG, ResNet, DenseNet or MobileNet kind."

DROPPED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
OTHERS = {
    "BatchNormAct2d",
    "Conv2dSame",
    "LayerNorm2d",
    "LayerNorm",
    "DropPath",
    "DropBlock2d",
    "StochasticDepth",
    "FrozenBatchNorm2d",
    "AvgPool2dSame",
    "MaxPool2dSame",
    "FastAdaptiveAvgPool",
    "LayerNormFp32",
    "LayerNorm2dFp32",
}
"""Classes of torchvision and timm that are traced as one step, by name: neither library is imported here."""


class _Tracer(fx.Tracer):
    """Stops at torch's own layers and at those of OTHERS."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            super().is_leaf_module(m, module_qualified_name)
            or type(m).__name__ in OTHERS
            or isinstance(m, DROPPED)
        )


def trace(module: nn.Module) -> fx.GraphModule:
    """The network as a graph that shares its layers. Raises Incompatible where the code branches on
    values."""
    try:
        return fx.GraphModule(module, _Tracer().trace(module))
    except Exception:  # tracing runs the network's own code on symbols: anything may be raised
        raise Incompatible(
            f"LRP cannot follow this model: its code is not one fixed sequence of layers. {WAY_OUT}"
        ) from None


class _Recorder(fx.Interpreter):
    """Runs the traced network once and records each step's value: the shape of a feature map (as a meta
    tensor), or the constant itself."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.found: dict[fx.Node, Any] = {}
        self.varying: set[fx.Node] = set()

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if holds_tensor(value) and (
            n.op == "placeholder" or any(source in self.varying for source in n.all_input_nodes)
        ):
            self.varying.add(n)
        self.found[n] = (
            torch.empty(value.shape, device="meta")
            if isinstance(value, Tensor) and n in self.varying
            else value
        )
        return value


def record(traced: fx.GraphModule, example: Tensor) -> dict[fx.Node, Any]:
    """The value of every step for the example. Raises Incompatible where the traced network fails."""
    recorder = _Recorder(traced)
    try:
        recorder.run(example)
    except Exception:
        raise Incompatible(
            f"LRP cannot follow this model: it fails when it is run step by step. {WAY_OUT}"
        ) from None
    return recorder.found


def operation(node: fx.Node) -> str:
    """`add` for operator.add, torch.add, Tensor.add and Tensor.add_ alike; torch hides the pooling
    functions behind one dispatcher."""
    if node.op == "call_method":
        return str(node.target).removesuffix("_")
    for name in ("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d"):
        if node.target is getattr(F, name):
            return name
    return str(getattr(node.target, "__name__", node.target)).removeprefix("_").removesuffix("_") or "?"


def path_of(node: fx.Node) -> str:
    """Path of a step: the layer's own, or for an operation the enclosing block's and the operation's name."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    block = next(reversed(stack), "")
    return ".".join(part for part in (block, node.name) if part)


def holds_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or (
        isinstance(value, (tuple, list)) and any(isinstance(part, Tensor) for part in value)
    )


def works_in_place(node: fx.Node, root: nn.Module) -> bool:
    """Whether the step overwrites its first argument, so that later readers of that argument see the
    result."""
    if node.op == "call_module":
        return bool(getattr(root.get_submodule(str(node.target)), "inplace", False))
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    flagged = node.kwargs.get("inplace") is True or (
        name in ("relu", "relu6", "silu", "hardswish") and node.args[1:] == (True,)
    )
    return (
        flagged
        or name in ("iadd", "imul", "isub", "itruediv")
        or (name.endswith("_") and not name.endswith("__"))
    )
