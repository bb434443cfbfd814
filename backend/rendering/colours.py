"""Colours of the picture route: matplotlib's tables, which the browser's colour_tables.mjs repeats bit for
bit (a test compares them).

cividis: Nunez, Anderton and Renslow, PLOS ONE 13(7), 2018. coolwarm: Moreland, "Diverging color maps for
scientific visualization", 2009.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np


def ramp(name: Literal["cividis", "coolwarm"], share: np.ndarray) -> np.ndarray:
    """Colours float `[..., 3]` in 0..255 for shares in 0..1, interpolated between the table's 256 steps."""
    table = _table(name)
    places = np.linspace(0.0, 1.0, len(table))
    return np.stack([np.interp(share, places, table[:, channel]) for channel in range(3)], axis=-1)


@cache
def _table(name: str) -> np.ndarray:
    """float64 `[256, 3]` in 0..255."""
    from matplotlib import colormaps  # 0.2 s that a server without such a picture does not spend

    return np.asarray(colormaps[name](np.arange(256), bytes=True)[:, :3], np.float64)
