"""The structure of a network, found by one forward pass: its spatial layers, the default one, a short list to
pick from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.events import ACTIVATIONS, NEUTRAL, Event, record_events, trial_noise
from models.spec import Layer

POOLS = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.LPPool2d,
    nn.FractionalMaxPool2d,
)
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
TOKENS_PER_CONVOLUTION = 4
OFFERED = 24


@dataclass(frozen=True)
class Structure:
    """layers: every module with a spatial output, in order of its last run. offered: ends of blocks and
    activations, for a picker.

    default: the last convolutional block after its activation, None for a network without one. convolutional:
    whether feature maps carry the network (a vision transformer's single patch embedding does not).
    """

    layers: tuple[Layer, ...]
    offered: tuple[Layer, ...]
    default: str | None
    outputs: tuple[int, ...]
    convolutional: bool


@torch.no_grad()
def structure_of(module: nn.Module, shape: tuple[int, int, int], device: torch.device) -> Structure:
    """One forward pass on seeded noise `[1, *shape]`, with hooks that are removed whatever happens."""
    events, out = record_events(module, trial_noise(shape, device))
    events = [event for event in events if not event.call]
    groups = _groups(_without_class_maps(_channels_first(events), events, out))
    default = _default(groups)
    layers: dict[str, Layer] = {}
    for event in _channels_first(events):
        if event.spatial:
            layers.pop(event.name, None)
            layers[event.name] = event.layer
    return Structure(
        layers=tuple(layers.values()),
        offered=_offered(groups, default),
        default=default.name if default else None,
        outputs=tuple(out.shape) if isinstance(out, Tensor) else (),
        convolutional=default is not None and is_convolutional(events),
    )


def default_event(events: Sequence[Event], out: Any) -> Event | None:
    """The event whose tensor is explained by default, None for a network without feature maps. out: the
    network's output."""
    return _default(_groups(_without_class_maps(_channels_first(events), events, out)))


def _channels_first(events: Sequence[Event]) -> list[Event]:
    """Events in channels-first layout: without four-dimensional outputs of a Linear or a plain LayerNorm, and
    without the MLP around them."""
    tails = {
        e.name for e in events if len(e.shape) == 4 and (isinstance(e.module, nn.Linear) or _is_last_norm(e))
    }
    mlps = {
        e.name.rpartition(".")[0] for e in events if e.name in tails and isinstance(e.module, nn.Linear)
    } - {""}
    drop = tails | mlps
    return [e for e in events if e.name not in drop and e.name.rpartition(".")[0] not in mlps]


def _is_last_norm(event: Event) -> bool:
    module = event.module
    if not isinstance(module, nn.LayerNorm):
        return False
    size = module.normalized_shape[-1]
    return event.shape[-1] == size and event.shape[1] != size


def _without_class_maps(events: list[Event], all_events: Sequence[Event], out: Any) -> list[Event]:
    """Events before a final convolution to one map per class (SqueezeNet, NiN), whose maps are logits, not
    features."""
    weighted = [e for e in all_events if isinstance(e.module, WEIGHTED)]
    if not weighted or not isinstance(out, Tensor) or out.ndim != 2:
        return events
    final = weighted[-1]
    if isinstance(final.module, nn.Linear) or not final.spatial or final.shape[1] != out.shape[1]:
        return events
    position = next((i for i, e in enumerate(events) if e is final), len(events))
    return events[:position]


def _groups(events: Sequence[Event]) -> list[list[Event]]:
    """Spatial events grouped by the tensor they return, in order; of a reused module only the last run."""
    groups: list[list[Event]] = []
    for event in events:
        if not event.spatial:
            continue
        if groups and groups[-1][-1].tensor == event.tensor:
            groups[-1].append(event)
        else:
            groups.append([event])
    latest = {(event.name, event.call): id(event) for event in events}
    latest_runs = [
        [event for event in group if latest[event.name, event.call] == id(event)] for group in groups
    ]
    return [group for group in latest_runs if group]


def _mixed(events: Sequence[Event]) -> set[str]:
    """Names of whole backbones, which are no single block: their parts end at several resolutions, or they are a
    sequence with a pool in its middle, or one that rectifies more than once."""
    events = [event for event in events if not event.call]
    modules = {event.name: event.module for event in events}
    sizes: dict[str, set[tuple[int, ...]]] = {}
    for event in events:
        if any(True for _ in event.module.children()):
            sizes.setdefault(event.name.rpartition(".")[0], set()).add(event.shape[-2:])
    # a block of several branches that halves the resolution has parts at two of them
    several = {
        name
        for name, resolutions in sizes.items()
        if len(resolutions) > (1 if isinstance(modules.get(name), nn.Sequential) else 2)
    }
    pooled = {
        n
        for n, m in modules.items()
        if isinstance(m, nn.Sequential) and any(isinstance(part, POOLS) for part in list(m)[:-1])
    }
    return several | pooled | {n for n, m in modules.items() if isinstance(m, nn.Sequential) and _is_chain(m)}


def _is_chain(sequence: nn.Sequential) -> bool:
    """Whether it rectifies more than once and hands on what is rectified, so that each activation is a layer of its own. A
    sequence that ends before its activation is the side of a residual sum."""
    parts = [part for part in sequence if not isinstance(part, NEUTRAL + POOLS)]
    blocks = [any(True for _ in part.children()) for part in parts]
    own = [isinstance(part, ACTIVATIONS) for part in parts]
    return any(own) and (own[-1] or blocks[-1]) and sum(own) + sum(blocks) > 1


def _name(group: list[Event], mixed: set[str]) -> Event:
    """The event that names a tensor: the outermost block that ends with it, but no whole backbone, and no
    dropout if there is another."""
    modules = [e for e in group if not e.call] or group
    plain = [e for e in modules if not e.neutral] or modules
    blocks = [e for e in plain if e.name not in mixed] or plain
    return min(blocks, key=lambda event: event.name.count("."))


def _default(groups: list[list[Event]]) -> Event | None:
    """The last tensor before the head that is not pooled. Exception: where the convolution before a pool is
    rectified by a function call without a module, only the pool's output holds the activated values."""
    mixed = _mixed([event for group in groups for event in group])
    for i in range(len(groups) - 1, -1, -1):
        chosen = _name(groups[i], mixed)
        if not any(isinstance(event.module, POOLS) for event in groups[i]):
            after = groups[i + 1] if i + 1 < len(groups) else None
            return _name(after, mixed) if after and chosen.lowest < 0 <= after[0].lowest else chosen
    return None


def _offered(groups: list[list[Event]], default: Event | None) -> tuple[Layer, ...]:
    """Ends of blocks and activations, in order: no convolution or normalisation whose activation is a
    module of its own."""
    mixed = _mixed([event for group in groups for event in group])
    named = [
        event for event in (_name(group, mixed) for group in groups) if not event.neutral or event is default
    ]
    blocks = {
        event.name for group in groups for event in group if any(True for _ in event.module.children())
    } - mixed
    chosen = [
        event
        for i, event in enumerate(named)
        if event == default
        or (
            not any(event.name.startswith(f"{block}.") for block in blocks)
            and (event.name in blocks or _is_end(event, named[i + 1] if i + 1 < len(named) else None))
        )
    ]
    if len(chosen) > OFFERED:
        positions = {round(i * (len(chosen) - 1) / (OFFERED - 1)) for i in range(OFFERED)}
        chosen = [event for i, event in enumerate(chosen) if i in positions or event == default]
    return tuple(event.layer for event in chosen)


def _is_end(event: Event, following: Event | None) -> bool:
    """An activation, or a convolution whose activation is a function call: no activation or normalisation
    module comes next."""
    if event.activation:
        return True
    if isinstance(event.module, POOLS) or following is None:
        return False
    return not following.activation and "Norm" not in type(following.module).__name__


def is_convolutional(events: Sequence[Event]) -> bool:
    """Whether linear layers on tokens do not far outnumber the convolutions with feature maps."""
    convolutions = sum(isinstance(e.module, nn.Conv2d) and e.spatial for e in events)
    tokens = sum(isinstance(e.module, nn.Linear) and len(e.shape) > 2 for e in events)
    return convolutions * TOKENS_PER_CONVOLUTION >= max(tokens, 1)
