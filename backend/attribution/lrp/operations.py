"""Functions and methods that a traced network calls, written as steps of its canonical network."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torch import Tensor, fx, nn
from torch.nn import functional as F

from backend.attribution.lrp.arithmetic import write_arithmetic
from backend.attribution.lrp.layers import Activation, Average, Call, Move, Slot, batch_norm, with_parameters
from backend.attribution.lrp.modules import write_norm, write_weighted
from backend.attribution.lrp.steps import (
    ADDS,
    AVERAGES,
    BOUND,
    DIVS,
    FUNCTIONS,
    IGNORED,
    MAXIMA,
    MOVES,
    MULS,
    SKIPPED,
    SUBS,
    WEIGHTS,
)
from backend.attribution.lrp.trace import holds_tensor, operation, works_in_place
from backend.attribution.lrp.writer import Writer


def write_operation(writer: Writer, node: fx.Node) -> None:
    name = operation(node)
    if name == "getitem" and node.args[0] in writer.lists:
        split, *sources = writer.lists[node.args[0]]  # type: ignore[index]
        writer.emit(
            node,
            Move(
                _part,
                tuple(Slot(i) for i in range(len(sources))),
                {"split": split, "index": node.args[1]},
            ),
            *sources,
        )
        return
    if not any(source in writer.new for source in node.all_input_nodes) or not holds_tensor(
        writer.values[node]
    ):
        return  # sizes, other numbers and what is computed from weights alone: constants of this model
    if name in SKIPPED:
        writer.alias(node, node.args[0])  # type: ignore[arg-type]
    elif not isinstance(writer.values[node], Tensor):
        if name not in MOVES:
            writer.refuse(node, f"the operation {name!r}")
        writer.lists[node] = _call(writer, Move, node)
    elif name in ADDS | SUBS | MULS | DIVS:
        write_arithmetic(writer, node, name)
    elif name in WEIGHTS:
        _functional(writer, node, name)
    elif name in FUNCTIONS:
        writer.emit(node, FUNCTIONS[name](), writer.new[node.args[0]])  # type: ignore[index]
    elif name in BOUND | MAXIMA:
        _activation(writer, node, name)
    elif name in MOVES:
        _move(writer, node, name)
    elif name in AVERAGES:
        writer.emit(node, *_call(writer, Average, node))
    elif name not in IGNORED:
        writer.refuse(node, f"the operation {name.strip('_')!r}")


def _activation(writer: Writer, node: fx.Node, name: str) -> None:
    """A non-linearity with its arguments bound; max(x, constant) is one."""
    others = [part for part in node.all_input_nodes if not writer.is_tensor(part)]
    if name in MAXIMA and not (
        len(node.all_input_nodes) == 2 and len(others) == 1 and isinstance(writer.values[others[0]], Tensor)
    ):
        writer.refuse(node, "a maximum that is not of a feature map and a constant")
    writer.emit(node, *_call(writer, Activation, node))


def _functional(writer: Writer, node: fx.Node, name: str) -> None:
    """F.conv2d, F.linear, F.batch_norm and the other norms on weights that do not depend on the input,
    be they computed (weight standardisation)."""
    arguments: dict[str, Any] = {**dict(zip(WEIGHTS[name], node.args, strict=False)), **node.kwargs}
    source = arguments.pop("input")
    if any(writer.is_tensor(part) for part in arguments.values()):
        writer.refuse(node, "its weights depend on the input")
    bound: dict[str, Any] = {
        key: writer.values[part] if isinstance(part, fx.Node) else part for key, part in arguments.items()
    }
    if name == "batch_norm":
        writer.emit(
            node,
            batch_norm(SimpleNamespace(**{"weight": None, "bias": None, "eps": 1e-5, **bound})),
            writer.new[source],
        )
        return
    if name in ("group_norm", "layer_norm"):
        layer = SimpleNamespace(**{"weight": None, "bias": None, "eps": 1e-5, "num_groups": None, **bound})
        write_norm(writer, node, layer, writer.new[source])
        return
    kind = {"linear": nn.Linear, "conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d}[name]
    weight, bias = bound.pop("weight"), bound.pop("bias", None)
    if name != "linear":
        bound["kernel_size"] = tuple(weight.shape[2:])
    layer = kind(weight.shape[1] * bound.get("groups", 1), weight.shape[0], **bound, device="meta")
    write_weighted(writer, node, with_parameters(layer, weight, bias), writer.new[source])


def _call(writer: Writer, kind: type[Call], node: fx.Node) -> tuple[Any, ...]:
    """The node's function with constants bound, and the tensors that go into it."""
    inputs: list[fx.Node] = []

    def bind(part: fx.Node) -> Any:
        if part not in writer.new:
            return writer.values[part]
        inputs.append(writer.new[part])
        return Slot(len(inputs) - 1)

    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), bind)
    bound = {key: value for key, value in kwargs.items() if key != "inplace"}
    return kind(_not_overwriting(node), args, bound), *inputs


def _move(writer: Writer, node: fx.Node, name: str) -> None:
    """Moves have the sizes of the example bound; a reshape that keeps the batch axis is rewritten to hold
    for any batch size."""
    source, shape = (
        node.args[0],
        writer.values[node].shape if isinstance(writer.values[node], Tensor) else None,
    )
    plain = name in ("flatten", "view", "reshape") and shape is not None and writer.is_tensor(source)
    if plain and shape[0] == writer.values[source].shape[0]:  # type: ignore[index]
        writer.emit(node, Move(_reshape, (Slot(0), tuple(shape[1:])), {}), writer.new[source])  # type: ignore[index]
    else:
        writer.emit(node, *_call(writer, Move, node))


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
