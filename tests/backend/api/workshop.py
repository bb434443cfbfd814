"""Loaded by the workers of these tests instead of the bundled catalogue: two tiny networks and four methods
that can be watched.

The routes are under test here, not the methods; real methods and models go through the browser tests and the
contract tests.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn

from app.core.settings import get_settings
from backend.attribution.methods import METHODS
from backend.attribution.types import (
    Attribution,
    Compatibility,
    Context,
    Cost,
    Method,
    Params,
    Progress,
    Stage,
)
from models import ImageInput, Model, ModelSpec
from models.catalogue import MODELS
from models.inputs.sound import SoundInput

METHODS._loaded = MODELS._loaded = True


class Tiny(nn.Sequential):
    def __init__(self, channels: int = 3) -> None:
        super().__init__(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        )


class TinySound(Tiny):
    def __init__(self) -> None:
        super().__init__(1)


def _spec(key: str, build: Any, given: Any) -> ModelSpec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build()
    path = get_settings().data / f"{key}-{time.time_ns()}.safetensors"
    save_file(module.state_dict(), path)
    return ModelSpec(
        key=key,
        title=key.title(),
        build=build,
        input=given,
        labels=("first", "second", "third"),
        weights=path,
    )


@MODELS.register
def tiny() -> ModelSpec:
    return _spec("tiny", Tiny, ImageInput(size=(24, 32)))


@MODELS.register
def tiny_sound() -> ModelSpec:
    return _spec("tiny_sound", TinySound, SoundInput())


class RampParams(Params):
    n_samples: int = Field(
        4,
        ge=1,
        le=1_000_000_000,
        title="Samples",
        description="Steps of work.",
        json_schema_extra={"scales_cost": True},
    )
    pause: float = Field(0.0, ge=0.0, le=1.0, title="Pause", description="Seconds to wait at each step.")
    word: str = Field("up", pattern="^(up|down)$", title="Word", description="Direction.")


@METHODS.register
class Ramp(Method[RampParams]):
    """A signed map that grows towards the top right, in as many steps as asked for."""

    key, title, family, paper, summary, signed, unit = (
        "ramp",
        "Ramp",
        "perturbation",
        "none",
        "A slope.",
        True,
        "samples",
    )
    Params = RampParams

    def cost(self, model: Model, params: RampParams) -> Cost:
        return Cost(params.n_samples, 0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: RampParams, report: Progress
    ) -> Attribution:
        height, width = x.shape[-2:]
        slope = np.add.outer(np.linspace(-1, 1, height), np.linspace(-1, 1, width)).astype(np.float32)
        for step in range(params.n_samples):
            time.sleep(params.pause)
            report(step + 1, params.n_samples, slope * (step + 1) / params.n_samples)
        values = slope if params.word == "up" else -slope
        stages = {"half": Stage("Half of it", values[::2, ::2].copy(), signed=True)}
        return Attribution(
            values,
            True,
            (height, width),
            stages=stages,
            extras={"nan": float("nan")},
            arrays={"steps": np.arange(params.n_samples)},
            forwards=params.n_samples,
        )


class NoParams(Params):
    pass


@METHODS.register
class Layered(Method[NoParams]):
    """The mean of one layer's output."""

    key, title, family, paper, summary, signed, uses_layer = (
        "layered",
        "Layered",
        "cam",
        "none",
        "A mean.",
        False,
        True,
    )
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(1, 0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        return Attribution(x.abs().mean(1)[0].numpy(), False, tuple(x.shape[-2:]), forwards=1)  # type: ignore[arg-type]


@METHODS.register
class Standing(Layered):
    """Under the name of the method that routes take when none is named; the real one loads captum."""

    key, title = "grad_cam", "Standing in"


@METHODS.register
class Fitless(Method[NoParams]):
    """Fits nothing."""

    key, title, family, paper, summary, signed = "fitless", "Fitless", "cam", "none", "Nothing.", False
    Params = NoParams

    def is_compatible(self, model: Model) -> Compatibility:
        return Compatibility(False, "This method needs a network of another kind; choose another method.")

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(1, 0)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        raise AssertionError("never run")
