"""The order of a map's cells, and what the brightest of them hold. Equal cells share what falls to them."""

from __future__ import annotations

import numpy as np

from backend.attribution.measuring.reasons import Unmeasured

ALIKE = "All cells of this map are alike: there is no order in which to remove them."


def ranks(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The place of each cell, 0 for the brightest, int64 `[H, W]`; equal cells are drawn at random. Raises Unmeasured for a
    map whose cells are all alike."""
    if np.ptp(values) == 0:
        raise Unmeasured(ALIKE)
    flat = values.ravel()
    order = np.lexsort((rng.random(len(flat)), -flat))
    places = np.empty(len(flat), np.int64)
    places[order] = np.arange(len(flat))
    return places.reshape(values.shape)


def hits(values: np.ndarray, region: np.ndarray, k: int) -> float:
    """How many of the k brightest cells lie in the region; where the k-th is one of several equal cells, what is expected
    of a random choice among them."""
    flat, inside = values.ravel(), region.ravel()
    last = np.partition(flat, len(flat) - k)[len(flat) - k]
    above, equal = flat > last, flat == last
    share = (k - above.sum()) / equal.sum()
    return float(inside[above].sum() + share * inside[equal].sum())
