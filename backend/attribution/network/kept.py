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
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from models.model import Model

T = TypeVar("T")
Key = tuple[str, Hashable]
PLAIN = (bool, int, float, str, tuple, type(None))
"""Types of a module's own settings: stride, eps, negative_slope, training."""


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
    """Of what decides the network's numbers: names, types and settings of its modules, every weight and
    buffer; and of the input."""
    sha = hashlib.sha256(repr((type(model.input).__qualname__, model.input.describe())).encode())
    for name, module in model.module.named_modules():
        sha.update(f"{name}:{type(module).__qualname__};".encode())
        sha.update("".join(f"{key}={part};" for key, part in _parts(module)).encode())
    return sha.hexdigest()


def _parts(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """A module's settings, and its tensors by checksum: parameters, buffers and plain attributes."""
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield name, _checksum(value)
        elif isinstance(value, PLAIN) and not name.startswith("_"):
            yield name, repr(value)
    for tensors in (module._parameters, module._buffers):
        for name, tensor in tensors.items():
            yield name, None if tensor is None else _checksum(tensor)


def _checksum(tensor: Tensor) -> tuple[Any, ...]:
    """CRC-32 of the values in their order: any change of a single number is seen for certain, any other
    but once in 2^32."""
    flat = tensor.detach().contiguous().reshape(-1)
    return (
        tensor.dtype,
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
