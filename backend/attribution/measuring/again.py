"""Maps of changed inputs, classes and networks by the method that made a map: what robustness and randomisation compare
it with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from app.core.errors import Cancelled, EvidentError
from backend.attribution.explain import explain
from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.network import randomness
from backend.attribution.network.cache import cached
from backend.attribution.network.run import one_of_many
from backend.attribution.types import Attribution
from models.model import Model

Noise = Literal["uniform", "normal"]
NETWORKS = 2
"""Networks with random weights that a process keeps."""


class Again:
    """Explains again with the method, layer, parameters and seed of `result`. The maps of noisy copies are kept, so that
    metrics of the same noise share them."""

    def __init__(
        self, model: Model, x: Tensor, result: Attribution, target: int, seed: int, pause: Callable[[], None]
    ) -> None:
        self.model, self.x, self.result, self.target, self.seed = model, x, result, target, seed
        self._pause = pause
        self._noisy: dict[tuple[Noise, float, int], tuple[Tensor, np.ndarray]] = {}

    def map(
        self, *, x: Tensor | None = None, target: int | None = None, model: Model | None = None
    ) -> np.ndarray:
        """float64 `[H, W]`. Raises Unmeasured where the method cannot explain that."""
        self._pause()
        try:
            with one_of_many() if model is None else nullcontext():
                result = explain(
                    model or self.model,
                    self.x if x is None else x,
                    self.result.method,
                    target=self.target if target is None else target,
                    layer=self.result.layer,
                    seed=self.result.seed,
                    **self.result.params,
                )
        except Cancelled:
            raise
        except EvidentError as error:
            raise Unmeasured(f"The map could not be made again: {error.detail}") from None
        return result.values.astype(np.float64)

    def noisy(self, kind: Noise, size: float, number: int) -> tuple[Tensor, np.ndarray]:
        """A copy of the input with noise, and its map. size: half the width of uniform noise, standard deviation of normal
        noise, in units of the network's input. number: of the copy; the same number is the same copy."""
        place = (kind, size, number)
        if place not in self._noisy:
            rng = np.random.default_rng((self.seed, 1, number))
            shape = tuple(self.x.shape)
            noise = rng.uniform(-size, size, shape) if kind == "uniform" else rng.normal(0, size, shape)
            x = self.x + torch.from_numpy(noise.astype(np.float32)).to(self.x.device)
            self._noisy[place] = (x, self.map(x=x))
        return self._noisy[place]


def randomised(model: Model, seed: int) -> Model:
    """The same network with all weights drawn anew: each module's `reset_parameters`, from the first layer to the last, with
    the same random numbers as Quantus draws for the seed. A model of its own; kept for the next map.

    Raises Unmeasured for a network without modules that can be drawn anew.
    """

    def make() -> Model:
        module = copy.deepcopy(model.module).cpu()  # the same numbers on every device
        parts = [part for part in module.modules() if hasattr(part, "reset_parameters")]
        if not parts:
            raise Unmeasured("The weights of this network cannot be drawn anew: its layers do not say how.")
        with randomness.undisturbed():
            for part in parts:
                torch.default_generator.manual_seed(seed + 1)
                part.reset_parameters()  # type: ignore[operator]
        return Model(model.spec, module, f"{model.digest}-random-{seed}", model.device)

    return cached(model, "randomised", seed, make, capacity=NETWORKS)
