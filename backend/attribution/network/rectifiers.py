"""Other rules for the backward pass through rectifiers: guided backpropagation and deconvolution.

    plain gradient        upstream * (x > 0)
    guided                relu(upstream) * (x > 0)
    deconvolved           relu(upstream)

`nn.ReLU`, `F.relu`, `Tensor.relu_` and their ReLU6 cousins all end in a few torch functions, and so do the
other ways to write them: `clamp(min=0)`, `maximum(x, 0)`, `threshold(x, 0, 0)`, `where(x > 0, x, 0)`. While
`guided()` or `deconvolved()` is active those are replaced for this thread, so no module is touched, nothing is hooked, and
shared, functional and in-place ReLUs need no rewriting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from backend.attribution.network.cache import cached
from backend.attribution.types import OK, Compatibility
from models.model import Model

RELU = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu_}
RELU6 = {F.relu6}
HARDTANH = {F.hardtanh, F.hardtanh_}
CLAMP = {
    torch.clamp,
    torch.clamp_,
    Tensor.clamp,
    Tensor.clamp_,
    torch.clip,
    torch.clip_,
    Tensor.clip,
    Tensor.clip_,
}
CLAMP_MIN = {torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_}
THRESHOLD = {F.threshold, torch.threshold, torch.threshold_}  # F.threshold_ is torch's own
MAXIMUM = {torch.maximum, Tensor.maximum, torch.max, Tensor.max, torch.fmax, Tensor.fmax}
WHERE = {torch.where, Tensor.where}
SMOOTH = {
    F.silu: "SiLU", F.gelu: "GELU", F.hardswish: "Hardswish", F.mish: "Mish", F.elu: "ELU", F.selu: "SELU", F.celu: "CELU",
    F.leaky_relu: "LeakyReLU", F.prelu: "PReLU", F.rrelu: "RReLU", F.softplus: "Softplus", F.tanh: "Tanh", torch.tanh: "Tanh",
    Tensor.tanh: "Tanh",
}  # fmt: skip
"""Smooth activations, for which neither rule is defined. Sigmoid is absent: it serves as a gate."""


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


class _Deconvolved(torch.autograd.Function):
    """clamp(x, 0, top); the gradient passes where it is positive, whether the unit is on or not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float) -> Tensor:
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        return upstream[0].clamp(min=0), None


class Rectifiers(TorchFunctionMode):
    """Inside, rectifiers follow the rule of the subclass. rectifiers: number of their calls; others: names of the
    activations that are no rectifiers."""

    rule: ClassVar[type[torch.autograd.Function]]

    def __init__(self) -> None:
        super().__init__()
        self.rectifiers = 0
        self.others: set[str] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        switch = _rectifier(func, args, kwargs)
        if switch is not None:
            self.rectifiers += 1
            return self._apply(*switch, in_place=_works_in_place(func, args, kwargs))
        if func in SMOOTH:
            self.others.add(SMOOTH[func])
        return func(*args, **kwargs)

    def _apply(self, x: Tensor, top: float, in_place: bool) -> Tensor:
        if not in_place:
            result: Tensor = self.rule.apply(x, top)
            return result
        return x.copy_(self.rule.apply(x.clone(), top))


class guided(Rectifiers):
    """Inside, the rule of guided backpropagation (Springenberg et al. 2014)."""

    rule = _Guided


class deconvolved(Rectifiers):
    """Inside, the rule of deconvolution (Zeiler and Fergus 2013)."""

    rule = _Deconvolved


def _rectifier(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Tensor, float] | None:
    """(x, top) of a call that computes clamp(x, 0, top), None for any other call. ReLU6 arrives as
    hardtanh(0, 6) in some versions of torch."""
    arguments = {**dict(zip(_ARGUMENTS.get(func, ("input",)), args, strict=False)), **kwargs}
    x: Tensor = arguments["input"] if "input" in arguments else args[0]
    if func in RELU:
        return x, float("inf")
    if func in RELU6:
        return x, 6.0
    if func in HARDTANH and _is_zero(arguments.get("min_val", -1.0)):
        return x, float(arguments.get("max_val", 1.0))
    if func in CLAMP | CLAMP_MIN and _is_zero(arguments.get("min")):
        top = arguments.get("max")
        return (
            (x, float("inf") if top is None else float(top))
            if top is None or isinstance(top, int | float)
            else None
        )
    if func in THRESHOLD and _is_zero(arguments["threshold"]) and _is_zero(arguments["value"]):
        return x, float("inf")
    if func in MAXIMUM:
        return _of_two(x, arguments.get("other"))
    if func in WHERE and len(args) == 3:
        return _where(*args)
    return None


_ARGUMENTS: dict[Any, tuple[str, ...]] = {
    **dict.fromkeys(HARDTANH, ("input", "min_val", "max_val")), **dict.fromkeys(CLAMP, ("input", "min", "max")),
    **dict.fromkeys(CLAMP_MIN, ("input", "min")), **dict.fromkeys(THRESHOLD, ("input", "threshold", "value")),
    **dict.fromkeys(MAXIMUM, ("input", "other")),
}  # fmt: skip


def _is_zero(value: Any) -> bool:
    """The number 0, or a constant tensor of nothing else."""
    if isinstance(value, Tensor):
        return not value.requires_grad and value.numel() > 0 and not bool(value.any())
    return isinstance(value, int | float) and value == 0


def _of_two(left: Tensor, right: Any) -> tuple[Tensor, float] | None:
    """max(x, 0) with its arguments in either order."""
    if not isinstance(right, Tensor):
        return None
    shape = torch.broadcast_shapes(left.shape, right.shape)
    for x, floor in ((left, right), (right, left)):
        if x.shape == shape and x.is_floating_point() and _is_zero(floor):
            return x, float("inf")
    return None


def _where(condition: Any, x: Any, otherwise: Any) -> tuple[Tensor, float] | None:
    """where(x > 0, x, 0)."""
    if (
        not isinstance(condition, Tensor)
        or not isinstance(x, Tensor)
        or condition.shape != x.shape
        or not _is_zero(otherwise)
    ):
        return None
    return (x, float("inf")) if torch.equal(condition, x > 0) or torch.equal(condition, x >= 0) else None


def _works_in_place(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    name = getattr(func, "__name__", "")
    if name.endswith("_") and not name.endswith("__"):
        return True
    position = 3 if func in HARDTANH | THRESHOLD else 1
    flag = kwargs.get("inplace", args[position] if len(args) > position else False)
    return flag is True


def verdict(model: Model, method: str = "Guided backpropagation") -> Compatibility:
    """Whether every activation of the network is a rectifier, found by one pass on a blank input. method: its
    name in the refusal."""
    recorded = cached(model, "rectifiers", None, lambda: _trial_pass(model))
    if recorded.others:
        lack = f"uses {', '.join(sorted(recorded.others))}"
    elif not recorded.rectifiers:
        lack = "has no ReLU"
    else:
        return OK
    return Compatibility(
        False,
        f"{method} is defined for ReLU networks; this one {lack}. Use SmoothGrad or integrated gradients.",
    )


def _trial_pass(model: Model) -> Rectifiers:
    with torch.no_grad(), guided() as recorded:
        model.module(torch.zeros(1, *model.input.shape, device=model.device))
    return recorded
