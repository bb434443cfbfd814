"""Seconds that a run will take on this machine, before it runs: passes it declares times seconds per pass
as measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from backend.attribution.network.kept import keep
from backend.attribution.network.passes import SMALL, Passes
from backend.attribution.types import Method, Params
from models.model import Model

LEAST_SECONDS, MOST_REPEATS = 0.02, 50
"""A network so small that a batch takes less than this is timed again and again."""
OVERHEAD = 1.1
"""What methods do besides passes: goal of the benchmark's cost over floor."""


def profile(model: Model) -> dict[str, float]:
    """Measured seconds per image of a forward pass, and of what a gradient adds to it; at the precision
    and batch size in use."""
    return keep(model, "seconds", None, lambda: _profile(model))


def _profile(model: Model) -> dict[str, float]:
    run = Passes.of(model).run(0, SMALL)
    forward = _seconds(model, run.scores, run.batch("forward"))
    both = _seconds(model, run.gradients, run.batch("gradient"))
    return {"forward": forward, "backward": max(0.0, both - forward)}


def _seconds(model: Model, work: Callable[[Tensor], Any], batch: int) -> float:
    """Per image, the best of a few batches: what other work on the machine takes away is not counted."""
    x = torch.zeros(batch, *model.input.shape, device=model.device)
    work(x)
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < LEAST_SECONDS and len(taken) < MOST_REPEATS):
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        began = time.perf_counter()
        work(x)
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        taken.append(time.perf_counter() - began)
    return min(taken) / batch


def estimate(method: Method[Any], model: Model, params: Params) -> float:
    """Seconds with these parameters, measuring the model first if nothing has run on it yet."""
    cost, seconds = method.cost(model, params), profile(model)
    return OVERHEAD * (cost.forwards * seconds["forward"] + cost.backwards * seconds["backward"])
