"""The canonical network while it is being written."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import fx, nn

from app.core.errors import Incompatible
from backend.attribution.lrp.trace import WAY_OUT, path_of


class Writer:
    """Takes the steps of a canonical network one by one.

    traced: the network it is written from. values: of every traced step for the example (`trace.record`).
    new: the written step that carries the value of a traced one. lists: traced steps that return several maps
    (chunk, split); they are written where one of the maps is read.
    """

    def __init__(self, traced: fx.GraphModule, values: dict[fx.Node, Any]) -> None:
        self.traced, self.values = traced, values
        self.graph, self.root = fx.Graph(), nn.Module()
        self.new: dict[fx.Node, fx.Node] = {}
        self.lists: dict[fx.Node, tuple[Any, ...]] = {}

    def network(self) -> fx.GraphModule:
        """What has been written, without the steps that nobody reads."""
        written = fx.GraphModule(self.root, self.graph)
        written.graph.eliminate_dead_code()
        written.recompile()
        written.delete_all_unused_submodules()
        return written

    def emit(self, node: fx.Node, layer: nn.Module, *inputs: fx.Node) -> fx.Node:
        """Adds one step to the canonical network, under the path of the layer it came from."""
        path = path_of(node)
        parts, parent = path.split("."), self.root
        for part in parts[:-1]:
            if not isinstance(parent._modules.get(part), nn.Module):
                parent.add_module(part, nn.Module())
            parent = parent._modules[part]  # type: ignore[assignment]
        name, number = parts[-1], 2
        while name in parent._modules or hasattr(parent, name):
            name, number = f"{parts[-1]}_{number}", number + 1
        parent.add_module(name, layer.eval())
        written = self.graph.call_module(".".join([*parts[:-1], name]), inputs)
        self.new[node] = written
        return written

    def refuse(self, node: fx.Node, why: str) -> NoReturn:
        raise Incompatible(f"LRP has no rule for the layer {path_of(node)!r} of this model: {why}. {WAY_OUT}")

    def alias(self, node: fx.Node, old: fx.Node) -> None:
        self.new[node] = self.new[old]

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, fx.Node) and value in self.new
