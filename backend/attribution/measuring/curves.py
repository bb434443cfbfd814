"""Does the score follow the map? Its strongest cells replaced first, and put back first, beside the same at random places.

    deletion   probability of the class with the strongest share of the cells replaced by the baseline
    insertion  the same with everything replaced and the strongest share put back
    random     deletion in the order of the same map rolled to random places: as smooth and as patchy, and elsewhere

(Petsiuk et al., RISE, BMVC 2018, arXiv 1806.07421; the random orders are ours: orders of single random cells shred an
input long before any map does, so that every smooth map looks bad beside them.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.attribution.measuring.order import ranks
from backend.attribution.measuring.sweep import Sweep
from models.model import Model

SHARES = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0])
SAID = 0.1
"""Share that the sentence speaks of."""
RANDOM = 20


@dataclass(frozen=True, eq=False)
class Curves:
    """All float64 `[10]`. low, high: 5th and 95th percentile of the random orders' deletion."""

    x: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    low: np.ndarray
    high: np.ndarray
    baseline: str

    def words(self, label: str) -> str:
        at = int(np.argmin(np.abs(self.x - SAID)))
        score, low, high = self.deletion[at], self.low[at], self.high[at]
        verdict = (
            "more than at random places"
            if score < low
            else "no more than at random places"
            if score <= high
            else "less than at random places"
        )
        return (
            f"Without its strongest {100 * self.x[at]:.0f} % the score for {label} goes from {self.deletion[0]:.2f} to {score:.2f}: "
            f"{verdict} ({low:.2f} to {high:.2f})."
        )


def curves(model: Model, x: Tensor, values: np.ndarray, target: int, seed: int = 0) -> Curves:
    """values: `[H, W]`, larger speaks more for the class. x: `[1, C, H, W]`. Raises Unmeasured for a map whose cells are all
    alike."""
    rng = np.random.default_rng(seed)
    orders = [values]
    for _ in range(RANDOM):
        by = [int(rng.integers(0, side)) for side in values.shape]
        orders.append(np.roll(values, by, axis=(0, 1)))
    places = torch.from_numpy(np.stack([ranks(order, rng) for order in orders]))
    counts = torch.from_numpy(np.rint(SHARES * values.size).astype(np.int64))[:, None, None]

    def shown() -> Iterator[Tensor]:
        yield places[0] < counts
        for order in places:
            yield order >= counts

    kind = model.input.baselines[0]
    scores = Sweep.of(model, x, target).removed(kind, shown).probability.reshape(-1, len(SHARES))
    low, high = np.percentile(scores[2:], [5, 95], axis=0)
    return Curves(SHARES, scores[1], scores[0], low, high, kind)
