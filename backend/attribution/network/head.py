"""The head of a network: everything from one layer's output to the logits, run without its prefix.

Attribution fields, concept curves and filter ablations evaluate `h(F)` hundreds of times for one `F`; running
the whole network with a hook that replaces the layer's output would pay for the prefix every time. `torch.fx`
traces the module once, the nodes downstream of the layer are copied into a graph of their own, and what
reaches them *past* the layer (a shortcut around it) is computed once per input and held fixed. Steps that
depend on no number of the input (its batch size, weights and what is made of them) are part of the head
themselves, so that they hold for any batch. A module that cannot be traced or split falls back to the hook:
same numbers, full cost.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from app.core.errors import Incompatible
from backend.attribution.network.kept import keep
from models.model import Model

Head = Callable[[Tensor], Tensor]
"""`[n, C, h, w]` -> raw outputs of the module `[n, K]`."""
At = tuple[Tensor, Head]
"""One input at one layer: F `[1, C, h, w]` and its head."""
CLOSE = 1e-3
"""Largest difference of the two parts' numbers from the module's own, relative to the largest (or 1)."""


class _Tracer(fx.Tracer):
    """Keeps the layer itself whole, also when it is a container."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name == self.layer or super().is_leaf_module(m, module_qualified_name)


class Suffix:
    """`features(x)` gives the layer's output; `head(x)` the function from it to the module's raw outputs;
    `at(x)` both at the price of one."""

    def __init__(self, model: Model, layer: str) -> None:
        if layer not in {found.name for found in model.layers}:
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
            if any(used in after for used in node.all_input_nodes):
                after.add(node)
        after.discard(cut)
        light = _light(whole, after)
        beside = list(
            dict.fromkeys(
                used
                for node in graph.nodes
                if node in after or node in light
                for used in node.all_input_nodes
                if used is not cut and used not in after and used not in light
            )
        )
        self._prefix = _prefix_graph(whole, cut, beside)
        self._head = _head_graph(whole, cut, beside, after | light)
        self.bypassed = bool(beside)
        """Whether something reaches the head past this layer (it is then held at the input's own values)."""

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """F `[N, C, h, w]`."""
        if self._is_split(x):
            return self._prefix(x)[0].detach()
        return self._seen(x)[0][-1]

    @torch.no_grad()
    def _is_split(self, x: Tensor) -> bool:
        """Whether the two parts may be used: on first use they must give the module's own numbers, for one
        input and for a batch of it."""
        if self.traced and not self._checked:
            self._checked = True
            (*_, features), out = self._seen(x[:1])
            try:
                found, *beside = self._prefix(x[:1])
                both = self._headed(beside)(found.expand(2, *found.shape[1:]))
                self.traced = _close(found, features) and _close(both, out.expand_as(both))
            except Exception:  # what passes the layer may be anything: a list, a scalar, a shape that holds for one input only
                self.traced = False
        return self.traced

    def _headed(self, beside: list[Tensor]) -> Head:
        return lambda maps: self._head(maps, *[part.expand(len(maps), *part.shape[1:]) for part in beside])

    def _seen(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """The layer's output at every call during one forward pass (a shared module is called several
        times), and the module's output."""
        kept: list[Tensor] = []
        with torch.no_grad(), _hooked(self.module, self.layer, lambda out: kept.append(out.detach().clone())):
            out = self.module(x)
        return kept, out

    def at(self, x: Tensor) -> At:
        """F of one input `x [1, C, H, W]` and the head for it, from a single run of the prefix; the head
        takes any batch of feature maps."""
        if not self._is_split(x):
            seen, _ = self._seen(x)
            return seen[-1], self._replaced(x, len(seen))
        with torch.no_grad():
            features, *beside = (part.detach() for part in self._prefix(x))
        return features, self._headed(beside)

    def head(self, x: Tensor) -> Head:
        """The head alone."""
        return self.at(x)[1]

    def _replaced(self, x: Tensor, last: int) -> Head:
        def run(features: Tensor) -> Tensor:
            calls = 0

            def replace(_: Tensor) -> Tensor | None:
                nonlocal calls
                calls += 1
                return features.clone() if calls == last else None

            with _hooked(self.module, self.layer, replace):
                return self.module(x.expand(features.shape[0], *x.shape[1:]))

        return run


def _close(found: Tensor, expected: Tensor) -> bool:
    """Equal up to rounding."""
    return found.shape == expected.shape and float((found - expected).abs().max()) <= CLOSE * max(
        1.0, float(expected.abs().max())
    )


def _light(whole: fx.GraphModule, after: set[fx.Node]) -> set[fx.Node]:
    """What the nodes of `after` need that depends on no number of the input: weights, sizes read off a
    tensor, and what is made of them alone. (A size read off the layer's output is downstream of it.)"""
    light: set[fx.Node] = set()
    for node in whole.graph.nodes:
        if node.op in ("placeholder", "output") or node in after:
            continue
        if _reads_size(node) or all(used in light for used in node.all_input_nodes):
            light.add(node)
    needed = set(after)
    for node in reversed(whole.graph.nodes):
        if node in needed:
            needed.update(used for used in node.all_input_nodes if used in light)
    return needed & light


def _reads_size(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in ("size", "dim", "numel", "ndimension", "stride")
    return (
        node.op == "call_function"
        and node.target is getattr
        and node.args[1] in ("shape", "ndim", "dtype", "device", "is_cuda")
    )


def _prefix_graph(whole: fx.GraphModule, cut: fx.Node, beside: list[fx.Node]) -> fx.GraphModule:
    needed = {cut, *beside}
    for node in reversed(whole.graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    graph = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    for node in whole.graph.nodes:
        if node in needed or node.op == "placeholder":
            values[node] = graph.node_copy(node, lambda used: values[used])
        if node is cut:
            # Cloned at once: an in-place activation behind the layer must not change what the layer put out.
            kept = graph.call_function(torch.clone, (values[node],))
    graph.output((kept, *[values[node] for node in beside]))
    return fx.GraphModule(whole, graph).eval()


def _head_graph(
    whole: fx.GraphModule, cut: fx.Node, beside: list[fx.Node], own: set[fx.Node]
) -> fx.GraphModule:
    graph = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    for number, node in enumerate([cut, *beside]):
        values[node] = graph.placeholder(f"features_{number}")
    # In-place operations of the head must not reach the caller's tensors.
    for node in (cut, *beside):
        values[node] = graph.call_function(torch.clone, (values[node],))
    for node in whole.graph.nodes:
        if node in own:
            values[node] = graph.node_copy(node, lambda used: values[used])
    graph.lint()
    return fx.GraphModule(whole, graph).eval()


@contextmanager
def _hooked(module: nn.Module, layer: str, see: Callable[[Tensor], Any]) -> Any:
    """Let `see` look at the layer's output; what it returns, if a tensor, replaces the output."""

    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        found = see(output)
        return found if isinstance(found, Tensor) else None

    handle = module.get_submodule(layer).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def suffix(model: Model, layer: str) -> Suffix:
    """The split at a layer, traced once per model and layer. Modules are shared with the model, not
    copied."""
    return keep(model, "head", layer, lambda: Suffix(model, layer))
