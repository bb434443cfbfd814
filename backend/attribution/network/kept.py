"""What was computed from a model and is worth keeping: one cache per model, emptied when the network has
changed.

Nobody has to tell: each time something is asked for, the stamp of the network is compared with the one it was
kept under. The stamp is read off the numbers themselves, because no counter sees every edit:
`weight.data.neg_()` moves neither address nor version, permuted rows leave norm and sum as they were. It
costs 20 to 30 ms for the 98 MiB of a ResNet-50 on one core, a third of its forward pass; `steady` asks once
for a whole run.
"""

from __future__ import annotations

import hashlib
import inspect
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FunctionType, MethodType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.model import Model

T = TypeVar("T")
Key = tuple[str, Hashable]
PLAIN = (bool, int, float, complex, str, bytes, type(None))
"""Types whose words are their value."""
TORCHS_OWN = frozenset(vars(nn.Module()))
"""Attributes that torch itself keeps in every module; those that change what it computes are asked for by name."""


class _Cache:
    """Values of one model. `steady` counts the runs that vouch for it not changing."""

    def __init__(self) -> None:
        self.stamp = ""
        self.steady = 0
        self.values: dict[Key, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> _Cache:
        """A copied model starts with nothing kept: what is kept points at the parts of the original."""
        return _Cache()


_latest: dict[str, OrderedDict[tuple[int, Key], weakref.ref[_Cache]]] = {}
"""Per family with a bound, its values in all models of the process, the least recently used first."""


def keep(model: Model, family: str, key: Hashable, make: Callable[[], T], *, most: int | None = None) -> T:
    """The value of this key for the network as it is now, made when it is missing.

    family: what kind of thing it is. most: values of this family kept in all models together; room is made
    before a new one is made.
    """
    with steady(model) as cache:
        place = (family, key)
        if place not in cache.values:
            if most is not None:
                _make_room(family, most)
            cache.values[place] = make()
        if most is not None:
            order = _latest.setdefault(family, OrderedDict())
            order[id(cache), place] = weakref.ref(cache)
            order.move_to_end((id(cache), place))
        return cache.values[place]


@contextmanager
def steady(model: Model) -> Iterator[_Cache]:
    """The network does not change in here: it is looked at once, on the way in."""
    cache: _Cache = vars(model).setdefault("_kept", _Cache())
    if not cache.steady:
        now = _read(model)
        if cache.stamp != now:
            if cache.stamp:
                model.look_again()
            cache.values.clear()
            cache.stamp = now
    cache.steady += 1
    try:
        yield cache
    finally:
        cache.steady -= 1


def stamp(model: Model) -> str:
    """Hex digest of the network as it is now, and of how its inputs are prepared."""
    with steady(model) as cache:
        return cache.stamp


def _read(model: Model) -> str:
    """Of what decides the network's numbers: types, code and settings of its modules, every weight and
    buffer, hooks; and of the input."""
    inputs = (type(model.input).__qualname__, model.input.describe())
    return hashlib.sha256(repr((inputs, _described(model.module, {}))).encode()).hexdigest()


def _described(value: Any, seen: dict[int, tuple[int, Any]]) -> Any:
    """What a value is, the same in every process: tensors and arrays by checksum, containers by what they
    hold, functions by their code, other objects by their attributes. seen: by id, for parts that point back;
    it holds them, so that no id is given to another meanwhile."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor):
        return _checksum(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return str(value.dtype), value.shape, zlib.crc32(np.ascontiguousarray(value).tobytes())
    if id(value) in seen:
        return "again", seen[id(value)][0]
    seen[id(value)] = (len(seen), value)
    if isinstance(value, Mapping):
        return [(repr(key), _described(part, seen)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [_described(part, seen) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_described(part, seen)) for part in value)
    if isinstance(value, partial):
        return [_described(part, seen) for part in (value.func, value.args, value.keywords)]
    if isinstance(value, MethodType):
        return [_described(part, seen) for part in (value.__func__, value.__self__)]
    if isinstance(value, FunctionType):
        held = (value.__defaults__, value.__kwdefaults__, inspect.getclosurevars(value).nonlocals)
        return value.__qualname__, _code(value), _described(held, seen)
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        words = repr(value)
        return words if " at 0x" not in words else getattr(value, "__qualname__", type(value).__qualname__)
    attributes = {key: part for key, part in vars(value).items() if key not in TORCHS_OWN}
    if isinstance(value, nn.Module):  # a hook's key counts all hooks of the process
        hooks = [list(value._forward_pre_hooks.values()), list(value._forward_hooks.values())]
        attributes["own"] = [value.training, value._parameters, value._buffers, value._modules, hooks]
    kind = type(value)
    return kind.__qualname__, _code(getattr(kind, "forward", None)), _described(attributes, seen)


def _code(function: Any) -> Any:
    """A function's byte code with the constants and names in it; None for one that is not in Python."""
    code = getattr(function, "__code__", None)
    return code and (
        code.co_code,
        code.co_names,
        [part for part in code.co_consts if isinstance(part, PLAIN)],
    )


def _checksum(tensor: Tensor) -> tuple[Any, ...]:
    """CRC-32 of the values in their order: any change of a single number is seen for certain, any other
    but once in 2^32."""
    flat = tensor.detach().contiguous().reshape(-1)
    return (
        str(tensor.dtype),
        tuple(tensor.shape),
        zlib.crc32(flat.view(torch.uint8).cpu().numpy().data) if flat.numel() else 0,
    )


def _make_room(family: str, most: int) -> None:
    order = _latest.get(family, OrderedDict())
    for (cache_id, place), cache in list(order.items()):
        owner = cache()
        if owner is None or place not in owner.values:
            del order[cache_id, place]
    while len(order) >= most:
        (_, place), cache = order.popitem(last=False)
        owner = cache()
        if owner is not None:
            owner.values.pop(place, None)
