"""Scores of altered inputs, sent through the engine in batches and shared by all metrics of a case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from backend.attribution.network.passes import Passes
from backend.attribution.network.run import Run
from backend.attribution.perturbation.removal import Removal
from models.model import Model
from models.spec import Baseline

BASELINES: tuple[Baseline, ...] = get_args(Baseline)
PLANNED = 256
"""Passes that a run of the sweep announces to the engine: enough for the folded network, too few for the fused one,
whose preparation a single map would not pay."""


class Sweep:
    """One input's scores for the explained class, with cells removed.

    Each pair of masks and baseline is scored once, whichever metrics ask. `scores` are float64 numpy arrays.
    """

    def __init__(self, model: Model, x: Tensor, target: int) -> None:
        self.model, self.x, self.target = model, x, target
        self._known: dict[tuple[str, str], np.ndarray] = {}
        self._removals: dict[str, Removal] = {}
        self._run: Run | None = None

    @property
    def run(self) -> Run:
        if self._run is None:
            self._run = Passes.of(self.model).run(self.target, PLANNED)
        return self._run

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """What this kind of input offers, the default first."""
        return self.model.input.baselines

    def baseline(self, kind: Baseline) -> Tensor:
        """`[1, C, H, W]`."""
        return self.model.input.baseline(self.x, kind)

    def removal(self, kind: Baseline) -> Removal:
        if kind not in self._removals:
            self._removals[kind] = Removal(self.run, self.x, self.baseline(kind))
        return self._removals[kind]

    def removed(self, kind: Baseline, name: str, keep: Iterator[Tensor] | Tensor) -> np.ndarray:
        """Scores of the input with all but `keep` replaced, float64 `[n]`.

        name: of the masks; the same name is scored once. keep: `[n, H, W]` bool, or batches of them.
        """
        if (kind, name) not in self._known:
            batches = [keep] if isinstance(keep, Tensor) else keep
            removal = self.removal(kind)
            parts = [removal.scores(batch.to(self.x.device)).double().cpu().numpy() for batch in batches]
            self._known[kind, name] = np.concatenate(parts)
        return self._known[kind, name]

    def scores(self, x: Tensor) -> np.ndarray:
        """Scores of other inputs `[n, C, H, W]`, float64 `[n]`."""
        size = self.run.batch("forward")
        parts = [self.run.scores(self.run.ready(part, "forward")) for part in x.split(size)]
        return torch.cat(parts).double().cpu().numpy()
