"""One cache per model for values computed from its network. A changed network empties it.

Every access compares the network's stamp with the stamp at the time of storing, so nobody has to announce an
edit. The stamp is a digest of all weights, because no counter sees every edit: `weight.data.neg_()` changes
neither address nor version, permuted rows change neither norm nor sum, and a weighted sum of whole words is
blind to signs flipped in pairs. The checksums run on several cores (zlib lets go of the interpreter); inside
`steady` the stamp is computed once.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import threading
import weakref
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FunctionType, MethodType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from backend.attribution.network.runtime import at_work
from models.model import Model

T = TypeVar("T")
Key = tuple[str, Hashable]
PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None)))
"""Types whose words are their value."""
PIECE = 2**20
"""Bytes of weights that one core takes at a time."""
MOST_CORES = 4
TORCHS_OWN = frozenset(vars(nn.Module()))
"""Attributes that torch itself keeps in every module; those that change what it computes are asked for by name."""


class _Cache:
    """Values of one model. steady: number of `steady` blocks that are open."""

    def __init__(self) -> None:
        self.stamp = ""
        self.steady = 0
        self.values: dict[Key, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> _Cache:
        """A copied model starts with an empty cache: the values refer to parts of the original."""
        return _Cache()


_latest: dict[str, OrderedDict[tuple[int, Key], weakref.ref[_Cache]]] = {}
"""Per family with a capacity, its values in all models of the process, least recently used first."""


def cached(
    model: Model, family: str, key: Hashable, make: Callable[[], T], *, capacity: int | None = None
) -> T:
    """The value of `key` for the network as it is now; a missing one is computed by `make`.

    family: kind of value. capacity: most values of this family in all models together; the least recently
    used is dropped before a new one is computed.
    """
    with steady(model) as cache:
        place = (family, key)
        if place not in cache.values:
            if capacity is not None:
                _make_room(family, capacity)
            cache.values[place] = make()
        if capacity is not None:
            order = _latest.setdefault(family, OrderedDict())
            order[id(cache), place] = weakref.ref(cache)
            order.move_to_end((id(cache), place))
        return cache.values[place]


@contextmanager
def steady(model: Model) -> Iterator[_Cache]:
    """Inside, the network must not change: its stamp is computed once, on entry. The process is set up for passes."""
    cache: _Cache = vars(model).setdefault("_cache", _Cache())
    if not cache.steady:
        now = _read(model)
        if cache.stamp != now:
            if cache.stamp:
                model.forget_structure()
            cache.values.clear()
            cache.stamp = now
    cache.steady += 1
    try:
        with at_work():
            yield cache
    finally:
        cache.steady -= 1


def stamp(model: Model) -> str:
    """Hex digest of the network as it is now and of its preprocessing."""
    with steady(model) as cache:
        return cache.stamp


def architecture(model: Model) -> str:
    """Hex digest of what decides the work of a pass: modules, code, settings, shapes; not the weights' values."""

    def digest() -> str:
        words = repr((tuple(model.input.shape), _Description().of(model.module)))
        return hashlib.sha256(words.encode()).hexdigest()

    return cached(model, "architecture", None, digest)


def _read(model: Model) -> str:
    """The stamp: sha256 over the preprocessing, the modules' types, code, settings and hooks, and the checksums of
    every weight and buffer."""
    inputs = (type(model.input).__qualname__, model.input.describe())
    description = _Description()
    words = repr((inputs, description.of(model.module), _checksums(description.numbers)))
    return hashlib.sha256(words.encode()).hexdigest()


class _Description:
    """What decides a network's numbers, the same in every process: tensors and arrays by type and shape, containers
    by their items, functions by their code, other objects by their attributes.

    numbers: the bytes of the tensors and arrays in the order they were met.
    """

    def __init__(self) -> None:
        self.numbers: list[memoryview] = []
        self._seen: dict[int, tuple[int, Any]] = {}
        """Objects by id, for references back. It holds the objects, so that no id is reused meanwhile."""

    def of(self, value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        if isinstance(value, Tensor):
            self.numbers.append(_bytes(value.detach()))
            return str(value.dtype), tuple(value.shape)
        if isinstance(value, np.ndarray) and value.dtype != object:
            self.numbers.append(memoryview(np.ascontiguousarray(value).tobytes()))
            return str(value.dtype), value.shape
        if id(value) in self._seen:
            return "again", self._seen[id(value)][0]
        self._seen[id(value)] = (len(self._seen), value)
        if isinstance(value, nn.Module):
            return self._object(value)
        if isinstance(value, Mapping):
            return [(repr(key), self.of(part)) for key, part in value.items()]
        if isinstance(value, list | tuple):
            return [self.of(part) for part in value]
        if isinstance(value, set | frozenset):
            return sorted(str(self.of(part)) for part in value)
        if isinstance(value, partial):
            return [self.of(part) for part in (value.func, value.args, value.keywords)]
        if isinstance(value, MethodType):
            return [self.of(part) for part in (value.__func__, value.__self__)]
        if isinstance(value, FunctionType):
            held = (value.__defaults__, value.__kwdefaults__, inspect.getclosurevars(value).nonlocals)
            return value.__qualname__, _code(value), self.of(held)
        if isinstance(value, type) or not hasattr(value, "__dict__"):
            words = repr(value)
            return (
                words if " at 0x" not in words else getattr(value, "__qualname__", type(value).__qualname__)
            )
        return self._object(value)

    def _object(self, value: Any) -> Any:
        held = vars(value)
        attributes = {key: held[key] for key in sorted(held.keys() - TORCHS_OWN)}
        if isinstance(value, nn.Module):  # a hook's key counts all hooks of the process
            hooks = [list(value._forward_pre_hooks.values()), list(value._forward_hooks.values())]
            attributes["own"] = [value.training, value._parameters, value._buffers, value._modules, hooks]
        kind = type(value)
        return kind.__qualname__, _code(getattr(kind, "forward", None)), self.of(attributes)


def _bytes(tensor: Tensor) -> memoryview:
    """The numbers in order, as bytes."""
    try:
        return tensor.numpy().data.cast("B")
    except (
        TypeError,
        RuntimeError,
    ):  # in another order, empty, of a type that numpy lacks, or not on the CPU
        flat = tensor.contiguous().reshape(-1)
        return flat.view(torch.uint8).cpu().numpy().data if flat.numel() else memoryview(b"")


def _code(function: Any) -> Any:
    """A function's byte code with the constants and names in it; None for one that is not in Python."""
    code = getattr(function, "__code__", None)
    return code and (
        code.co_code,
        code.co_names,
        [part for part in code.co_consts if type(part) in PLAIN],
    )


def _checksums(numbers: Sequence[memoryview]) -> list[int]:
    """CRC-32 of each piece: detects every change of a single number, and any other change except for one in 2^32.
    Their values do not depend on the number of cores."""
    pieces = [part[start : start + PIECE] for part in numbers for start in range(0, len(part), PIECE)]
    cores = _cores()
    if cores == 1 or sum(map(len, pieces)) < PIECE:
        return [zlib.crc32(piece) for piece in pieces]
    results = [0] * len(pieces)
    waiting = deque(enumerate(pieces))

    def work() -> None:
        with suppress(IndexError):  # the last piece is taken
            while True:
                index, piece = waiting.popleft()
                results[index] = zlib.crc32(piece)

    helpers = [threading.Thread(target=work, daemon=True) for _ in range(cores - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    return results


def _cores() -> int:
    return min(MOST_CORES, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)


def _make_room(family: str, capacity: int) -> None:
    order = _latest.get(family, OrderedDict())
    for (cache_id, place), cache in list(order.items()):
        owner = cache()
        if owner is None or place not in owner.values:
            del order[cache_id, place]
    while len(order) >= capacity:
        (_, place), cache = order.popitem(last=False)
        owner = cache()
        if owner is not None:
            owner.values.pop(place, None)
