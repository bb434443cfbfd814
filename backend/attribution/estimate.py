"""Duration of a run, estimated before it starts: passes that the method declares times seconds per pass
measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from backend.attribution.network.bfloat16 import has_bfloat16
from backend.attribution.network.cache import cached
from backend.attribution.network.passes import Passes
from backend.attribution.network.run import FIRST, LONG, SMALL
from backend.attribution.network.trials import probe_inputs
from backend.attribution.types import Cost, Method, Params
from models.model import Model

LEAST_SECONDS, MOST_REPEATS = 0.02, 50
"""Shorter timings are repeated until they add up to this many seconds, at most so many times."""
REPEATS, ENOUGH_SECONDS = 3, 0.5
"""Timings at least, unless they have taken so many seconds."""
OVERHEAD = 1.1
"""Duration of a run over that of its passes: the bound that the benchmark checks."""


class Gains(NamedTuple):
    """How many times as fast as the module as given, one image at a time, runs are: short and long ones of forward
    passes, gradients, and gradients of noisy copies."""

    forward: float
    long: float
    gradient: float
    noisy: float


IN_BFLOAT16, IN_FLOAT32 = Gains(4.0, 5.5, 2.0, 2.6), Gains(2.0, 2.0, 1.3, 1.3)
"""By the arithmetic of the processor; middles of what was measured (docs/decisions.md)."""


def profile(model: Model, passes: int = SMALL, noise: float = 0.0) -> dict[str, float]:
    """Seconds per image of a forward pass (`forward`) and of the gradient on top of it (`backward`), measured
    at the precision and batch size of runs of so many passes. Fewer than `SMALL` are measured on the module as
    given, one image at a time as they run: no copies are made and compared.

    noise: see `Cost`. What long runs go on with after their first images is prepared by this.
    """
    level = noise if passes >= SMALL else 0.0
    seconds: dict[str, float] = cached(
        model, "seconds", (passes < SMALL, level), lambda: _profile(model, min(passes, LONG - 1), level)
    )
    if passes < LONG:
        return seconds
    later: float = cached(model, "seconds", "later", lambda: _later(model, passes))
    share = FIRST / passes
    return {**seconds, "forward": share * seconds["forward"] + (1 - share) * later}


def _profile(model: Model, passes: int, noise: float) -> dict[str, float]:
    spread = float(probe_inputs(model, 1).max() - probe_inputs(model, 1).min()) if noise else 0.0
    run = Passes.of(model).run(0, passes, noise * spread)
    forward = _seconds(model, run.scores, run.batch("forward") if passes >= SMALL else 1)
    both = _seconds(model, run.gradients, run.batch("gradient") if passes >= SMALL else 1)
    return {"forward": forward, "backward": max(0.0, both - forward)}


def _later(model: Model, passes: int) -> float:
    """Seconds per image of a forward pass after the first images of a long run."""
    run = Passes.of(model).run(0, passes)
    run.forwards = FIRST
    return _seconds(model, run.scores, run.batch("forward"))


def _seconds(model: Model, work: Callable[[Tensor], Any], batch: int) -> float:
    """Seconds per image. The fastest of a few batches: other work on the machine only slows a batch down. A batch
    during which others had the processor counts the processor's seconds, so that a busy moment, such as the start
    of a server, does not stand for the machine."""
    x = torch.zeros(batch, *model.input.shape, device=model.device)
    work(x)
    timings: list[float] = []
    while (len(timings) < REPEATS and sum(timings) < ENOUGH_SECONDS) or (
        sum(timings) < LEAST_SECONDS and len(timings) < MOST_REPEATS
    ):
        timings.append(_timed(model, partial(work, x)))
    return min(timings) / batch


def _timed(model: Model, work: Callable[[], Any]) -> float:
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
        start = time.perf_counter()
        work()
        torch.cuda.synchronize(model.device)
        return time.perf_counter() - start
    start, busy = time.perf_counter(), time.process_time()
    work()
    return min(time.perf_counter() - start, time.process_time() - busy)


def estimate(
    method: Method[Any], model: Model, params: Params, seconds: Mapping[str, float] | None = None
) -> float:
    """Seconds with these parameters. seconds: `profile` of the model; None measures it as this run would be."""
    cost = method.cost(model, params)
    seconds = seconds or profile(model, cost.forwards + cost.backwards, cost.noise)
    return OVERHEAD * (cost.forwards * seconds["forward"] + cost.backwards * seconds["backward"])


def foresee(method: Method[Any], model: Model, params: Params, single: Mapping[str, float]) -> float:
    """Seconds with these parameters before anything was measured on the copies that runs use.

    single: `profile` of the module as given, one image at a time."""
    cost = method.cost(model, params)
    return estimate(method, model, params, single) / _gain(model, cost)


def _gain(model: Model, cost: Cost) -> float:
    passes = cost.forwards + cost.backwards
    if passes < SMALL:
        return 1.0
    gains = IN_BFLOAT16 if has_bfloat16(model.device) else IN_FLOAT32
    if cost.backwards:
        return gains.noisy if cost.noise else gains.gradient
    return gains.long if passes >= LONG else gains.forward
