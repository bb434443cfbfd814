"""How the filters of a layer hang together, from their pooled activations G `[N, C]` (N inputs, C filters); numpy
only.

A filter whose column of G is constant has no correlation: it is `0` with all others, and left out of everything that
is said about the layer as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

CLUSTERED = 0.3
"""Filters with 1 - |r| below this, on average over two clusters, are one cluster."""
TWIN = 1 - CLUSTERED
ORDERED = 1024
"""Most filters whose order is improved beyond the tree's own (its cost grows with the square)."""
CONSTANT = 1e-9
"""A column whose deviation is less than this share of its largest magnitude is constant up to rounding."""


@dataclass(frozen=True, eq=False)
class Clustering:
    """order: filters as a clustered matrix shows them, constant ones last. clusters: of living filters, each in that
    order, single ones included."""

    order: list[int]
    clusters: list[list[int]]


def correlation(
    pooled: np.ndarray, how: Literal["pearson", "spearman"] = "pearson", other: np.ndarray | None = None
) -> np.ndarray:
    """float64 `[C, C]`, or `[C, K]` with the columns of `other [N, K]`; 1 on the diagonal, 0 for constant columns."""
    left, right = _standardised(pooled, how), _standardised(pooled if other is None else other, how)
    matrix: np.ndarray = np.clip(left.T @ right, -1, 1)
    if other is None:
        np.fill_diagonal(matrix, 1.0)
    return matrix


def _standardised(columns: np.ndarray, how: str) -> np.ndarray:
    """Centred columns of length 1; zeros for constant ones."""
    from scipy.stats import rankdata

    columns = np.asarray(columns, np.float64)
    size = np.abs(columns).max(axis=0, initial=0.0)
    constant = columns.std(axis=0) <= CONSTANT * size
    centred = rankdata(columns, axis=0) if how == "spearman" else columns
    centred = centred - centred.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return np.where(constant | (length == 0), 0.0, centred / np.where(length == 0, 1.0, length))


def clustering(matrix: np.ndarray, living: Sequence[int]) -> Clustering:
    """Average linkage on 1 - |r|, cut at `CLUSTERED`. living: filters that vary."""
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    alive = list(living)
    rest = sorted(set(range(len(matrix))) - set(alive))
    if len(alive) < 2:
        return Clustering([*alive, *rest], [[k] for k in alive])
    distances = 1 - np.abs(matrix[np.ix_(alive, alive)])
    condensed = squareform(np.maximum((distances + distances.T) / 2, 0), checks=False)
    tree = linkage(condensed, "average")
    if len(alive) <= ORDERED:
        tree = optimal_leaf_ordering(tree, condensed)
    number = fcluster(tree, CLUSTERED, "distance")
    clusters: dict[int, list[int]] = {}
    leaves = leaves_list(tree).tolist()
    for leaf in leaves:
        clusters.setdefault(int(number[leaf]), []).append(alive[leaf])
    return Clustering([*(alive[leaf] for leaf in leaves), *rest], list(clusters.values()))


def twins(matrix: np.ndarray, living: Sequence[int]) -> dict[int, tuple[int, float]]:
    """For each living filter with |r| > `TWIN` to another: that one, and r."""
    alive = list(living)
    if len(alive) < 2:
        return {}
    part = matrix[np.ix_(alive, alive)].copy()
    np.fill_diagonal(part, 0.0)
    nearest = np.abs(part).argmax(axis=1)
    return {
        k: (alive[j], float(part[i, j]))
        for i, (k, j) in enumerate(zip(alive, nearest, strict=True))
        if abs(part[i, j]) > TWIN
    }


def redundancy(matrix: np.ndarray, living: Sequence[int]) -> float | None:
    """Mean |r| over pairs of living filters; None for fewer than two."""
    alive = list(living)
    if len(alive) < 2:
        return None
    part = np.abs(matrix[np.ix_(alive, alive)])
    return float((part.sum() - np.trace(part)) / (len(alive) * (len(alive) - 1)))


def effective_dimension(matrix: np.ndarray, living: Sequence[int]) -> float | None:
    """`(sum l)^2 / sum l^2` over the eigenvalues l of the correlation matrix of living filters: k for k uncorrelated
    ones, 1 for copies of one. None where all are dead. (The sum of squared eigenvalues is the squared norm.)"""
    alive = list(living)
    if not alive:
        return None
    part = matrix[np.ix_(alive, alive)]
    return float(np.trace(part) ** 2 / (part**2).sum())


def linear_cka(left: np.ndarray, right: np.ndarray) -> float | None:
    """Linear centred kernel alignment of `[N, C]` and `[N, D]`, 0..1 (Kornblith et al., arXiv 1905.00414):
    `|Y'X|_F^2 / (|X'X|_F |Y'Y|_F)`, columns centred. The same under rotation and scale. None where one is constant."""
    left, right = (np.asarray(part, np.float64) - np.mean(part, 0, np.float64) for part in (left, right))
    grams = [part @ part.T for part in (left, right)]
    norms = [float(np.linalg.norm(gram)) for gram in grams]
    if min(norms) == 0.0:
        return None
    return min(1.0, float((grams[0] * grams[1]).sum() / (norms[0] * norms[1])))


def cka_matrix(pooled: Sequence[np.ndarray]) -> list[list[float | None]]:
    """`linear_cka` of all pairs."""
    values: dict[tuple[int, int], float | None] = {}
    for i, left in enumerate(pooled):
        for j, right in enumerate(pooled[: i + 1]):
            values[i, j] = values[j, i] = linear_cka(left, right)
    return [[values[i, j] for j in range(len(pooled))] for i in range(len(pooled))]


def auc(pooled: np.ndarray, member: np.ndarray) -> np.ndarray | None:
    """For each filter the probability that an input of the class has the larger pooled activation, ties half, `[C]`.
    member: bool `[N]`. None where there is no member, or nothing else."""
    from scipy.stats import rankdata

    inside = int(member.sum())
    outside = len(member) - inside
    if not inside or not outside:
        return None
    ranks = rankdata(pooled, axis=0)
    result: np.ndarray = (ranks[member].sum(axis=0) - inside * (inside + 1) / 2) / (inside * outside)
    return result


def kendall(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Kendall's tau-b of two rankings; None where one is constant."""
    from scipy.stats import kendalltau

    tau = float(kendalltau(left, right).statistic)
    return tau if np.isfinite(tau) else None
