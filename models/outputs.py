"""The kind of a network's outputs. Maps explain logits, so a final softmax, log-softmax or sigmoid is detected
in trial passes and removed.

    softmax      every number in [0, 1], each row sums to 1     probabilities softmax(z)
    log-softmax  log sum exp = 0 in each row                    probabilities softmax(z)
    sigmoid      every number in [0, 1], by a sigmoid           probabilities sigmoid(z), each class for itself

Rows that sum to 1 prove a softmax; numbers between 0 and 1 prove nothing, so a sigmoid must be observed as it
runs. The step itself is removed, wherever its call is: a layer becomes an identity, a function call is cut out
of its module's `forward`, and in code that cannot be traced the call is skipped at run time. Without such a
step (a softmax written out by hand) the outputs' logarithm is explained: the logit up to a constant that is
the same for all classes. A sigmoid before a clamp is inverted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from models import rewriting

Kind = Literal["softmax", "log_softmax", "sigmoid"]

MODULES: dict[type[nn.Module], Kind] = {
    nn.Softmax: "softmax", nn.Softmax2d: "softmax", nn.LogSoftmax: "log_softmax", nn.Sigmoid: "sigmoid",
}  # fmt: skip
FUNCTIONS: dict[Any, Kind] = {
    F.softmax: "softmax", torch.softmax: "softmax", Tensor.softmax: "softmax", torch.special.softmax: "softmax",
    F.log_softmax: "log_softmax", torch.log_softmax: "log_softmax", Tensor.log_softmax: "log_softmax",
    torch.special.log_softmax: "log_softmax", F.sigmoid: "sigmoid", torch.sigmoid: "sigmoid", Tensor.sigmoid: "sigmoid",
    torch.sigmoid_: "sigmoid", Tensor.sigmoid_: "sigmoid", torch.special.expit: "sigmoid",
}  # fmt: skip
METHODS = {"softmax", "log_softmax", "sigmoid", "sigmoid_"}
VIEWS = {"flatten", "squeeze", "view", "reshape", "contiguous", "unsqueeze", "float", "getitem"}
"""Operations allowed between the last step and the output."""
CLOSE = 1e-4
"""Tolerance of sums of probabilities, and of probabilities before and after the removal."""
SENTENCES: dict[Kind, str] = {
    "softmax": "The network ends in a softmax",
    "log_softmax": "The network ends in a log-softmax",
    "sigmoid": "The network ends in a sigmoid",
}


@dataclass(frozen=True)
class Ending:
    """The removed step. exact: the step itself was removed; otherwise the logarithm of its outputs serves as
    logits."""

    kind: Kind
    exact: bool

    @property
    def note(self) -> str:
        """For the model's card."""
        if self.exact:
            return (
                f"{SENTENCES[self.kind]}: probabilities are its own, and maps explain the logits before it."
            )
        return f"{SENTENCES[self.kind]} that could not be taken off: probabilities are its own, and maps explain their logarithm."


@dataclass(frozen=True)
class _LastStep:
    """The last squashing call (softmax, sigmoid) of a pass. owners: paths of the modules that were running,
    outermost first; number: of the call, from 0; output: its result."""

    kind: Kind
    owners: tuple[str, ...]
    number: int
    output: Tensor


class _Recorder(TorchFunctionMode):
    def __init__(self, owners: rewriting.Owners) -> None:
        super().__init__()
        self.owners, self.number = owners, 0
        self.last: _LastStep | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in FUNCTIONS:
            self.last = _LastStep(FUNCTIONS[func], tuple(self.owners.stack), self.number, out)
            self.number += 1
        return out


class _Skip(TorchFunctionMode):
    """Inside, the squashing call of this number returns its input."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in FUNCTIONS:
            self.left -= 1
            if self.left == -1:
                return args[0] if args else (kwargs or {})["input"]
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def remove_ending(module: nn.Module, trials: Sequence[Tensor]) -> Ending | None:
    """Edits `module` so that it returns logits; None if it does already. trials: several different inputs,
    `[1, C, H, W]` each.

    Pass a copy: the edit replaces its last layer, or the class of one of its parts.
    """
    before = [module(trial.clone()) for trial in trials[:-1]]
    with rewriting.Owners(module) as owners, _Recorder(owners) as recorder:
        out = module(trials[-1].clone())
    outs = torch.cat([*before, out])
    step = recorder.last if recorder.last is not None and _is_result(recorder.last.output, out) else None
    kind = step.kind if step and step.kind == "sigmoid" else _kind(outs)
    if kind is None:
        return None
    for cut in (_by_identity, _by_trace, _by_skipping):
        if step is None or step.kind != kind:
            break
        undo = cut(module, step, owners.calls)
        if undo is None:
            continue
        if _gives_same(module, trials, outs, kind):
            return Ending(kind, exact=True)
        undo()
    if kind != "log_softmax":
        _by_inverse(module, torch.logit if kind == "sigmoid" else torch.log)
    return Ending(kind, exact=kind == "sigmoid")


def squash(logits: Tensor, kind: Kind) -> Tensor:
    """Probabilities, or their logarithm for log-softmax, from logits `[N, K]`."""
    return (
        torch.sigmoid(logits)
        if kind == "sigmoid"
        else (F.log_softmax if kind == "log_softmax" else F.softmax)(logits, dim=1)
    )


def _kind(out: Tensor) -> Kind | None:
    """The kind that the numbers `[N, K]` themselves prove, None if they prove none."""
    if out.shape[1] < 2:
        return None
    ones = torch.ones(len(out), device=out.device)
    if bool((out >= 0).all()) and torch.allclose(out.sum(1), ones, atol=CLOSE):
        return "softmax"
    if bool((out <= 0).all()) and torch.allclose(out.exp().sum(1), ones, atol=CLOSE):
        return "log_softmax"
    return None


def _is_result(squashed: Tensor, out: Tensor) -> bool:
    """The very numbers, or a copy that a clamp or a product with 1 left as it was."""
    return squashed.numel() == out.numel() and torch.allclose(squashed.flatten(), out.flatten(), atol=CLOSE)


def _gives_same(module: nn.Module, trials: Sequence[Tensor], outs: Tensor, kind: Kind) -> bool:
    try:
        logits = torch.cat([module(trial.clone()) for trial in trials])
    except Exception:  # edited code that fails is taken back
        return False
    return logits.shape == outs.shape and torch.allclose(squash(logits, kind), outs, atol=CLOSE)


def _by_identity(module: nn.Module, step: _LastStep, calls: dict[str, int]) -> Callable[[], None] | None:
    """Replaces the step by an identity where it is a layer of its own that runs once. Returns the undo."""
    path = step.owners[-1]
    layer = module.get_submodule(path)
    if type(layer) not in MODULES or not path or calls[path] != 1:
        return None
    module.set_submodule(path, nn.Identity().train(layer.training))
    return lambda: module.set_submodule(path, layer)


def _by_trace(module: nn.Module, step: _LastStep, calls: dict[str, int]) -> Callable[[], None] | None:
    """Cuts the step out of its module's `forward`: a function call, or a layer that runs elsewhere too. Returns
    the undo."""
    path = step.owners[-1]
    if type(module.get_submodule(path)) in MODULES:
        path = step.owners[-2]
    owner = module.get_submodule(path)
    graph = rewriting.trace(owner)
    node = _last_step(owner, graph) if graph is not None else None
    if graph is None or node is None:
        return None
    node.replace_all_uses_with(node.all_input_nodes[0])
    graph.erase_node(node)
    rewriting.write(owner, graph)
    return lambda: rewriting.restore(owner)


def _last_step(owner: nn.Module, graph: fx.Graph) -> fx.Node | None:
    node = next(node for node in graph.nodes if node.op == "output").args[0]
    while isinstance(node, fx.Node):
        name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
        if node.op == "call_module" and type(owner.get_submodule(str(node.target))) in MODULES:
            return node
        if (node.op == "call_function" and node.target in FUNCTIONS) or (
            node.op == "call_method" and name in METHODS
        ):
            return node
        if name not in VIEWS and not (
            node.op == "call_module" and _is_view(owner.get_submodule(str(node.target)))
        ):
            return None
        node = node.all_input_nodes[0] if node.all_input_nodes else None
    return None


def _is_view(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Flatten | nn.Identity | nn.Unflatten | nn.Dropout)


def _by_skipping(module: nn.Module, step: _LastStep, calls: dict[str, int]) -> Callable[[], None]:
    kind, number = type(module), step.number

    def forward(self: nn.Module, x: Tensor) -> Any:
        with _Skip(number):
            return kind.forward(self, x)

    rewriting.replace_forward(module, forward)
    return lambda: rewriting.restore(module)


def _by_inverse(module: nn.Module, inverse: Callable[[Tensor], Tensor]) -> None:
    """Probabilities of 0 and 1, which have no logit, count as the nearest numbers that do."""
    kind, numbers = type(module), torch.finfo(torch.float32)

    def forward(self: nn.Module, x: Tensor) -> Any:
        return inverse(torch.clamp(kind.forward(self, x), numbers.tiny, 1 - numbers.eps / 2))

    rewriting.replace_forward(module, forward)
