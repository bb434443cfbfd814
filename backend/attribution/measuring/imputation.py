"""Noisy linear imputation: removed cells become weighted means of their neighbours, so that a mask leaves no edges to see."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

NEIGHBOURS = (
    *(((row, column), 1 / 6) for row, column in ((0, 1), (0, -1), (1, 0), (-1, 0))),
    *(((row, column), 1 / 12) for row, column in ((1, 1), (1, -1), (-1, 1), (-1, -1))),
)
"""(rows, columns) to a neighbour, and its weight."""


def impute(x: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """The values of the removed cells, float64 `[C, m]` in reading order: each is the weighted mean of its neighbours
    (1/6 straight, 1/12 across), removed ones among them, which makes a system of m equations.

    x: `[C, H, W]`. removed: bool `[H, W]`, neither none nor all.
    """
    height, width = removed.shape
    rows, columns = np.nonzero(removed)
    m = len(rows)
    number = np.full((height, width), -1)
    number[rows, columns] = np.arange(m)
    weights, known = np.zeros(m), np.zeros((m, len(x)))
    places: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for (down, right), weight in NEIGHBOURS:
        r, c = rows + down, columns + right
        inside = np.flatnonzero((r >= 0) & (r < height) & (c >= 0) & (c < width))
        weights[inside] += weight
        other = number[r[inside], c[inside]]
        kept = inside[other < 0]
        known[kept] += weight * x[:, r[kept], c[kept]].T
        both = other >= 0
        places.append((inside[both], other[both], np.full(int(both.sum()), -weight)))
    places.append((np.arange(m), np.arange(m), weights))
    i, j, values = (np.concatenate(parts) for parts in zip(*places, strict=True))
    system = coo_matrix((values, (i, j)), shape=(m, m)).tocsc()
    solved = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(known)
    return np.asarray(solved).T
