"""One forward pass that stores every step's output, one backward pass that propagates relevance from step to
step. No hooks, no global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from backend.attribution.lrp.rules import Rule


@dataclass(frozen=True)
class Step:
    """Relevance at one layer, as sums: `received` at its output, `passed` on to its inputs; their difference
    is the leak.

    magnitude: sum of the absolute values passed on, which tells cancelling parts from small ones; 0 where not
    asked for.
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
    network: fx.GraphModule,
    x: Tensor,
    start: Callable[[Tensor], Tensor],
    rules: Mapping[str, Rule],
    values: dict[fx.Node, Tensor] | None = None,
    *,
    magnitudes: bool = True,
) -> Relevance:
    """network: canonical. start: outputs `[N, K]` -> their relevance `[N, K]`. rules: by path of the layer,
    one for every step. values: the answer of `run_steps` for x, used up here; None runs them.
    magnitudes: False leaves them out, a pass over every map less.

    Relevance that meets at a tensor with several readers is added up.
    """
    order = list(network.graph.nodes)
    layers: dict[str, nn.Module] = dict(network.named_modules())
    values = run_steps(network, x) if values is None else values
    final = order[-1].args[0]
    outputs = values[final].detach()
    relevance = start(outputs)
    arrived: dict[fx.Node, Tensor] = {final: relevance}
    received: dict[fx.Node, Tensor] = {final: relevance.sum()}
    walked: list[tuple[str, tuple[Tensor, ...]]] = []
    for node in reversed(order):
        if node.op != "call_module" or node not in arrived:
            continue
        relevance, output = arrived.pop(node), values.pop(node)
        inputs = tuple(values[source] for source in node.args)
        shares = rules[node.target](layers[node.target], inputs, output, relevance)
        passed = magnitude = relevance.new_zeros(())
        for source, share in zip(node.args, shares, strict=True):
            if share is not None:
                part = received[node] if share is relevance else share.sum()
                passed = passed + part
                magnitude = magnitude + share.abs().sum() if magnitudes else magnitude
                arrived[source] = arrived[source] + share if source in arrived else share
                received[source] = received[source] + part if source in received else part
        walked.append((node.target, (received[node], passed, magnitude)))
    at_input = next(
        (arrived[node] for node in order if node.op == "placeholder" and node in arrived), torch.zeros_like(x)
    )
    steps = tuple(Step(path, rules[path].name, *(float(part) for part in sums)) for path, sums in walked)
    return Relevance(at_input, outputs, float(received[final]), steps)


@torch.no_grad()
def run_steps(network: fx.GraphModule, x: Tensor, leaf: str | None = None) -> dict[fx.Node, Tensor]:
    """The output of every step of a canonical network, maps channels-last.

    leaf: path of a step whose output starts a graph, so that a gradient can be taken down to it.
    """
    layers: dict[str, nn.Module] = dict(network.named_modules())
    values: dict[fx.Node, Tensor] = {}
    graph = False
    for node in network.graph.nodes:
        if node.op == "placeholder":
            values[node] = x.to(memory_format=torch.channels_last) if x.ndim == 4 else x
        elif node.op == "call_module":
            with torch.set_grad_enabled(graph):
                values[node] = layers[node.target](*(values[source] for source in node.args))
            if node.target == leaf:
                values[node] = values[node].detach().requires_grad_()
                graph = True
    return values
