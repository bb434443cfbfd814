"""The head h of a network: everything from one layer's output F to the logits, run without the prefix.

Attribution fields, concept curves and filter ablations evaluate `h(F)` hundreds of times for one input; a
hook that replaces the layer's output would run the prefix every time. `torch.fx` traces the module once and
the nodes downstream of the layer are copied into a graph of their own. Values that reach them *past* the
layer (through a shortcut) are computed once per input and held fixed. Steps that depend on no number of the
input (batch size, weights and what is computed from them) belong to the head, so that it takes any batch. A
module that cannot be traced or split falls back to the hook: same numbers, full cost.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from app.core.errors import Incompatible
from backend.attribution.network.cache import cached
from models.model import Model

Head = Callable[[Tensor], Tensor]
"""`[n, C, h, w]` -> raw outputs of the module `[n, K]`."""
At = tuple[Tensor, Head]
"""One input at one layer: F `[1, C, h, w]` and its head."""
RowHead = Callable[[Tensor, Tensor], Tensor]
"""`[n, C, h, w]` and for each the number of the input that it belongs to, `[n]` -> raw outputs `[n, K]`."""
CLOSE = 1e-3
"""Largest difference between head(prefix(x)) and the module's output, relative to the largest (or 1)."""


class _Tracer(fx.Tracer):
    """Traces the layer as one step, also when it is a container."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name == self.layer or super().is_leaf_module(m, module_qualified_name)


class Suffix:
    """A network split at a layer. `features(x)`: the layer's output; `head(x)`: the function from there to
    the module's raw outputs; `at(x)`: both for one run of the prefix."""

    def __init__(self, model: Model, layer: str) -> None:
        if layer not in {candidate.name for candidate in model.layers}:
            raise Incompatible(
                "This model has no such layer with a spatial output; choose one that the model lists.",
                field="layer",
            )
        self.module, self.layer, self.device = model.module, layer, model.device
        self.traced, self._checked = True, False
        try:
            self._split()
        except (
            Exception
        ):  # fx raises many types for control flow it cannot trace; the hook path is equally right
            self.traced = False

    def _split(self) -> None:
        graph = _Tracer(self.layer).trace(self.module)
        whole = fx.GraphModule(self.module, graph)
        # A module called several times (a shared ReLU) is recorded at its last call, as a forward hook would.
        cut = [node for node in graph.nodes if node.op == "call_module" and node.target == self.layer][-1]
        after: set[fx.Node] = {cut}
        for node in graph.nodes:
            if any(source in after for source in node.all_input_nodes):
                after.add(node)
        after.discard(cut)
        constants = _constants(whole, after)
        bypass = list(
            dict.fromkeys(
                source
                for node in graph.nodes
                if node in after or node in constants
                for source in node.all_input_nodes
                if source is not cut and source not in after and source not in constants
            )
        )
        self._prefix = _prefix_graph(whole, cut, bypass)
        self._head = _head_graph(whole, cut, bypass, after | constants)
        self.bypassed = bool(bypass)
        """Whether values reach the head past this layer (they are then held fixed at the input's own)."""

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """F `[N, C, h, w]`."""
        if self._is_split(x):
            return self._prefix(x)[0].detach()
        return self._recorded(x)[0][-1]

    @torch.no_grad()
    def _is_split(self, x: Tensor) -> bool:
        """Whether the split may be used: at first use it must reproduce the module's outputs, for one input
        and for a batch of two."""
        if self.traced and not self._checked:
            self._checked = True
            (*_, features), expected = self._recorded(x[:1])
            try:
                prefix_features, *bypass = self._prefix(x[:1])
                both = self._headed(bypass)(prefix_features.expand(2, *prefix_features.shape[1:]))
                self.traced = _close(prefix_features, features) and _close(both, expected.expand_as(both))
            except Exception:  # what passes the layer may be anything: a list, a scalar, a shape that holds for one input only
                self.traced = False
        return self.traced

    def _headed(self, bypass: list[Tensor]) -> Head:
        return lambda maps: self._head(maps, *[part.expand(len(maps), *part.shape[1:]) for part in bypass])

    def _recorded(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """The layer's output at every call during one forward pass (a shared module is called several
        times), and the module's output."""
        outputs: list[Tensor] = []
        with (
            torch.no_grad(),
            hooked(self.module, self.layer, lambda result: outputs.append(result.detach().clone())),
        ):
            result = self.module(x)
        return outputs, result

    def at(self, x: Tensor) -> At:
        """F of one input `x [1, C, H, W]` and its head, from a single run of the prefix. The head takes any
        batch of feature maps."""
        if not self._is_split(x):
            outputs, _ = self._recorded(x)
            return outputs[-1], self._replaced(x, len(outputs))
        with torch.no_grad():
            features, *bypass = (part.detach() for part in self._prefix(x))
        return features, self._headed(bypass)

    def head(self, x: Tensor) -> Head:
        """The head alone."""
        return self.at(x)[1]

    def at_rows(self, x: Tensor) -> tuple[Tensor, RowHead]:
        """F of several inputs `x [N, C, H, W]`, and the head of maps that belong to any of them: what passes the layer by
        is each input's own."""
        if self._is_split(x):
            with torch.no_grad():
                features, *bypass = (part.detach() for part in self._prefix(x))
            if all(part.ndim > 0 and len(part) == len(x) for part in bypass):
                return features, lambda maps, rows: self._head(maps, *[part[rows] for part in bypass])
        outputs, _ = self._recorded(x)
        return outputs[-1], lambda maps, rows: self._replaced(x[rows], len(outputs))(maps)

    def _replaced(self, x: Tensor, last: int) -> Head:
        def run(features: Tensor) -> Tensor:
            calls = 0

            def replace(_: Tensor) -> Tensor | None:
                nonlocal calls
                calls += 1
                return features.clone() if calls == last else None

            with hooked(self.module, self.layer, replace):
                return self.module(x.expand(features.shape[0], *x.shape[1:]).clone())

        return run


def _close(actual: Tensor, expected: Tensor) -> bool:
    """Equal up to rounding."""
    return actual.shape == expected.shape and float((actual - expected).abs().max()) <= CLOSE * max(
        1.0, float(expected.abs().max())
    )


def _constants(whole: fx.GraphModule, after: set[fx.Node]) -> set[fx.Node]:
    """The nodes that `after` needs and that depend on no number of the input: weights, sizes read off a
    tensor, and what is computed from them alone. (A size read off the layer's output is downstream of it.)"""
    constants: set[fx.Node] = set()
    for node in whole.graph.nodes:
        if node.op in ("placeholder", "output") or node in after:
            continue
        if _reads_size(node) or all(source in constants for source in node.all_input_nodes):
            constants.add(node)
    needed = set(after)
    for node in reversed(whole.graph.nodes):
        if node in needed:
            needed.update(source for source in node.all_input_nodes if source in constants)
    return needed & constants


def _reads_size(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in ("size", "dim", "numel", "ndimension", "stride")
    return (
        node.op == "call_function"
        and node.target is getattr
        and node.args[1] in ("shape", "ndim", "dtype", "device", "is_cuda")
    )


def _prefix_graph(whole: fx.GraphModule, cut: fx.Node, bypass: list[fx.Node]) -> fx.GraphModule:
    needed = {cut, *bypass}
    for node in reversed(whole.graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    graph = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    for node in whole.graph.nodes:
        if node in needed or node.op == "placeholder":
            values[node] = graph.node_copy(node, lambda source: values[source])
        if node is cut:
            # Cloned at once: an in-place activation behind the layer must not change what the layer put out.
            features = graph.call_function(torch.clone, (values[node],))
    graph.output((features, *[values[node] for node in bypass]))
    return fx.GraphModule(whole, graph).eval()


def _head_graph(
    whole: fx.GraphModule, cut: fx.Node, bypass: list[fx.Node], nodes: set[fx.Node]
) -> fx.GraphModule:
    graph = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    for number, node in enumerate([cut, *bypass]):
        values[node] = graph.placeholder(f"features_{number}")
    # In-place operations of the head must not reach the caller's tensors.
    for node in (cut, *bypass):
        values[node] = graph.call_function(torch.clone, (values[node],))
    for node in whole.graph.nodes:
        if node in nodes:
            values[node] = graph.node_copy(node, lambda source: values[source])
    graph.lint()
    return fx.GraphModule(whole, graph).eval()


@contextmanager
def hooked(module: nn.Module, layer: str, callback: Callable[[Tensor], Any]) -> Any:
    """Inside, `callback` receives the layer's output; a tensor that it returns replaces the output."""

    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        replacement = callback(output)
        return replacement if isinstance(replacement, Tensor) else None

    handle = module.get_submodule(layer).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def suffix(model: Model, layer: str) -> Suffix:
    """The network split at `layer`, traced once per model and layer. The parts share the model's modules."""
    return cached(model, "head", layer, lambda: Suffix(model, layer))
