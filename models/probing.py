"""What runs inside a network, found by one forward pass: its spatial layers, the one to explain by default, a
short list to pick from.

A layer is a module. Where the tensor to explain by default is the result of a function call (`F.relu`, `+`)
that no module returns, `name_last_step` gives such steps a module: an identity behind each, called by what it
stands behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from models import rewriting
from models.spec import Layer

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus,
    nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.RReLU, nn.Softsign, nn.LogSigmoid,
)  # fmt: skip
POOLS = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.LPPool2d,
    nn.FractionalMaxPool2d,
)
NEUTRAL = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.AlphaDropout)
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
TOKENS_PER_CONVOLUTION = 4
OFFERED = 24
RECTIFIERS = {
    "relu", "relu6", "silu", "gelu", "hardswish", "mish", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "softplus", "tanh",
    "hardtanh", "clamp", "clamp_min", "clip", "maximum", "threshold",
}  # fmt: skip
SUMS = {"add", "iadd"}
JOINTS = {"cat", "concat", "concatenate"}


class Step(nn.Identity):
    """Stands behind a function call, so that the call's result is some module's output."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation


@dataclass(frozen=True)
class Event:
    """One module finishing, or a function call of it (`call`: which). Events in a row that give the very same
    tensor share its number (a layer and the function in it, a container and its last part)."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    tensor: int
    lowest: float
    call: str = ""

    @property
    def spatial(self) -> bool:
        return len(self.shape) == 4 and min(self.shape[-2:]) > 1

    @property
    def layer(self) -> Layer:
        kind = self.module.operation if isinstance(self.module, Step) else type(self.module).__name__
        return Layer(self.name, kind, (self.shape[1], self.shape[2], self.shape[3]))

    @property
    def neutral(self) -> bool:
        return isinstance(self.module, NEUTRAL) and not isinstance(self.module, Step)

    @property
    def activation(self) -> bool:
        return isinstance(self.module, (*ACTIVATIONS, Step))


@dataclass(frozen=True)
class Probe:
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
def probe(module: nn.Module, shape: tuple[int, int, int], device: torch.device) -> Probe:
    """One forward pass on seeded noise `[1, *shape]`, with hooks that are removed whatever happens."""
    events, out = _watch(module, _noise(shape, device))
    events = [event for event in events if not event.call]
    groups = _groups(_without_class_maps(_channels_first(events), events, out))
    default = _default(groups)
    found: dict[str, Layer] = {}
    for event in _channels_first(events):
        if event.spatial:
            found.pop(event.name, None)
            found[event.name] = event.layer
    return Probe(
        layers=tuple(found.values()),
        offered=_offered(groups, default),
        default=default.name if default else None,
        outputs=tuple(out.shape) if isinstance(out, Tensor) else (),
        convolutional=default is not None and _is_convolutional(events),
    )


@torch.no_grad()
def name_last_step(module: nn.Module, shape: tuple[int, int, int], device: torch.device) -> bool:
    """Where the last activation or sum before the head is a function call whose result no module returns,
    give the steps of the module that makes the call modules of their own; where its code cannot be traced,
    that call alone, counted as it runs. Changes `module` (its parts get a subclass): give it a copy.

    False where neither leaves the outputs as they were: that tensor then stays without a name.
    """
    x = _noise(shape, device)
    events, out = _watch(module, x)
    last = _default(_groups(_without_class_maps(_channels_first(events), events, out)))
    if last is None or not last.call:
        return True
    owner = module.get_submodule(last.name)
    graph = rewriting.trace(owner)
    if graph is not None:
        steps = _add_steps(owner, graph)
        rewriting.write(owner, graph)
        return _is_unchanged(module, x, out) or _taken_back(owner, owner, steps)
    number = [event for event in events if event.call].index(last)
    name = _new_name(owner, last.call)
    owner.add_module(name, Step(last.call).train(owner.training))
    _pass_through(module, f"{last.name}.{name}".lstrip("."), number)
    return _is_unchanged(module, x, out) or _taken_back(module, owner, [name])


def _is_unchanged(module: nn.Module, x: Tensor, out: Tensor) -> bool:
    try:
        return torch.equal(module(x.clone()), out)
    except Exception:  # edited code that fails is taken back
        return False


def _taken_back(edited: nn.Module, owner: nn.Module, steps: list[str]) -> bool:
    rewriting.restore(edited)
    for name in steps:
        delattr(owner, name)
    return False


def _pass_through(module: nn.Module, path: str, number: int) -> None:
    """Let the result of one call, counted in the order of running, go through the step at `path`."""
    kind = type(module)

    def forward(self: nn.Module, x: Tensor) -> Any:
        left, step = [number], self.get_submodule(path)

        def passed(output: Tensor, _call: str) -> Tensor:
            left[0] -= 1
            return step(output) if left[0] == -1 else output

        with _Calls(passed):
            return kind.forward(self, x)

    rewriting.replace_forward(module, forward)


def _new_name(owner: nn.Module, operation: str) -> str:
    name, again = operation, 1
    while hasattr(owner, name):
        name, again = f"{operation}_{again}", again + 1
    return name


def _add_steps(owner: nn.Module, graph: fx.Graph) -> list[str]:
    """Paths below `owner` of the new steps, in order of running."""
    names: list[str] = []
    for node in list(graph.nodes):
        operation = _operation(node.target) if node.op in ("call_function", "call_method") else ""
        if operation not in RECTIFIERS | SUMS | JOINTS:
            continue
        name = _new_name(owner, operation)
        owner.add_module(name, Step(operation).train(owner.training))
        with graph.inserting_after(node):
            step = graph.call_module(name, (node,))
        node.replace_all_uses_with(step, delete_user_cb=lambda user, step=step: user is not step)
        names.append(name)
    return names


def _operation(function: Any) -> str:
    """`relu` for F.relu, torch.relu_ and Tensor.relu alike."""
    return (function if isinstance(function, str) else str(getattr(function, "__name__", ""))).strip("_")


def _noise(shape: tuple[int, int, int], device: torch.device) -> Tensor:
    return torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)).to(device)


def _watch(module: nn.Module, x: Tensor) -> tuple[list[Event], Any]:
    events: list[Event] = []
    last: list[
        tuple[Tensor, int]
    ] = []  # holds the tensor, so that its memory cannot be given to another one meanwhile

    def note(name: str, part: nn.Module, output: Any, call: str = "") -> None:
        if not isinstance(output, Tensor):
            last.clear()
            return
        number = events[-1].tensor + (not last or not _is_same(output, *last[0])) if events else 0
        events.append(
            Event(
                name, part, tuple(output.shape), number, float(output.min()) if output.numel() else 0.0, call
            )
        )
        last[:] = [(output, output._version)]

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda part, _inputs, output: note(name, part, output)

    with rewriting.Owners(module) as owners:
        handles = [part.register_forward_hook(watch(name)) for name, part in module.named_modules() if name]

        def see(output: Tensor, call: str) -> Tensor:
            note(owners.path, module.get_submodule(owners.path), output, call)
            return output

        try:
            with _Calls(see):
                return events, module(x)
        finally:
            for handle in handles:
                handle.remove()


class _Calls(TorchFunctionMode):
    """Hands on the results of activations, sums and concatenations of feature maps that are function
    calls; what comes back is used."""

    def __init__(self, see: Callable[[Tensor, str], Tensor]) -> None:
        super().__init__()
        self.see = see

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = _operation(func)
        if name in RECTIFIERS | JOINTS or (name in SUMS and _is_residual(out, args)):
            return self.see(out, name)
        return out


def _is_residual(out: Any, args: tuple[Any, ...]) -> bool:
    """A sum of two maps of one shape; not a bias, which is added everywhere alike."""
    return (
        isinstance(out, Tensor)
        and len(args) > 1
        and all(isinstance(part, Tensor) and part.shape == out.shape for part in args[:2])
    )


def _is_same(output: Tensor, before: Tensor, version: int) -> bool:
    return (
        output.data_ptr() == before.data_ptr() and output.shape == before.shape and output._version == version
    )


def _channels_first(events: Sequence[Event]) -> list[Event]:
    """Events without those in channels-last layout: what a Linear or a plain LayerNorm returns with four
    sides, and its MLP."""
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
    """Without a final convolution to one map per class (SqueezeNet, NiN) and what follows it: those are
    logits, not features."""
    weighted = [e for e in all_events if isinstance(e.module, WEIGHTED)]
    if not weighted or not isinstance(out, Tensor) or out.ndim != 2:
        return events
    final = weighted[-1]
    if isinstance(final.module, nn.Linear) or not final.spatial or final.shape[1] != out.shape[1]:
        return events
    position = next((i for i, e in enumerate(events) if e is final), len(events))
    return events[:position]


def _groups(events: Sequence[Event]) -> list[list[Event]]:
    """Spatial events gathered by the tensor they return, in order; the last run of a reused module counts."""
    groups: list[list[Event]] = []
    for event in events:
        if not event.spatial:
            continue
        if groups and groups[-1][-1].tensor == event.tensor:
            groups[-1].append(event)
        else:
            groups.append([event])
    latest = {(event.name, event.call): id(event) for event in events}
    kept = [[event for event in group if latest[event.name, event.call] == id(event)] for group in groups]
    return [group for group in kept if group]


def _mixed(events: Sequence[Event]) -> set[str]:
    """Whole backbones, which name no single block: parts ending at several resolutions, or a sequence with
    a pool in its middle."""
    events = [event for event in events if not event.call]
    modules = {event.name: event.module for event in events}
    sizes: dict[str, set[tuple[int, ...]]] = {}
    for event in events:
        if any(True for _ in event.module.children()):
            sizes.setdefault(event.name.rpartition(".")[0], set()).add(event.shape[-2:])
    # a block of several branches that halves the resolution has parts at two of them
    several = {
        name
        for name, found in sizes.items()
        if len(found) > (1 if isinstance(modules.get(name), nn.Sequential) else 2)
    }
    pooled = {
        n
        for n, m in modules.items()
        if isinstance(m, nn.Sequential) and any(isinstance(part, POOLS) for part in list(m)[:-1])
    }
    return several | pooled


def _name(group: list[Event], mixed: set[str]) -> Event:
    """The name to show for a tensor: the outermost block that ends with it, no whole backbone, no dropout
    where there is another."""
    modules = [e for e in group if not e.call] or group
    plain = [e for e in modules if not e.neutral] or modules
    blocks = [e for e in plain if e.name not in mixed] or plain
    return min(blocks, key=lambda event: event.name.count("."))


def _default(groups: list[list[Event]]) -> Event | None:
    """The last tensor before the head that is not a pooled one. A pool is taken after all where the
    convolution before it was rectified by a function call that could not be given a module: only the pool's
    output holds the activated values."""
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
        keep = {round(i * (len(chosen) - 1) / (OFFERED - 1)) for i in range(OFFERED)}
        chosen = [event for i, event in enumerate(chosen) if i in keep or event == default]
    return tuple(event.layer for event in chosen)


def _is_end(event: Event, following: Event | None) -> bool:
    """An activation, or a convolution whose activation is a function call: no activation or normalisation
    module comes next."""
    if event.activation:
        return True
    if isinstance(event.module, POOLS) or following is None:
        return False
    return not following.activation and "Norm" not in type(following.module).__name__


def _is_convolutional(events: Sequence[Event]) -> bool:
    """Convolutions with feature maps are not far outnumbered by linear layers that work on tokens."""
    convolutions = sum(isinstance(e.module, nn.Conv2d) and e.spatial for e in events)
    tokens = sum(isinstance(e.module, nn.Linear) and len(e.shape) > 2 for e in events)
    return convolutions * TOKENS_PER_CONVOLUTION >= max(tokens, 1)
