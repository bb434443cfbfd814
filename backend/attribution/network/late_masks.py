"""ReLUs whose gradient is taken where it is least work.

On the way back a ReLU sets to zero what did not pass it. Where only a max pooling reads it, the pooled numbers tell the
same: what was largest in its window and not positive gets nothing either way, and there are a quarter of them. Where
only a concatenation of such reads it, one run over what was put together does it for all parts. The gradients have the
same bits.
"""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

POOLINGS = {functional.max_pool2d, torch.max_pool2d}
CONCATENATIONS = {torch.cat, torch.concat}


class Masked(nn.Module):
    """`y`, of which no number is negative; on the way back the gradient of a ReLU that gave `y`."""

    def forward(self, y: Tensor) -> Tensor:
        result: Tensor = _Masked.apply(y)
        return result


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        same = y.view_as(y)
        ctx.save_for_backward(same)
        return same

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        gradient: Tensor = torch.ops.aten.threshold_backward(upstream[0], ctx.saved_tensors[0], 0)
        return gradient


def mask_late(network: fx.GraphModule, kind: type[nn.Module]) -> None:
    """Moves the masks of the modules of this kind behind poolings and concatenations, in place.

    kind: has `has_relu`, whether it ends with a ReLU, and `masks`, whether it takes the ReLU's gradient itself.
    """
    parts = dict(network.named_modules())
    due: dict[fx.Node, list[Any]] = {}
    """Where masks may still be taken, with the modules whose they are."""
    for node in network.graph.nodes:
        part: Any = parts.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(part, kind) and part.has_relu:
            due[node] = [part]
        elif _keeps_signs(node, part):
            sources = node.all_input_nodes
            if sources and all(source in due and len(source.users) == 1 for source in sources):
                due[node] = [owner for source in sources for owner in due.pop(source)]
    moved = {node: owners for node, owners in due.items() if parts.get(str(node.target)) not in owners}
    for count, (node, owners) in enumerate(moved.items()):
        network.add_submodule(f"masked_{count}", Masked())
        with network.graph.inserting_after(node):
            masked = network.graph.call_module(f"masked_{count}", (node,))
        node.replace_all_uses_with(masked, delete_user_cb=partial(operator.is_not, masked))
        for owner in owners:
            owner.masks = False
    network.recompile()


def _keeps_signs(node: fx.Node, part: nn.Module | None) -> bool:
    """Whether a number comes out positive exactly where the one is that it gets its gradient from."""
    if isinstance(part, nn.MaxPool2d):
        return not part.return_indices
    if node.op != "call_function":
        return False
    return node.target in CONCATENATIONS or (
        node.target in POOLINGS and not node.kwargs.get("return_indices") and len(node.args) < 7
    )
