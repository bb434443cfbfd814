"""Maps and regions made by hand."""

from __future__ import annotations

import numpy as np

from backend.attribution.types import Attribution


def region(size: int = 32) -> np.ndarray:
    """A rectangle off the middle, bool `[H, W]`."""
    mask = np.zeros((size, size), bool)
    mask[size // 8 : size // 2, size // 2 : size - 3] = True
    return mask


def map_of(values: np.ndarray, **more) -> Attribution:
    values = np.asarray(values, np.float32)
    return Attribution(values=values, signed=bool(values.min() < 0), native=values.shape, **more)


def noise(seed: int = 0, size: int = 32) -> np.ndarray:
    """Signed, float32 `[H, W]`."""
    return np.random.default_rng(seed).standard_normal((size, size)).astype(np.float32)
