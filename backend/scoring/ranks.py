"""Ranks of methods by family of metrics, and whether an order depends on the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backend.scoring.intervals import paired


def family_ranks(columns: Sequence[tuple[np.ndarray, bool]]) -> list[tuple[float, bool] | None]:
    """Per method its mean rank over the metrics of a family, 1 the best, and whether it has a score under all of them;
    None without any. columns: per metric the methods' means `[methods]` (NaN: no score), and whether higher is
    better. Equal means share a rank."""
    per_metric = []
    for means, higher in columns:
        ranks = np.full(len(means), np.nan)
        known = np.isfinite(means)
        if known.any():
            ranks[known] = _places(means[known] * (-1 if higher else 1))
            per_metric.append(ranks)
    if not per_metric:
        return [None] * len(columns[0][0]) if columns else []
    table = np.stack(per_metric)
    return [
        (float(np.nanmean(column)), bool(np.isfinite(column).all())) if np.isfinite(column).any() else None
        for column in table.T
    ]


def _places(values: np.ndarray) -> np.ndarray:
    """1 for the smallest; equal ones share the mean of their places. (scipy's `rankdata` would bring all of its statistics
    into the process that serves the pages.)"""
    smaller = (values[None] < values[:, None]).sum(1)
    equal = (values[None] == values[:, None]).sum(1)
    return smaller + (equal + 1) / 2


def flips(
    scores: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], higher: bool
) -> dict[str, set[str]]:
    """Per method those that it beats under one baseline and that beat it under the other, both beyond noise (95 %
    intervals of the paired differences). scores, other: by method `[inputs]`, with the first and the second
    baseline."""
    names = [name for name in scores if name in other]
    turned: dict[str, set[str]] = {name: set() for name in names}
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            here = paired(scores[first], scores[second], higher)
            there = paired(other[first], other[second], higher)
            if here is None or there is None:
                continue
            if (here.beats and there.beaten) or (here.beaten and there.beats):
                turned[first].add(second)
                turned[second].add(first)
    return turned
