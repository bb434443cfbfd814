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
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from app.core.errors import Incompatible
from backend.attribution.lrp.layers import (
    ACTIVATIONS,
    BATCH_NORMS,
    WEIGHTED,
    Activation,
    Add,
    Affine,
    Average,
    Call,
    Gate,
    Move,
    Normalise,
    Slot,
    batch_norm,
    out_of_place,
    padding_step,
    with_parameters,
)
from backend.attribution.lrp.merge import merge_affine
from backend.attribution.lrp.steps import (
    ADDS,
    AVERAGES,
    BOUND,
    DIVS,
    FUNCTIONS,
    IGNORED,
    MAXIMA,
    MOVERS,
    MOVES,
    MULS,
    POOLS,
    SKIPPED,
    SUBS,
    WEIGHTS,
)
from backend.attribution.lrp.trace import (
    DROPPED,
    WAY_OUT,
    holds_tensor,
    operation,
    path_of,
    record,
    trace,
    works_in_place,
)

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
        rewritten = _Rewriter(traced, values).run().eval().to(example.device)
        merge_affine(rewritten)
        _check(rewritten, module, example, expected)
    return rewritten


class _Rewriter:
    """Rewrites the traced graph node by node. `new[old]` is the node that carries the value of `old`."""

    def __init__(self, traced: fx.GraphModule, values: dict[fx.Node, Any]) -> None:
        self.traced, self.values = traced, values
        self.graph, self.root = fx.Graph(), nn.Module()
        self.new: dict[fx.Node, fx.Node] = {}
        self.lists: dict[fx.Node, tuple[Any, ...]] = {}
        """Steps that return several maps (chunk, split); they are written where one of the maps is read."""

    def run(self) -> fx.GraphModule:
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                if self.new:
                    if not node.users:
                        continue
                    self.refuse(node, "it takes more than one input")
                self.new[node] = self.graph.placeholder(node.name)
            elif node.op == "output":
                self._output(node)
            elif node.op == "call_module":
                self._module(node)
            elif node.op in ("call_function", "call_method"):
                self._function(node)
            if node in self.new and node.op != "placeholder" and works_in_place(node, self.traced):
                self.new[node.args[0]] = self.new[node]
        rewritten = fx.GraphModule(self.root, self.graph)
        rewritten.graph.eliminate_dead_code()
        rewritten.recompile()
        rewritten.delete_all_unused_submodules()
        return rewritten

    def _output(self, node: fx.Node) -> None:
        if not isinstance(node.args[0], fx.Node):
            self.refuse(node, "it gives more than one output")
        self.graph.output(self.new[node.args[0]])

    # -- writing ------------------------------------------------------------------------------------------------------------------

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

    # -- modules ------------------------------------------------------------------------------------------------------------------

    def _module(self, node: fx.Node) -> None:
        layer = self.traced.get_submodule(str(node.target))
        if not isinstance(node.args[0], fx.Node) or node.args[0] not in self.new:
            self.refuse(node, "its input is not a feature map")
        source, name = self.new[node.args[0]], type(layer).__name__
        if isinstance(layer, DROPPED) or name in ("DropPath", "DropBlock2d", "StochasticDepth"):
            self.alias(node, node.args[0])
        elif isinstance(layer, WEIGHTED):
            self._weighted(node, layer, source)
        elif isinstance(layer, BATCH_NORMS) or name == "FrozenBatchNorm2d":
            self._batch_norm(node, layer, source)
        elif "LayerNorm" in name or isinstance(layer, nn.GroupNorm):
            self._norm(node, layer, source)
        elif isinstance(layer, ACTIVATIONS):
            self.emit(node, out_of_place(layer), source)
        elif isinstance(layer, POOLS) or name in ("FastAdaptiveAvgPool", "AvgPool2dSame"):
            self.emit(node, Average(layer.forward, (Slot(0),), {}), source)
        elif isinstance(layer, MOVERS) or name == "MaxPool2dSame":
            self.emit(node, Move(layer.forward, (Slot(0),), {}), source)
        else:
            self.refuse(node, f"a layer of type {name}")

    def _weighted(self, node: fx.Node, layer: nn.Module, source: fx.Node) -> None:
        if (
            type(layer).forward not in [kind.forward for kind in WEIGHTED]
            and type(layer).__name__ != "Conv2dSame"
        ):
            self.refuse(node, f"a layer of type {type(layer).__name__} with a way of its own")
        fresh = with_parameters(layer, layer.weight, layer.bias)  # type: ignore[arg-type]
        pad = padding_step(layer)
        if pad is not None:
            source = self.emit(node, pad, source)
            fresh.padding = tuple(0 for _ in fresh.kernel_size)  # type: ignore[union-attr,assignment]
            fresh.padding_mode = "zeros"  # type: ignore[assignment]
        written = self.emit(node, fresh, source)
        written.meta["over_channels"] = isinstance(layer, nn.Linear) and self.values[node].ndim > 2

    def _batch_norm(self, node: fx.Node, layer: nn.Module, source: fx.Node) -> None:
        if getattr(layer, "running_mean", None) is None:
            self.refuse(node, "its batch norm has no stored statistics")
        if not hasattr(layer, "eps"):
            self.refuse(node, f"a layer of type {type(layer).__name__}")
        written = self.emit(node, batch_norm(layer), source)
        activation = getattr(layer, "act", None)  # timm's BatchNormAct2d: norm, dropout and activation in one
        if isinstance(activation, ACTIVATIONS):
            self.emit(node, out_of_place(activation), written)
        elif activation is not None and not isinstance(activation, nn.Identity):
            self.refuse(node, f"an activation of type {type(activation).__name__}")

    def _norm(self, node: fx.Node, layer: Any, source: fx.Node) -> None:
        """Layer and group norm. layer: a module, or the arguments of the function in a namespace."""
        shape = self.values[node].shape
        groups = getattr(layer, "num_groups", None)
        channels = groups is None and "2d" in type(layer).__name__
        last = None if groups or channels else len(layer.normalized_shape)
        if last is not None and last > 1:
            self.refuse(node, "its layer norm runs over more than the channels")
        eps = float(layer.eps)
        written = self.emit(node, Normalise(eps, last=last, channels=channels, groups=groups), source)
        if layer.weight is not None:
            dim = 1 if groups or channels else len(shape) - 1
            bias = layer.bias if layer.bias is not None else torch.zeros_like(layer.weight)
            self.emit(node, Affine(layer.weight, bias, dim), written)

    # -- functions ----------------------------------------------------------------------------------------------------------------

    def _function(self, node: fx.Node) -> None:
        name = operation(node)
        if name == "getitem" and node.args[0] in self.lists:
            split, *sources = self.lists[node.args[0]]  # type: ignore[index]
            self.emit(
                node,
                Move(
                    _part,
                    tuple(Slot(i) for i in range(len(sources))),
                    {"split": split, "index": node.args[1]},
                ),
                *sources,
            )
            return
        if not any(source in self.new for source in node.all_input_nodes) or not holds_tensor(
            self.values[node]
        ):
            return  # sizes, other numbers and what is computed from weights alone: constants of this model
        if name in SKIPPED:
            self.alias(node, node.args[0])  # type: ignore[arg-type]
        elif not isinstance(self.values[node], Tensor):
            if name not in MOVES:
                self.refuse(node, f"the operation {name!r}")
            self.lists[node] = self._call(Move, node)
        elif name in ADDS | SUBS | MULS | DIVS:
            self._arithmetic(node, name)
        elif name in WEIGHTS:
            self._functional(node, name)
        elif name in FUNCTIONS:
            self.emit(node, FUNCTIONS[name](), self.new[node.args[0]])  # type: ignore[index]
        elif name in BOUND | MAXIMA:
            self._activation(node, name)
        elif name in MOVES:
            self._move(node, name)
        elif name in AVERAGES:
            self.emit(node, *self._call(Average, node))
        elif name not in IGNORED:
            self.refuse(node, f"the operation {name.strip('_')!r}")

    def _activation(self, node: fx.Node, name: str) -> None:
        """A non-linearity with its arguments bound; max(x, constant) is one."""
        others = [part for part in node.all_input_nodes if not self.is_tensor(part)]
        if name in MAXIMA and not (
            len(node.all_input_nodes) == 2 and len(others) == 1 and isinstance(self.values[others[0]], Tensor)
        ):
            self.refuse(node, "a maximum that is not of a feature map and a constant")
        self.emit(node, *self._call(Activation, node))

    def _functional(self, node: fx.Node, name: str) -> None:
        """F.conv2d, F.linear, F.batch_norm and the other norms on weights that do not depend on the input,
        be they computed (weight standardisation)."""
        arguments: dict[str, Any] = {**dict(zip(WEIGHTS[name], node.args, strict=False)), **node.kwargs}
        source = arguments.pop("input")
        if any(self.is_tensor(part) for part in arguments.values()):
            self.refuse(node, "its weights depend on the input")
        bound: dict[str, Any] = {
            key: self._constant(part) if isinstance(part, fx.Node) else part
            for key, part in arguments.items()
        }
        if name == "batch_norm":
            self.emit(
                node,
                batch_norm(SimpleNamespace(**{"weight": None, "bias": None, "eps": 1e-5, **bound})),
                self.new[source],
            )
            return
        if name in ("group_norm", "layer_norm"):
            layer = SimpleNamespace(
                **{"weight": None, "bias": None, "eps": 1e-5, "num_groups": None, **bound}
            )
            self._norm(node, layer, self.new[source])
            return
        kind = {"linear": nn.Linear, "conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d}[name]
        weight, bias = bound.pop("weight"), bound.pop("bias", None)
        if name != "linear":
            bound["kernel_size"] = tuple(weight.shape[2:])
        layer = kind(weight.shape[1] * bound.get("groups", 1), weight.shape[0], **bound, device="meta")
        self._weighted(node, with_parameters(layer, weight, bias), self.new[source])

    def _call(self, kind: type[Call], node: fx.Node) -> tuple[Any, ...]:
        """The node's function with constants bound, and the tensors that go into it."""
        inputs: list[fx.Node] = []

        def bind(part: fx.Node) -> Any:
            if part not in self.new:
                return self._constant(part)
            inputs.append(self.new[part])
            return Slot(len(inputs) - 1)

        args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), bind)
        bound = {key: value for key, value in kwargs.items() if key != "inplace"}
        return kind(_not_overwriting(node), args, bound), *inputs

    def _constant(self, node: fx.Node) -> Any:
        return self.values[node]

    def _move(self, node: fx.Node, name: str) -> None:
        """Moves have the sizes of the example bound; a reshape that keeps the batch axis is rewritten to hold
        for any batch size."""
        source, shape = (
            node.args[0],
            self.values[node].shape if isinstance(self.values[node], Tensor) else None,
        )
        plain = name in ("flatten", "view", "reshape") and shape is not None and self.is_tensor(source)
        if plain and shape[0] == self.values[source].shape[0]:  # type: ignore[index]
            self.emit(node, Move(_reshape, (Slot(0), tuple(shape[1:])), {}), self.new[source])  # type: ignore[index]
        else:
            self.emit(node, *self._call(Move, node))

    def _arithmetic(self, node: fx.Node, name: str) -> None:
        """Sums of maps, products of a map and a gate, and constants, which are scales and shifts."""
        left, right = node.args[:2]
        if node.kwargs.get("alpha", 1) != 1:
            self.refuse(node, "a scaled sum")
        if self.is_tensor(left) and self.is_tensor(right):
            if name in ADDS:
                self.emit(node, Add(), self.new[left], self.new[right])  # type: ignore[index]
            elif name in MULS:
                self._product(node, left, right)  # type: ignore[arg-type]
            else:
                self.refuse(node, "a difference or ratio of two feature maps")
            return
        signal, constant, swapped = (left, right, False) if self.is_tensor(left) else (right, left, True)
        if not self.is_tensor(signal) or (swapped and name in SUBS | DIVS):
            self.refuse(node, "arithmetic with a constant on the left")
        number = self._constant(constant) if isinstance(constant, fx.Node) else constant
        self._scale_or_shift(node, signal, torch.as_tensor(number, dtype=torch.float32), name)  # type: ignore[arg-type]

    def _scale_or_shift(self, node: fx.Node, signal: fx.Node, number: Tensor, name: str) -> None:
        shape = self.values[signal].shape
        wide = [axis for axis in range(number.ndim) if number.shape[axis] > 1]
        if len(wide) > 1 or (wide and len(shape) - number.ndim + wide[0] == 0):
            self.refuse(node, "a constant that differs from place to place")
        dim = len(shape) - number.ndim + wide[0] if wide else 1
        values = number.reshape(-1).expand(shape[dim])
        ones, zeros = torch.ones_like(values), torch.zeros_like(values)
        if name in MULS or name in DIVS:
            affine = Affine(values if name in MULS else 1 / values, zeros, dim)
        else:
            affine = Affine(ones, values if name in ADDS else -values, dim)
        self.emit(node, affine, self.new[signal])

    def _product(self, node: fx.Node, left: fx.Node, right: fx.Node) -> None:
        """A product of signal and gate. The gate is the factor with fewer cells, or else the output of a
        sigmoid."""
        cells = [self.values[part].numel() for part in (left, right)]
        gates = [self._is_gate(self.new[part]) for part in (left, right)]
        if cells[0] != cells[1]:
            signal = 0 if cells[0] > cells[1] else 1
        elif gates[0] != gates[1]:
            signal = 1 if gates[0] else 0
        else:
            self.refuse(node, "a product of two feature maps")
        self.emit(node, Gate(signal), self.new[left], self.new[right])

    def _is_gate(self, node: fx.Node) -> bool:
        if node.op != "call_module":
            return False
        layer = self.root.get_submodule(str(node.target))
        if isinstance(layer, (Move, Average)) and node.args:
            return self._is_gate(node.args[0])  # type: ignore[arg-type]
        return isinstance(layer, (nn.Sigmoid, nn.Hardsigmoid))


def _part(*tensors: Tensor, split: Move, index: int) -> Tensor:
    return split(*tensors)[index]


def _reshape(x: Tensor, tail: tuple[int, ...]) -> Tensor:
    return x.reshape(x.shape[0], *tail)


def _not_overwriting(node: fx.Node) -> Callable[..., Any]:
    """The function that a node calls; for in-place ones such as `clamp_` their out-of-place version."""
    name = str(node.target if node.op == "call_method" else getattr(node.target, "__name__", "")).strip("_")
    if node.op == "call_method" or works_in_place(node, nn.Module()):
        function: Callable[..., Any] = getattr(Tensor, name) if hasattr(Tensor, name) else getattr(F, name)
        return function
    return node.target  # type: ignore[return-value]


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
