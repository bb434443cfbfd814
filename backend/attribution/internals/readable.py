"""Which layers of a network are read, in depth order, and where its final linear layer is.

Read are the feature maps that the network hands on: after an activation, a residual sum or a concatenation, never a
bare convolution inside a block. They are the ends of blocks and the activations that the layer picker offers, with
stages taken apart into their blocks. What has no name of its own (an activation that is a shared module's earlier
run, or a function call in code that cannot be traced) cannot be asked for: the layer before it is listed with the reason.

The **head** is the last product with a weight matrix whose result is the network's output, `y = W z + beta`, a module
or a function call alike; found by numbers, on noise. A 1 x 1 convolution before global average pooling is such a
product too: of the pooled maps. Where the pooled class maps are rectified first (SqueezeNet), no matrix leads to the
output; z is then the pooled class maps, which are the logits themselves, and W the identity: the lens reads logits off
a layer directly, with one fitted step for the last convolution and everything before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from app.core.errors import Incompatible
from backend.attribution.network.cache import cached
from models import rewriting
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
STRENGTHS = (1.0, 0.3, 0.6, 0.1)
"""Of the noise that the head is looked for with: as many inputs, so that a scale is told from anything else."""
CLOSE = 1e-5
"""Of a product and the output, relative to the largest number."""
BEFORE = "Only the numbers before the activation have a name here; the activated maps, which the network hands on, have none."
BRANCH = "This is one side of a sum; the sum, which the network hands on, has no name here."
UNUSED = "The answer does not depend on it."
VECTOR = "It is a vector without places: nothing to draw. It comes after the last feature maps."
CLASS_MAPS_NOTE = (
    "This network ends in a convolution to one map per class, rectified and averaged: no linear layer gives its logits. The lens "
    "therefore fits the logits themselves."
)


@dataclass(frozen=True)
class Read:
    """A layer of the list. reason: why it cannot be read; None for one that is."""

    layer: Layer
    reason: str | None = None

    @property
    def name(self) -> str:
        return self.layer.name


@dataclass(frozen=True, eq=False)
class Head:
    """`outputs = z weight^T + bias`. name: path of the module, or the function's. weight: float64 `[K, D]`; bias:
    float64 `[K]`, for the module's raw outputs. z_of: from what goes into the product to z `[N, D]`. number: of the product
    in the order of running, None where z is the outputs themselves. argument: which of its arguments z is. note: what
    is special, in words."""

    name: str
    weight: Tensor
    bias: Tensor
    z_of: Callable[[Tensor], Tensor]
    number: int | None
    argument: int = 0
    note: str | None = None

    def for_classes(self, single_logit: bool) -> tuple[Tensor, Tensor]:
        """W `[classes, D]` and beta `[classes]` for `Model.logits`: a single logit y becomes (-y/2, y/2)."""
        if not single_logit:
            return self.weight, self.bias
        return torch.cat([-self.weight, self.weight]) / 2, torch.cat([-self.bias, self.bias]) / 2


def readable_layers(model: Model) -> list[Read]:
    """In depth order; the unreadable ones too, with their reasons. Raises Incompatible where there is none to read."""
    return cached(model, "readable", "layers", lambda: _layers(model))


def head_of(model: Model) -> Head:
    """The final linear layer. Raises Incompatible for a network without one."""
    return cached(model, "readable", "head", lambda: _head(model))


# Layers


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


# The head


@dataclass(frozen=True, eq=False)
class _Product:
    """operation, number: of the call in the order of running. value: its result."""

    operation: str
    number: int
    owner: str
    source: Tensor
    weight: Tensor
    bias: Tensor | None
    value: Tensor
    pads: bool = False


class Products(TorchFunctionMode):
    """Inside, `see` receives every product with a weight matrix: (operation, args, kwargs, result, its number)."""

    def __init__(self, see: Callable[[str, tuple[Any, ...], dict[str, Any], Any, int], None]) -> None:
        super().__init__()
        self.see, self.number = see, 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = operation_of(func)
        if name in PRODUCTS:
            self.see(name, args, kwargs or {}, out, self.number)
            self.number += 1
        return out


@torch.no_grad()
def _head(model: Model) -> Head:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(len(STRENGTHS), *model.input.shape, generator=generator)
    x = (noise * torch.tensor(STRENGTHS).view(-1, 1, 1, 1)).to(model.device)
    products: list[_Product] = []
    with rewriting.Owners(model.module) as owners:

        def see(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, number: int) -> None:
            product = _product(name, args, kwargs, out, number, owners.path)
            if product is not None:
                products.append(product)

        with Products(see):
            outputs = model.module(x.clone())
    for scaled in (False, True):
        for product in reversed(products):
            head = _linear(product, outputs, scaled)
            if head is not None:
                return head
    if any(_pooled_class_maps(product, outputs) for product in products):
        size = outputs.shape[1]
        eye = torch.eye(size, dtype=torch.float64, device=outputs.device)
        return Head("head", eye, torch.zeros(size).to(eye), lambda z: z, None, note=CLASS_MAPS_NOTE)
    raise no_linear_head()


def no_linear_head() -> Incompatible:
    return Incompatible(
        "This network's answer is not a linear layer's (nor the mean of a map per class), so no layer's maps can be read as an answer; "
        "its maps, filters and examples can still be looked at.",
        code="no_linear_head",
        field="model",
    )


def _product(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, number: int, owner: str
) -> _Product | None:
    if name in ("linear", "conv2d"):
        names = ("input", "weight", "bias", "stride", "padding")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        source, weight, bias = given["input"], given["weight"], given.get("bias")
        padding = given.get("padding", 0)
        pads = padding not in (0, (0, 0), [0, 0], "valid")
        if name == "conv2d" and weight.shape[1] != source.shape[1]:
            return None
        return _Product(
            name, number, owner, source.detach().clone(), weight, bias, out.detach().clone(), pads
        )
    places = args[1:3] if name == "addmm" else args[:2]
    if len(places) < 2 or not all(isinstance(part, Tensor) for part in places) or places[1].ndim != 2:
        return None
    source, weight = places
    bias = args[0] if name == "addmm" and not kwargs else None
    if name == "addmm" and bias is None:
        return None
    return _Product(name, number, owner, source.detach().clone(), weight.T, bias, out.detach().clone())


def _linear(product: _Product, outputs: Tensor, scaled: bool) -> Head | None:
    """The head where this product's result is the output, but for a bias added later; scaled: and for a number that it
    is multiplied by."""
    z_of = _source_of(product)
    if z_of is None or product.weight.shape[0] != outputs.shape[1]:
        return None
    z, weight = z_of(product.source), product.weight.detach().flatten(1).double()
    if z.ndim != 2 or z.shape != (len(outputs), weight.shape[1]):
        return None
    if scaled:  # by one number, as in a cosine classifier
        changes, wanted = (part - part.mean(0) for part in (z.double() @ weight.T, outputs.double()))
        weight = weight * float((changes * wanted).sum() / changes.square().sum().clamp_min(1e-30))
    difference = outputs.double() - z.double() @ weight.T
    bias = difference.mean(0)
    if not _is_small(difference - bias, outputs):
        return None
    known = None if scaled or product.bias is None else product.bias.detach().double().expand_as(bias)
    if known is not None and not _is_small(known - bias, outputs):
        return None
    exact = bias if known is None else known
    argument = 1 if product.operation == "addmm" else 0
    return Head(product.owner or "head", weight, exact.clone(), z_of, product.number, argument)


def _is_small(difference: Tensor, outputs: Tensor) -> bool:
    return bool(difference.abs().max() <= CLOSE * outputs.abs().max().clamp_min(1e-3))


def _source_of(product: _Product) -> Callable[[Tensor], Tensor] | None:
    """From what went into the product to z `[N, D]`; None for one that is no matrix on a vector."""
    if product.operation != "conv2d":
        return (lambda source: source) if product.source.ndim == 2 else _mean_over_places
    kernel, places = product.weight.shape[2:], product.value.shape[2:]
    if product.pads:
        return None
    if tuple(places) == (1, 1) and tuple(kernel) == tuple(product.source.shape[2:]):
        return lambda source: source.flatten(1)
    if tuple(kernel) == (1, 1) and tuple(places) == tuple(product.source.shape[2:]):
        return lambda source: source.mean((2, 3))
    return None


def _mean_over_places(source: Tensor) -> Tensor:
    """`[N, ..., D]`: a linear layer at every place, its results averaged."""
    return source.flatten(1, -2).mean(1)


def _pooled_class_maps(product: _Product, outputs: Tensor) -> bool:
    """Whether the outputs are the means of this convolution's maps, rectified or not."""
    maps = product.value
    if maps.ndim != 4 or maps.shape[:2] != outputs.shape:
        return False
    return any(
        _is_small(act(maps).double().mean((2, 3)) - outputs.double(), outputs)
        for act in (lambda value: value, F.relu, F.relu6, F.silu, F.leaky_relu, F.gelu, F.elu)
    )
