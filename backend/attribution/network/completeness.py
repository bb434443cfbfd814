"""Completeness: a map that shares out y(x) - y(b) adds up to it. What is missing is the gap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.attribution.network.run import Run
from backend.attribution.quality import MEASURES

WIDE = MEASURES["completeness"].good
"""Gap from which a map is called incomplete."""
TINY = 1e-6


@dataclass(frozen=True)
class Completeness:
    """total: sum of the map. score: y(x). baseline_score: y(b), the mean over several baselines. of: what y is."""

    total: float
    score: float
    baseline_score: float
    of: str = "score"

    @property
    def gap(self) -> float:
        """|sum - (y(x) - y(b))| over |y(x) - y(b)|."""
        difference = self.score - self.baseline_score
        return abs(self.total - difference) / max(abs(difference), TINY)

    @property
    def extras(self) -> dict[str, float]:
        return {self.of: self.score, f"baseline_{self.of}": self.baseline_score}

    def notes(self, remedy: str, wide: float = WIDE) -> tuple[str, ...]:
        """remedy: what makes a wide gap smaller, e.g. `use more steps`."""
        if abs(self.score - self.baseline_score) < TINY:
            return (
                f"The {self.of} of the baseline is that of this input: there is no difference to share out.",
            )
        if self.gap > wide:
            return (f"The map misses {self.gap:.0%} of the difference in {self.of}: {remedy}.",)
        return ()


def completeness(run: Run, values: Tensor, x: Tensor, baselines: Tensor) -> Completeness:
    """values: the shares, of any shape. x: `[1, C, H, W]`; baselines: `[B, C, H, W]`. Costs 1 + B forward passes in
    float32."""
    scores = run.exact_scores(torch.cat([x, baselines]))
    return Completeness(float(values.double().sum()), float(scores[0]), float(scores[1:].mean()))
