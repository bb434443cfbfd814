"""Seconds that a run will take on this machine, before it runs: passes it declares times seconds per pass as measured."""

from __future__ import annotations

from typing import Any

from backend.attribution.network.passes import Passes
from backend.attribution.types import Method, Params
from models.model import Model

OVERHEAD = 1.1
"""What methods do besides passes: goal of the benchmark's cost over floor."""


def profile(model: Model) -> dict[str, float]:
    """Measured seconds per image of a forward pass, and of what a gradient adds to it; at the precision and batch size in use."""
    passes = Passes.of(model)
    forward, both = passes.plan("forward").seconds, passes.plan("gradient").seconds
    return {"forward": forward, "backward": max(0.0, both - forward)}


def estimate(method: Method[Any], model: Model, params: Params) -> float:
    """Seconds with these parameters, measuring the model first if nothing has run on it yet."""
    cost, seconds = method.cost(model, params), profile(model)
    return OVERHEAD * (cost.forwards * seconds["forward"] + cost.backwards * seconds["backward"])
