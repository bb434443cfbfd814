"""Duration of a run, estimated before it starts: passes that the method declares times seconds per pass
measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from backend.attribution.network.cache import cached
from backend.attribution.network.passes import SMALL, Passes
from backend.attribution.types import Method, Params
from models.model import Model

LEAST_SECONDS, MOST_REPEATS = 0.02, 50
"""Shorter timings are repeated until they add up to this many seconds, at most so many times."""
OVERHEAD = 1.1
"""Duration of a run over that of its passes: the bound that the benchmark checks."""


def profile(model: Model) -> dict[str, float]:
    """Seconds per image of a forward pass (`forward`) and of the gradient on top of it (`backward`), measured
    at the precision and batch size in use."""
    return cached(model, "seconds", None, lambda: _profile(model))


def _profile(model: Model) -> dict[str, float]:
    run = Passes.of(model).run(0, SMALL)
    forward = _seconds(model, run.scores, run.batch("forward"))
    both = _seconds(model, run.gradients, run.batch("gradient"))
    return {"forward": forward, "backward": max(0.0, both - forward)}


def _seconds(model: Model, work: Callable[[Tensor], Any], batch: int) -> float:
    """Seconds per image. The fastest of a few batches: other work on the machine only slows a batch down."""
    x = torch.zeros(batch, *model.input.shape, device=model.device)
    work(x)
    timings: list[float] = []
    while len(timings) < 3 or (sum(timings) < LEAST_SECONDS and len(timings) < MOST_REPEATS):
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        start = time.perf_counter()
        work(x)
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        timings.append(time.perf_counter() - start)
    return min(timings) / batch


def estimate(method: Method[Any], model: Model, params: Params) -> float:
    """Seconds with these parameters. The first estimate for a model measures its passes."""
    cost, seconds = method.cost(model, params), profile(model)
    return OVERHEAD * (cost.forwards * seconds["forward"] + cost.backwards * seconds["backward"])
