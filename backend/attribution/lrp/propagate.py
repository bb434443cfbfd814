"""One forward pass that stores every step's output, one backward pass that propagates relevance from step to
step. No hooks, no global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from backend.attribution.lrp.rules import Rule


@dataclass(frozen=True)
class Step:
    """Relevance at one layer, as sums: `received` at its output, `passed` on to its inputs; their difference
    is the leak.

    magnitude: sum of the absolute values passed on, which tells cancelling parts from small ones.
    """

    layer: str
    rule: str
    received: float
    passed: float
    magnitude: float

    @property
    def leak(self) -> float:
        return self.received - self.passed


@dataclass(frozen=True, eq=False)
class Relevance:
    """relevance: of the input, `[N, C, H, W]`. outputs: the network's raw outputs. start: the explained score.
    steps: from the output to the input."""

    relevance: Tensor
    outputs: Tensor
    start: float
    steps: tuple[Step, ...]

    @property
    def conservation(self) -> float:
        """sum(relevance) / start; 1 when no relevance was lost, and for a score of exactly 0."""
        return float(self.relevance.sum()) / self.start if self.start else 1.0


@torch.no_grad()
def propagate(
    network: fx.GraphModule, x: Tensor, start: Callable[[Tensor], Tensor], rules: Mapping[str, Rule]
) -> Relevance:
    """network: canonical. start: outputs `[N, K]` -> their relevance `[N, K]`. rules: by path of the layer,
    one for every step.

    Relevance that meets at a tensor with several readers is added up.
    """
    values: dict[fx.Node, Any] = {}
    order = list(network.graph.nodes)
    layers: dict[str, nn.Module] = dict(network.named_modules())
    for node in order:
        if node.op == "placeholder":
            values[node] = x
        elif node.op == "call_module":
            values[node] = layers[node.target](*(values[source] for source in node.args))
        else:
            outputs = values[node.args[0]]
            arrived = {node.args[0]: start(outputs)}
    received: dict[fx.Node, Any] = {node: relevance.sum() for node, relevance in arrived.items()}
    total = float(next(iter(received.values())))
    walked: list[tuple[fx.Node, Any, Any, Any]] = []
    for node in reversed(order):
        if node.op != "call_module" or node not in arrived:
            continue
        relevance, output = arrived.pop(node), values.pop(node)
        inputs = tuple(values[source] for source in node.args)
        passed = magnitude = 0.0
        for source, share in zip(
            node.args, rules[node.target](layers[node.target], inputs, output, relevance), strict=True
        ):
            if share is None:
                continue
            part = received[node] if share is relevance else share.sum()
            passed, magnitude = passed + part, magnitude + share.abs().sum()
            arrived[source] = arrived[source] + share if source in arrived else share
            received[source] = received[source] + part if source in received else part
        walked.append((node, received[node], passed, magnitude))
    at_input = next(
        (arrived[node] for node in order if node.op == "placeholder" and node in arrived), torch.zeros_like(x)
    )
    steps = tuple(
        Step(node.target, rules[node.target].name, *(float(number) for number in sums))
        for node, *sums in walked
    )
    return Relevance(at_input, outputs, total, steps)
