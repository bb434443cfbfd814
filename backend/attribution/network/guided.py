"""Guided backpropagation: on the way back a ReLU passes only what is positive.

`nn.ReLU`, `F.relu`, `Tensor.relu_` and their ReLU6 cousins all end in a few torch functions. While `guided()` is active those are
replaced for this thread, so no module is touched, nothing is hooked, and shared, functional and in-place ReLUs need no rewriting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from backend.attribution.network.kept import keep
from backend.attribution.types import OK, Compatibility
from models.model import Model

RELU = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu_}
RELU6 = {F.relu6}
HARDTANH = {F.hardtanh, F.hardtanh_}
SMOOTH = {
    F.silu: "SiLU", F.gelu: "GELU", F.hardswish: "Hardswish", F.mish: "Mish", F.elu: "ELU", F.selu: "SELU", F.celu: "CELU",
    F.leaky_relu: "LeakyReLU", F.prelu: "PReLU", F.rrelu: "RReLU", F.softplus: "Softplus", F.tanh: "Tanh", torch.tanh: "Tanh",
    Tensor.tanh: "Tanh",
}  # fmt: skip
"""Activations that are not switches: the guided rule has no meaning for them. Sigmoid is left out, it serves as a gate."""


class _Guided(torch.autograd.Function):
    """clamp(x, 0, top); the gradient passes where the unit is on and the gradient positive."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < top))
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        (on,) = ctx.saved_tensors
        return upstream[0].clamp(min=0) * on, None


class guided(TorchFunctionMode):
    """Within it, rectifiers follow the guided rule. `rectifiers` counts them, `others` names what is no rectifier."""

    def __init__(self) -> None:
        super().__init__()
        self.rectifiers = 0
        self.others: set[str] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        top = _top(func, args, kwargs)
        if top is not None:
            self.rectifiers += 1
            x: Tensor = args[0] if args else kwargs["input"]
            return _apply(x, top, in_place=_works_in_place(func, args, kwargs))
        if func in SMOOTH:
            self.others.add(SMOOTH[func])
        return func(*args, **kwargs)


def _apply(x: Tensor, top: float, in_place: bool) -> Tensor:
    if not in_place:
        return _Guided.apply(x, top)
    return x.copy_(_Guided.apply(x.clone(), top))


def _top(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
    """Upper end of the rectifier, None for any other function. ReLU6 arrives as hardtanh(0, 6) in some versions of torch."""
    if func in RELU:
        return float("inf")
    if func in RELU6:
        return 6.0
    if func in HARDTANH:
        low, high = (*args[1:3], *[kwargs[name] for name in ("min_val", "max_val") if name in kwargs])[:2] or (-1.0, 1.0)
        return float(high) if low == 0 else None
    return None


def _works_in_place(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if getattr(func, "__name__", "").endswith("_"):
        return True
    position = 3 if func in HARDTANH else 1
    return bool(kwargs.get("inplace", args[position] if len(args) > position else False))


def guided_gradient(model: Model, x: Tensor, target: int) -> Tensor:
    """The guided gradient of the logit to the input, `[1, C, H, W]`."""
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_(True)
        with guided():
            score = model.select(model.module(leaf.clone()), target).sum()
        return torch.autograd.grad(score, leaf)[0]


def verdict(model: Model) -> Compatibility:
    """Whether every activation of the network is a rectifier, found by one pass on a blank input."""
    return keep(model, "guided verdict", None, lambda: _judge(_watched(model)))


def _watched(model: Model) -> guided:
    with torch.no_grad(), guided() as seen:
        model.module(torch.zeros(1, *model.input.shape, device=model.device))
    return seen


def _judge(seen: guided) -> Compatibility:
    if seen.others:
        names = ", ".join(sorted(seen.others))
        return Compatibility(
            False, f"Guided backpropagation is defined for ReLU networks; this one uses {names}. Use SmoothGrad or integrated gradients."
        )
    if not seen.rectifiers:
        return Compatibility(
            False, "Guided backpropagation is defined for ReLU networks; this one has no ReLU. Use SmoothGrad or integrated gradients."
        )
    return OK
