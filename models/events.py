"""Events of one forward pass: each module that returns, and each function call of an activation, a sum or a
concatenation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from models import rewriting
from models.spec import Layer

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus,
    nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.RReLU, nn.Softsign, nn.LogSigmoid,
)  # fmt: skip
NEUTRAL = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.AlphaDropout)
RECTIFIERS = {
    "relu", "relu6", "silu", "gelu", "hardswish", "mish", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "softplus", "tanh",
    "hardtanh", "clamp", "clamp_min", "clip", "maximum", "threshold",
}  # fmt: skip
SUMS = {"add", "iadd"}
JOINTS = {"cat", "concat", "concatenate"}


class Step(nn.Identity):
    """An identity behind a function call, which makes the call's result the output of a module."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation


@dataclass(frozen=True)
class Event:
    """One module's return, or a function call in its `forward` (`call`: the operation's name). Consecutive
    events that return the very same tensor share the number `tensor` (a layer and the function in it, a
    container and its last part). lowest: the tensor's minimum."""

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


def trial_noise(shape: tuple[int, int, int], device: torch.device) -> Tensor:
    return torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)).to(device)


def record_events(module: nn.Module, x: Tensor) -> tuple[list[Event], Any]:
    events: list[Event] = []
    last: list[
        tuple[Tensor, int]
    ] = []  # holds the tensor, so that its memory cannot be given to another one meanwhile

    def record(name: str, part: nn.Module, output: Any, call: str = "") -> None:
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

    def module_hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda part, _inputs, output: record(name, part, output)

    with rewriting.Owners(module) as owners:
        handles = [
            part.register_forward_hook(module_hook(name)) for name, part in module.named_modules() if name
        ]

        def call_hook(output: Tensor, call: str) -> Tensor:
            record(owners.path, module.get_submodule(owners.path), output, call)
            return output

        try:
            with FunctionCalls(call_hook):
                return events, module(x)
        finally:
            for handle in handles:
                handle.remove()


class FunctionCalls(TorchFunctionMode):
    """Inside, `see(output, operation)` receives the result of every activation, sum and concatenation of feature
    maps that is a function call; its return value replaces the result."""

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
        name = operation_of(func)
        if name in RECTIFIERS | JOINTS or (name in SUMS and _is_residual(out, args)):
            return self.see(out, name)
        return out


def operation_of(function: Any) -> str:
    """`relu` for F.relu, torch.relu_ and Tensor.relu alike."""
    return (function if isinstance(function, str) else str(getattr(function, "__name__", ""))).strip("_")


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
