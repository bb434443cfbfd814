"""Does the score follow the map? Its strongest cells replaced first, and put back first, beside the same at random places.

    deletion   probability of the class with the strongest share of the cells replaced by the baseline
    insertion  the same with everything replaced and the strongest share put back
    random     deletion in the order of the same map rolled to random places: as smooth and as patchy, and elsewhere

(Petsiuk et al., RISE, BMVC 2018, arXiv 1806.07421; the random orders are ours: orders of single random cells shred an
input long before any map does, so that every smooth map looks bad beside them.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.model import Model

SHARES = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0])
SAID = 0.1
"""Share that the sentence speaks of."""
RANDOM = 20
BATCH = 16


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
    """values: `[H, W]`, larger speaks more for the class. x: `[1, C, H, W]`."""
    rng = np.random.default_rng(seed)
    noise = rng.permutation(values.size).reshape(values.shape)  # in place of ties
    orders = [values]
    for _ in range(RANDOM):
        by = [int(rng.integers(0, side)) for side in values.shape]
        orders.append(np.roll(values, by, axis=(0, 1)))
    inner = SHARES[1:-1]
    removed = [_strongest(order, noise, share) for order in orders for share in inner]
    kept = [~_strongest(values, noise, share) for share in inner]
    whole, none = np.zeros(values.shape, bool), np.ones(values.shape, bool)
    scores = probabilities(model, x, np.stack([whole, none, *kept, *removed]), target)
    first, last, count = scores[0], scores[1], len(inner)
    inserted = np.r_[last, scores[2 : 2 + count], first]
    deleted = scores[2 + count :].reshape(len(orders), count)
    deleted = np.c_[np.full(len(orders), first), deleted, np.full(len(orders), last)]
    low, high = np.percentile(deleted[1:], [5, 95], axis=0)
    return Curves(SHARES, deleted[0], inserted, low, high, model.input.baselines[0])


def probabilities(model: Model, x: Tensor, removed: np.ndarray, target: int) -> np.ndarray:
    """float64 `[n]`: of the class, with the cells of each mask replaced. removed: bool `[n, H, W]`."""
    baseline = model.input.baseline(x)
    parts = []
    for start in range(0, len(removed), BATCH):
        gone = torch.from_numpy(removed[start : start + BATCH])[:, None].to(x.device)
        parts.append(model.predict(torch.where(gone, baseline, x))[:, target].double().cpu().numpy())
    return np.concatenate(parts)


def _strongest(values: np.ndarray, noise: np.ndarray, share: float) -> np.ndarray:
    """bool `[H, W]`: the largest values, ties broken by chance."""
    order = np.lexsort((noise.ravel(), -values.ravel()))
    mask = np.zeros(values.size, bool)
    mask[order[: round(share * values.size)]] = True
    return mask.reshape(values.shape)
