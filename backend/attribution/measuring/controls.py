"""Maps that know nothing of the network: what a method must beat before its score means anything."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from backend.attribution.types import Attribution
from models.model import Model

CONTROLS = {"centre_blob": "Centre blob", "uniform": "Uniform"}
"""Their titles, by key, in the order of a table."""


def centre_blob(size: tuple[int, ...]) -> np.ndarray:
    """float32 `[H, W]`: a Gaussian in the middle of the grid, its standard deviation a quarter of each
    side."""
    rows, columns = (np.exp(-0.5 * ((np.arange(side) + 0.5 - side / 2) / (side / 4)) ** 2) for side in size)
    return np.outer(rows, columns).astype(np.float32)


def controls(model: Model, x: Tensor, target: int = -1) -> dict[str, Attribution]:
    """A blob in the middle and a map that is the same everywhere, on the display grid of `x [1, C, H, W]`.

    target: the class that is measured; -1 takes the predicted one.
    """
    size = (int(x.shape[-2]), int(x.shape[-1]))
    maps = {"centre_blob": centre_blob(size), "uniform": np.ones(size, np.float32)}
    return {
        key: Attribution(values=values, signed=False, native=size, target=target, engine="evident")
        for key, values in maps.items()
    }
