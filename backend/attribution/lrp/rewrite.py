"""`canonical`: a network rewritten so that every step is a module of a known kind and nothing is shared or in
place.

Ordinary networks hide steps from layer-wise propagation: `x + y` and `torch.cat` are not modules, one ReLU
runs many times and overwrites its input, batch norm is a second linear layer behind the first. `torch.fx`
makes every step a node; the rewriter replaces each node by a module of `layers.py` and merges batch norm into
the layer before it where nothing else reads that layer. A step without a rule is refused by name.

The original module is never changed. Unchanged weights are shared with it (read only), so the copy of a
ResNet-50 costs its merged convolutions and nothing more.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn

from app.core.errors import Incompatible
from backend.attribution.lrp.merge import merge_affine
from backend.attribution.lrp.modules import write_module
from backend.attribution.lrp.operations import write_operation
from backend.attribution.lrp.trace import WAY_OUT, record, trace, works_in_place
from backend.attribution.lrp.writer import Writer

TOLERANCE = 1e-4
"""Largest difference of the logits, relative to the largest logit (or 1)."""


def canonical(module: nn.Module, example: Tensor) -> fx.GraphModule:
    """The same function as `module`, every step a module of a kind in `layers.py`.

    example: `[1, C, H, W]`; fixes sizes that the network computes from its input. The logits agree to 1e-4 of
    the largest logit. Raises Incompatible, naming the step that has no rule.
    """
    with torch.no_grad():
        expected = module(example)
        traced = trace(module)
        values = record(traced, example)
        rewritten = _rewritten(traced, values).eval().to(example.device)
        merge_affine(rewritten)
        _check(rewritten, module, example, expected)
    return rewritten


def _rewritten(traced: fx.GraphModule, values: dict[fx.Node, Any]) -> fx.GraphModule:
    """Every traced step written in order. A step that works in place is what later readers of its argument see."""
    writer = Writer(traced, values)
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            if writer.new:
                if not node.users:
                    continue
                writer.refuse(node, "it takes more than one input")
            writer.new[node] = writer.graph.placeholder(node.name)
        elif node.op == "output":
            _write_output(writer, node)
        elif node.op == "call_module":
            write_module(writer, node)
        elif node.op in ("call_function", "call_method"):
            write_operation(writer, node)
        if node in writer.new and node.op != "placeholder" and works_in_place(node, traced):
            writer.new[node.args[0]] = writer.new[node]
    return writer.network()


def _write_output(writer: Writer, node: fx.Node) -> None:
    if not isinstance(node.args[0], fx.Node):
        writer.refuse(node, "it gives more than one output")
    writer.graph.output(writer.new[node.args[0]])


def _check(network: fx.GraphModule, module: nn.Module, example: Tensor, expected: Tensor) -> None:
    """Raises Incompatible unless both networks give the same scores. Where rounding alone exceeds the
    tolerance (badly conditioned weights), the comparison is repeated in double precision."""
    actual = network(example)
    if not _same(actual, expected):
        precise = copy.deepcopy(module).double()(example.double())
        if not _same(copy.deepcopy(network).double()(example.double()), precise):
            raise Incompatible(
                f"LRP cannot be applied to this model: rewritten layer by layer it gives other scores. {WAY_OUT}"
            )


def _same(actual: Tensor, expected: Tensor) -> bool:
    return actual.shape == expected.shape and float((actual - expected).abs().max()) <= TOLERANCE * max(
        1.0, float(expected.abs().max())
    )
