"""Which layers of a network are read, in depth order.

Read are the feature maps that the network hands on: after an activation, a residual sum or a concatenation, never a
bare convolution inside a block. They are the ends of blocks and the activations that the layer picker offers, with
stages taken apart into their blocks. What has no name of its own (an activation that is a shared module's earlier
run, or a function call in code that cannot be traced) cannot be asked for: the layer before it is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from backend.attribution.network.cache import cached
from models.events import (
    ACTIVATIONS,
    JOINTS,
    NEUTRAL,
    RECTIFIERS,
    SUMS,
    Event,
    operation_of,
    record_events,
    trial_noise,
)
from models.model import Model
from models.spec import Layer
from models.structure import OFFERED, POOLS, WEIGHTED

PRODUCTS = {"linear", "addmm", "matmul", "mm", "conv2d"}
READERS = {"batch_norm", "layer_norm", "group_norm", "instance_norm", "interpolate", "flatten", "mean", "pad"}
"""Functions that show that a tensor is handed on as it is."""
BEFORE = "Only the numbers before the activation have a name here; the activated maps, which the network hands on, have none."
BRANCH = "This is one side of a sum; the sum, which the network hands on, has no name here."
UNUSED = "The answer does not depend on it."
VECTOR = "It is a vector without places: nothing to draw. It comes after the last feature maps."


@dataclass(frozen=True)
class Read:
    """A layer of the list. reason: why it cannot be read; None for one that is."""

    layer: Layer
    reason: str | None = None

    @property
    def name(self) -> str:
        return self.layer.name


def readable_layers(model: Model) -> list[Read]:
    """In depth order; the unreadable ones too, with their reasons. Raises Incompatible where there is none to read."""
    return cached(model, "readable", "layers", lambda: _layers(model))


@torch.no_grad()
def _layers(model: Model) -> list[Read]:
    flow = _Flow(model.module)
    with flow:
        events, _ = record_events(model.module, trial_noise(model.input.shape, model.device))
    default = model.default_layer
    names = [part for layer in model.offered_layers for part in flow.parts(layer.name)]
    known = {layer.name: layer for layer in model.layers}
    order = {event.name: place for place, event in enumerate(events) if not event.call}  # of the last run
    listed: list[Read] = []
    for name in dict.fromkeys([*names, default]):
        reason = None if name == default else flow.reason(name)
        listed.append(Read(known[name], reason))
        pool = _pool_after(events, order[name]) if reason else None
        if pool is not None and pool in known:
            listed.append(Read(known[pool]))
    listed += _vectors(events, after=order[default])
    listed = sorted({read.name: read for read in listed}.values(), key=lambda read: order[read.name])
    return _thinned(listed, default)


def _pool_after(events: Sequence[Event], place: int) -> str | None:
    """A pooling module that reads the activated maps before the next layer with weights."""
    for later in events[place + 1 :]:
        if isinstance(later.module, POOLS):
            return later.name if later.spatial else None
        if isinstance(later.module, WEIGHTED) or later.call in SUMS | JOINTS:
            return None
    return None


def _vectors(events: Sequence[Event], after: int) -> list[Read]:
    """Activations without places behind the last feature maps, as in VGG's classifier."""
    return [
        Read(Layer(event.name, type(event.module).__name__, (event.shape[1], 1, 1)), VECTOR)
        for event in events[after + 1 :]
        if event.activation and not event.call and len(event.shape) == 2
    ]


def _thinned(listed: list[Read], default: str) -> list[Read]:
    """At most `OFFERED`, spread evenly, the default one among them."""
    if len(listed) <= OFFERED:
        return listed
    places = {round(i * (len(listed) - 1) / (OFFERED - 1)) for i in range(OFFERED)}
    return [read for i, read in enumerate(listed) if i in places or read.name == default]


class _Flow(TorchFunctionMode):
    """While active, sees which tensor goes into and comes out of each module, and who takes it from there. A tensor
    that is overwritten in place is another one from then on."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.into: dict[str, tuple[int, int] | None] = {}
        self.out_of: dict[str, tuple[int, int] | None] = {}
        self.runs: list[str] = []
        self.takers: dict[tuple[int, int] | None, set[str]] = {}
        self.alive: list[Any] = []  # so that no id is given to another tensor meanwhile

    def __enter__(self) -> Any:
        self.handles = []
        for name, part in self.module.named_modules():
            self.handles.append(part.register_forward_pre_hook(self._enters(name)))
            self.handles.append(part.register_forward_hook(self._leaves(name)))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = operation_of(func)
        kind = "activation" if name in RECTIFIERS else "sum" if name in SUMS else ""
        if not kind and (name in PRODUCTS | JOINTS | READERS or "pool" in name):
            kind = "other"
        for part in args if kind else ():
            self._taken(part, kind)
        return func(*args, **(kwargs or {}))

    def reason(self, name: str) -> str | None:
        """Why the network hands on another tensor than this module's output; None if it is that one."""
        takers = self.takers.get(self.out_of.get(name), set())
        return BEFORE if takers == {"activation"} else BRANCH if takers == {"sum"} else None

    def parts(self, name: str) -> list[str]:
        """The blocks of a stage, those of its blocks in turn; the name itself for what is no stage. A stage's
        children run one after the other, each on what the last one gave, and are blocks themselves. The last of
        them goes by the stage's name, as everywhere else."""
        whole = self.module.get_submodule(name)
        ran = [part for child, _ in whole.named_children() if self.runs.count(part := f"{name}.{child}") == 1]
        ran.sort(key=self.runs.index)
        blocks = [child for child in ran if any(True for _ in self.module.get_submodule(child).children())]
        others = [self.module.get_submodule(child) for child in ran if child not in blocks]
        if len(blocks) < 2 or not all(isinstance(part, nn.Identity | nn.Dropout) for part in others):
            return [name]
        value = self.into[name]
        for child in ran:
            if value is None or self.into[child] != value:
                return [name]
            value = self.out_of[child]
        if value != self.out_of[name]:
            return [name]
        inner = [part for block in blocks for part in self.parts(block)]
        return [*inner[:-1], name]

    def _enters(self, name: str) -> Callable[..., None]:
        def hook(part: nn.Module, inputs: tuple[Any, ...]) -> None:
            self.into[name] = self._place(inputs[0]) if len(inputs) == 1 else None
            if not any(True for _ in part.children()) and not isinstance(part, NEUTRAL):
                for value in inputs:
                    self._taken(value, "activation" if isinstance(part, ACTIVATIONS) else "other")

        return hook

    def _leaves(self, name: str) -> Callable[..., None]:
        def hook(_part: nn.Module, _inputs: Any, output: Any) -> None:
            self.out_of[name] = self._place(output)
            self.runs.append(name)

        return hook

    def _place(self, value: Any) -> tuple[int, int] | None:
        if not isinstance(value, Tensor):
            return None
        self.alive.append(value)
        return id(value), value._version

    def _taken(self, value: Any, kind: str) -> None:
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, Tensor):
                self.takers.setdefault(self._place(part), set()).add(kind)
