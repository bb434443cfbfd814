"""Forward passes in which a convolution does the ReLU after it.

An eager network writes what a convolution found to memory, and reads and writes it again for the ReLU. oneDNN applies
the ReLU to each number while it has it at hand: the same numbers, sooner (`torch.compile` does it with the same
operation, but needs a compiler on the machine). It takes a graph from `torch.fx`, to see that nothing else reads what
the convolution found. The operation has no gradient of its own (`backend.attribution.network.bfloat16` gives it one).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeGuard

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from backend.attribution.network.pooling import pool_positive

OPERATION = "_convolution_pointwise"
Limit = Literal["relu", "hardtanh"]
"""What oneDNN calls a ReLU, and one with an upper bound."""
FUNCTIONS: dict[Any, Limit] = {
    torch.relu: "relu",
    torch.relu_: "relu",
    functional.relu: "relu",
    functional.relu6: "hardtanh",
}
METHODS: dict[str, Limit] = {"relu": "relu", "relu_": "relu"}
MODULES: dict[type[nn.Module], Limit] = {nn.ReLU: "relu", nn.ReLU6: "hardtanh"}
BOUNDS: dict[Limit, list[float]] = {"relu": [], "hardtanh": [0.0, 6.0]}


class LimitedConvolution(nn.Module):
    """`relu(convolution(x))`, `[n, C, H, W]` -> `[n, K, h, w]`, channels-last."""

    def __init__(self, convolution: nn.Conv2d, limit: Limit) -> None:
        super().__init__()
        self.convolution, self.limit = convolution, limit

    def forward(self, x: Tensor) -> Tensor:
        return limited(x, self.convolution, self.limit)


def limited(x: Tensor, c: nn.Conv2d, limit: Limit) -> Tensor:
    """The convolution and the ReLU in one operation, without a gradient."""
    how = (c.padding, c.stride, c.dilation, c.groups, limit, BOUNDS[limit], "")
    y: Tensor = getattr(torch.ops.mkldnn, OPERATION)(x, c.weight, c.bias, *how)
    return y


class Joined:
    """`[n, C, H, W]` -> `[n, K]`, the function of `network` with its weights. For passes without gradients on a CPU."""

    def __init__(self, network: fx.GraphModule) -> None:
        """Raises ValueError where there is nothing to join."""
        self.network, self.graph_module = network, joined_graph(network, LimitedConvolution)
        if all(weight.dtype == torch.bfloat16 for weight in network.parameters()):
            pool_positive(self.graph_module, LimitedConvolution)

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = self.graph_module(x)
        return y


def joined_graph(
    network: fx.GraphModule, make: Callable[[nn.Conv2d, Limit], nn.Module | None]
) -> fx.GraphModule:
    """The network with what `make` puts in place of a convolution and the ReLU after it; None leaves them. It shares
    its other parts. Raises ValueError where there is nothing to join."""
    graph = fx.GraphModule(network, copy.deepcopy(network.graph)).eval()
    places = {node.name: node for node in graph.graph.nodes}
    count = 0
    for convolution, relu, limit in _pairs(network):
        part = network.get_submodule(str(convolution.target))
        assert isinstance(part, nn.Conv2d)
        both = make(part, limit)
        if both is None:
            continue
        first, second = places[convolution.name], places[relu.name]
        graph.add_submodule(f"joined_{count}", both)
        first.target = f"joined_{count}"
        second.replace_all_uses_with(first)
        graph.graph.erase_node(second)
        count += 1
    if not count:
        raise ValueError("no convolution is followed by a ReLU")
    graph.recompile()
    graph.delete_all_unused_submodules()
    return graph


def joinable(network: nn.Module) -> TypeGuard[fx.GraphModule]:
    """Whether the network can be read, and the processor joins."""
    on_cpu = all(weight.device.type == "cpu" for weight in network.parameters())
    has_operation = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, OPERATION)
    return isinstance(network, fx.GraphModule) and on_cpu and has_operation


def join(network: nn.Module) -> Joined | nn.Module:
    """The network with its pairs joined; as it is where there are none, or where `torch.fx` could not read it."""
    try:
        return Joined(network) if joinable(network) else network
    except ValueError:
        return network


def _pairs(network: fx.GraphModule) -> Iterator[tuple[fx.Node, fx.Node, Limit]]:
    """Convolutions that only a ReLU reads, each with that."""
    parts = dict(network.named_modules())
    for node in network.graph.nodes:
        part = parts.get(str(node.target)) if node.op == "call_module" else None
        if type(part) is nn.Conv2d and part.padding_mode == "zeros" and not isinstance(part.padding, str):
            readers = list(node.users)
            limit = _limit(readers[0], parts) if len(readers) == 1 else None
            if limit:
                yield node, readers[0], limit


def _limit(node: fx.Node, parts: dict[str, nn.Module]) -> Limit | None:
    if node.op == "call_module":
        return MODULES.get(type(parts[str(node.target)]))
    return FUNCTIONS.get(node.target) if node.op == "call_function" else METHODS.get(str(node.target))
