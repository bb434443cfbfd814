"""Where a network's final linear layer is.

The **head** is the last product with a weight matrix whose result is the network's output, `y = W z + beta`, a module
or a function call alike; found by numbers, on noise. A 1 x 1 convolution before global average pooling is such a
product too: of the pooled maps. Where the pooled class maps are rectified first (SqueezeNet), no matrix leads to the
output; z is then the pooled class maps, which are the logits themselves, and W the identity: the lens reads logits off
a layer directly, with one fitted step for the last convolution and everything before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from app.core.errors import Incompatible
from backend.attribution.internals.readable import PRODUCTS
from backend.attribution.network.cache import cached
from models import rewriting
from models.events import operation_of
from models.model import Model

STRENGTHS = (1.0, 0.3, 0.6, 0.1)
"""Of the noise that the head is looked for with: as many inputs, so that a scale is told from anything else."""
CLOSE = 1e-5
"""Of a product and the output, relative to the largest number."""
CLASS_MAPS_NOTE = (
    "This network ends in a convolution to one map per class, rectified and averaged: no linear layer gives its logits. The lens "
    "therefore fits the logits themselves."
)


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


def head_of(model: Model) -> Head:
    """The final linear layer. Raises Incompatible for a network without one."""
    return cached(model, "readable", "head", lambda: _head(model))


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
    count = 1 if model.single_logit else len(model.labels)
    with rewriting.Owners(model.module) as owners:

        def see(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, number: int) -> None:
            product = _product(name, args, kwargs, out, number, owners.path, count)
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
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, number: int, owner: str, count: int
) -> _Product | None:
    """count: of the outputs. A product with another number of results is not theirs, and nothing of it is copied: the
    maps of a ResNet-50 would be 350 MB."""
    if name in ("linear", "conv2d"):
        names = ("input", "weight", "bias", "stride", "padding")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        source, weight, bias = given["input"], given["weight"], given.get("bias")
        padding = given.get("padding", 0)
        pads = padding not in (0, (0, 0), [0, 0], "valid")
        if weight.shape[0] != count or (name == "conv2d" and weight.shape[1] != source.shape[1]):
            return None
        return _Product(
            name, number, owner, source.detach().clone(), weight, bias, out.detach().clone(), pads
        )
    places = args[1:3] if name == "addmm" else args[:2]
    if len(places) < 2 or not all(isinstance(part, Tensor) for part in places) or places[1].ndim != 2:
        return None
    if places[1].shape[1] != count:
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
