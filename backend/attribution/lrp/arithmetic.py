"""Sums, products and constants of a traced network, written as steps of its canonical network."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from backend.attribution.lrp.layers import Add, Affine, Average, Gate, Move
from backend.attribution.lrp.steps import ADDS, DIVS, MULS, SUBS
from backend.attribution.lrp.writer import Writer


def write_arithmetic(writer: Writer, node: fx.Node, name: str) -> None:
    """Sums of maps, products of a map and a gate, and constants, which are scales and shifts."""
    left, right = node.args[:2]
    if node.kwargs.get("alpha", 1) != 1:
        writer.refuse(node, "a scaled sum")
    if writer.is_tensor(left) and writer.is_tensor(right):
        if name in ADDS:
            writer.emit(node, Add(), writer.new[left], writer.new[right])  # type: ignore[index]
        elif name in MULS:
            _product(writer, node, left, right)  # type: ignore[arg-type]
        else:
            writer.refuse(node, "a difference or ratio of two feature maps")
        return
    signal, constant, swapped = (left, right, False) if writer.is_tensor(left) else (right, left, True)
    if not writer.is_tensor(signal) or (swapped and name in SUBS | DIVS):
        writer.refuse(node, "arithmetic with a constant on the left")
    number = writer.values[constant] if isinstance(constant, fx.Node) else constant
    _scale_or_shift(writer, node, signal, torch.as_tensor(number, dtype=torch.float32), name)  # type: ignore[arg-type]


def _scale_or_shift(writer: Writer, node: fx.Node, signal: fx.Node, number: Tensor, name: str) -> None:
    shape = writer.values[signal].shape
    wide = [axis for axis in range(number.ndim) if number.shape[axis] > 1]
    if len(wide) > 1 or (wide and len(shape) - number.ndim + wide[0] == 0):
        writer.refuse(node, "a constant that differs from place to place")
    dim = len(shape) - number.ndim + wide[0] if wide else 1
    values = number.reshape(-1).expand(shape[dim])
    ones, zeros = torch.ones_like(values), torch.zeros_like(values)
    if name in MULS or name in DIVS:
        affine = Affine(values if name in MULS else 1 / values, zeros, dim)
    else:
        affine = Affine(ones, values if name in ADDS else -values, dim)
    writer.emit(node, affine, writer.new[signal])


def _product(writer: Writer, node: fx.Node, left: fx.Node, right: fx.Node) -> None:
    """A product of signal and gate. The gate is the factor with fewer cells, or else the output of a
    sigmoid."""
    cells = [writer.values[part].numel() for part in (left, right)]
    gates = [_is_gate(writer, writer.new[part]) for part in (left, right)]
    if cells[0] != cells[1]:
        signal = 0 if cells[0] > cells[1] else 1
    elif gates[0] != gates[1]:
        signal = 1 if gates[0] else 0
    else:
        writer.refuse(node, "a product of two feature maps")
    writer.emit(node, Gate(signal), writer.new[left], writer.new[right])


def _is_gate(writer: Writer, node: fx.Node) -> bool:
    if node.op != "call_module":
        return False
    layer = writer.root.get_submodule(str(node.target))
    if isinstance(layer, (Move, Average)) and node.args:
        return _is_gate(writer, node.args[0])  # type: ignore[arg-type]
    return isinstance(layer, (nn.Sigmoid, nn.Hardsigmoid))
