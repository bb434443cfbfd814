"""The table of a study: methods by metrics, over inputs; and from it ranks, verdicts and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.core.evaluation_results import (
    CellResult,
    Difference,
    FamilyRanks,
    Rank,
    StudyEntry,
    StudyMetric,
    StudyRow,
)
from backend.scoring.intervals import Paired, interval, paired
from backend.scoring.ranks import family_ranks, flips

BLOB, UNIFORM = "centre_blob", "uniform"
PARENTS: Mapping[str, Sequence[str]] = {
    "fused": ("grad_cam", "grad_cam_pp", "lrp"),
    "guided_grad_cam": ("grad_cam", "guided_backprop"),
}
"""Maps that are products, and what of: each is compared with its factors."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What is known of a study. cells: by input number and method. failed: why there is none. inputs: how many."""

    inputs: int
    rows: Sequence[StudyRow]
    metrics: Sequence[StudyMetric]
    cells: Mapping[tuple[int, str], CellResult]
    failed: Mapping[tuple[int, str], str] = field(default_factory=dict)

    def column(self, method: str, metric: str, other: bool = False) -> np.ndarray:
        """float64 `[inputs]`, NaN where there is no score. other: with the other baseline."""
        values = np.full(self.inputs, np.nan)
        for index in range(self.inputs):
            cell = self.cells.get((index, method))
            score = cell.scores.get(metric) if cell else None
            value = (score.other if other else score.value) if score else None
            if value is not None:
                values[index] = value
        return values


def table(scores: Scores) -> list[StudyEntry]:
    """One entry per row and metric, in that order."""
    entries: dict[tuple[str, str], StudyEntry] = {}
    for metric in scores.metrics:
        higher = metric.better == "higher"
        columns = {row.method: scores.column(row.method, metric.key) for row in scores.rows}
        others = {row.method: scores.column(row.method, metric.key, other=True) for row in scores.rows}
        methods = [row.method for row in scores.rows if not row.control]
        turned = flips(
            {key: columns[key] for key in methods},
            {key: others[key] for key in methods if np.isfinite(others[key]).any()},
            higher,
        )
        for row in scores.rows:
            entry = _entry(scores, row, metric, columns[row.method])
            if entry.n:
                entry.other_mean = _mean(others[row.method])
                entry.flips = bool(turned.get(row.method))
                if not row.control:
                    _compare(entry, columns, higher)
            entries[row.method, metric.key] = entry
        _mark_best([entries[key, metric.key] for key in methods], higher)
    return [entries[row.method, metric.key] for row in scores.rows for metric in scores.metrics]


def ranked(
    rows: Sequence[StudyRow], metrics: Sequence[StudyMetric], entries: Sequence[StudyEntry]
) -> list[FamilyRanks]:
    """Families in the order of the metrics; controls are not ranked."""
    methods = [row.method for row in rows if not row.control]
    means = {(entry.method, entry.metric): entry.mean for entry in entries}
    families = []
    for family in dict.fromkeys(metric.family for metric in metrics):
        columns = [
            (np.array([_number(means.get((key, metric.key))) for key in methods]), metric.better == "higher")
            for metric in metrics
            if metric.family == family
        ]
        ranks = family_ranks(columns) if methods else []
        families.append(
            FamilyRanks(
                family=family,
                ranks=[
                    Rank(method=key, rank=rank[0], complete=rank[1])
                    for key, rank in zip(methods, ranks, strict=True)
                    if rank is not None
                ],
            )
        )
    return families


def _entry(scores: Scores, row: StudyRow, metric: StudyMetric, values: np.ndarray) -> StudyEntry:
    n = int(np.isfinite(values).sum())
    ends = interval(values) or (None, None)
    waiting = 0
    if not row.reason:
        waiting = sum(
            (index, row.method) not in scores.cells and (index, row.method) not in scores.failed
            for index in range(scores.inputs)
        )
    return StudyEntry(
        method=row.method,
        metric=metric.key,
        mean=_mean(values),
        low=ends[0],
        high=ends[1],
        n=n,
        expected=n + waiting,
        note=row.reason or _note(scores, row.method, metric.key, n),
    )


def _note(scores: Scores, method: str, metric: str, n: int) -> str:
    """Why some inputs, or all, have no score: the commonest reason."""
    reasons: Counter[str] = Counter()
    for index in range(scores.inputs):
        cell = scores.cells.get((index, method))
        score = cell.scores.get(metric) if cell else None
        if score is not None and score.value is None:
            reasons[score.note] += 1
        elif (index, method) in scores.failed:
            reasons[scores.failed[index, method]] += 1
    if not reasons:
        return ""
    reason, _ = reasons.most_common(1)[0]
    missing = reasons.total()
    return reason if n == 0 else f"{missing} of {n + missing} inputs have no score: {reason}"


def _compare(entry: StudyEntry, columns: Mapping[str, np.ndarray], higher: bool) -> None:
    own = columns[entry.method]
    if BLOB in columns:
        entry.versus_blob = _difference(paired(own, columns[BLOB], higher))
    if UNIFORM in columns:
        entry.versus_uniform = _difference(paired(own, columns[UNIFORM], higher))
    for parent in PARENTS.get(entry.method, ()):
        found = _difference(paired(own, columns[parent], higher)) if parent in columns else None
        if found is not None:
            entry.versus_parents[parent] = found


def _difference(found: Paired | None) -> Difference | None:
    if found is None:
        return None
    return Difference(diff=found.mean, low=found.low, high=found.high, beats=found.beats, n=found.n)


def _mark_best(entries: Sequence[StudyEntry], higher: bool) -> None:
    """The best mean of a column; none where only one method has a score."""
    means = [entry.mean for entry in entries if entry.mean is not None]
    if len(means) < 2:
        return
    best = max(means) if higher else min(means)
    for entry in entries:
        entry.best = entry.mean == best


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
