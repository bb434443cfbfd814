"""Rewrites the `forward` of one module of a network in place.

Some steps of a network are function calls, which no module path names: a softmax at the end, the last ReLU.
`trace` follows one module's `forward` a single level deep (its children stay whole calls), the caller edits
that graph, and `write` gives the same object the edited code, as a subclass made for it. Weights, children,
paths and `isinstance` are unchanged. Used on our own copies of networks only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, fx, nn


class _OneLevel(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def trace(owner: nn.Module) -> fx.Graph | None:
    """The steps of `owner.forward`, its children as whole calls; None where the code branches on values."""
    try:
        return _OneLevel().trace(owner)
    except Exception:  # tracing runs the network's own code on symbols: anything may be raised
        return None


def write(owner: nn.Module, graph: fx.Graph) -> None:
    """Makes `owner` compute `graph`, whose targets are paths below `owner`."""
    graph.lint()
    replace_forward(owner, type(fx.GraphModule(owner, graph)).forward)


def replace_forward(owner: nn.Module, forward: Callable[..., Any]) -> None:
    """Replaces `owner.forward`. forward: a plain function of (self, x). `restore` undoes it."""
    kind = type(owner)
    owner.__class__ = type(
        kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__, "_rewritten": kind}
    )


def restore(owner: nn.Module) -> None:
    """Undo the latest `replace_forward`."""
    owner.__class__ = vars(type(owner))["_rewritten"]


def copy_input_first(module: nn.Module) -> None:
    """Makes a network that overwrites its input work on a copy, so that its callers' tensors stay unchanged."""
    kind = type(module)

    def forward(self: nn.Module, x: Tensor) -> Any:
        return kind.forward(self, x.clone())

    replace_forward(module, forward)


class Owners:
    """While active, `path` names the module whose `forward` is running ("" for the whole network), and
    `calls` counts the runs of each."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.stack: list[str] = []
        self.calls: dict[str, int] = {}
        self._handles: list[Any] = []

    @property
    def path(self) -> str:
        return self.stack[-1] if self.stack else ""

    def __enter__(self) -> Owners:
        for name, part in self.module.named_modules():
            self._handles.append(part.register_forward_pre_hook(self._enter(name)))
            self._handles.append(part.register_forward_hook(self._leave, always_call=True))
        return self

    def __exit__(self, *_: Any) -> None:
        for handle in self._handles:
            handle.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            self.stack.append(name)
            self.calls[name] = self.calls.get(name, 0) + 1

        return hook

    def _leave(self, *_: Any) -> None:
        self.stack.pop()
