"""Gives the last activation or sum before the head a module, where it is a function call that no path names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from models import rewriting
from models.events import (
    JOINTS,
    RECTIFIERS,
    SUMS,
    FunctionCalls,
    Step,
    operation_of,
    record_events,
    trial_noise,
)
from models.structure import default_event


@torch.no_grad()
def name_last_step(module: nn.Module, shape: tuple[int, int, int], device: torch.device) -> bool:
    """Where the last activation or sum before the head is a function call whose result no module returns, adds a
    `Step` behind each such call of the calling module; where its code cannot be traced, behind that call alone,
    identified by its number in the order of running. Pass a copy: the edit gives its parts a subclass.

    Returns False where neither leaves the outputs unchanged; that tensor then has no name.
    """
    x = trial_noise(shape, device)
    events, out = record_events(module, x)
    last = default_event(events, out)
    if last is None or not last.call:
        return True
    owner = module.get_submodule(last.name)
    graph = rewriting.trace(owner)
    if graph is not None:
        steps = _add_steps(owner, graph)
        rewriting.write(owner, graph)
        return _is_unchanged(module, x, out) or _undone(owner, owner, steps)
    number = [event for event in events if event.call].index(last)
    name = _new_name(owner, last.call)
    owner.add_module(name, Step(last.call).train(owner.training))
    _pass_through(module, f"{last.name}.{name}".lstrip("."), number)
    return _is_unchanged(module, x, out) or _undone(module, owner, [name])


def _is_unchanged(module: nn.Module, x: Tensor, out: Tensor) -> bool:
    try:
        return torch.equal(module(x.clone()), out)
    except Exception:  # edited code that fails is taken back
        return False


def _undone(edited: nn.Module, owner: nn.Module, steps: list[str]) -> bool:
    rewriting.restore(edited)
    for name in steps:
        delattr(owner, name)
    return False


def _pass_through(module: nn.Module, path: str, number: int) -> None:
    """Sends the result of call `number`, in the order of running, through the step at `path`."""
    kind = type(module)

    def forward(self: nn.Module, x: Tensor) -> Any:
        calls_left, step = [number], self.get_submodule(path)

        def through_step(output: Tensor, _call: str) -> Tensor:
            calls_left[0] -= 1
            return step(output) if calls_left[0] == -1 else output

        with FunctionCalls(through_step):
            return kind.forward(self, x)

    rewriting.replace_forward(module, forward)


def _new_name(owner: nn.Module, operation: str) -> str:
    name, number = operation, 1
    while hasattr(owner, name):
        name, number = f"{operation}_{number}", number + 1
    return name


def _add_steps(owner: nn.Module, graph: fx.Graph) -> list[str]:
    """Adds the steps to `owner` and its graph. Returns their names in order of running."""
    names: list[str] = []
    for node in list(graph.nodes):
        operation = operation_of(node.target) if node.op in ("call_function", "call_method") else ""
        if operation not in RECTIFIERS | SUMS | JOINTS:
            continue
        name = _new_name(owner, operation)
        owner.add_module(name, Step(operation).train(owner.training))
        with graph.inserting_after(node):
            step = graph.call_module(name, (node,))
        node.replace_all_uses_with(step, delete_user_cb=lambda user, step=step: user is not step)
        names.append(name)
    return names
