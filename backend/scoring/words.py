"""The outcome of a study in one or two sentences, in parts that link to the method or metric they name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.core.evaluation_results import (
    FamilyRanks,
    SentencePart,
    StudyEntry,
    StudyMetric,
    StudyRow,
    Verdict,
)
from backend.scoring.intervals import FEWEST
from backend.scoring.verdicts import PLACES


def sentence(
    rows: Sequence[StudyRow],
    metrics: Sequence[StudyMetric],
    entries: Sequence[StudyEntry],
    families: Sequence[FamilyRanks],
    judged: Sequence[Verdict],
    inputs: str,
    partial: bool = False,
) -> list[SentencePart]:
    """inputs: how many of what, "32 drawn objects". partial: whether scores are still to come; which methods passed is not
    said before they are there."""
    titles = {row.method: row.title for row in rows}
    largest = max((entry.n for entry in entries), default=0)
    if largest == 0:
        return []
    parts = [SentencePart(text=f"{'So far, on' if partial else 'On'} {inputs}, ")]
    parts += _leaders(titles, metrics, families)
    parts += _places(titles, metrics, entries)
    parts += _turned(metrics, entries)
    if partial:  # methods are measured on different inputs yet
        return parts
    passed = [verdict for verdict in judged if verdict.passed]
    if largest < FEWEST:
        parts.append(
            SentencePart(text=f" Fewer than {FEWEST} inputs: this is an impression, not a measurement.")
        )
    elif passed and len(judged) > 1:
        parts.append(SentencePart(text=f" {len(passed)} of {len(judged)} methods passed; first "))
        parts.append(SentencePart(text=titles[passed[0].method], method=passed[0].method))
        parts.append(SentencePart(text="."))
    elif len(judged) > 1 and any(verdict.judged for verdict in judged):
        parts.append(SentencePart(text=" No method passed."))
    return parts


def _leaders(
    titles: dict[str, str], metrics: Sequence[StudyMetric], families: Sequence[FamilyRanks]
) -> list[SentencePart]:
    """Who leads which families, together with whom."""
    leading: dict[tuple[str, ...], list[str]] = {}
    for family in families:
        if len(family.ranks) > 1:
            best = min(rank.rank for rank in family.ranks)
            first = tuple(rank.method for rank in family.ranks if math.isclose(rank.rank, best))
            leading.setdefault(first, []).append(family.family)
    if not leading:
        return [SentencePart(text="there is one method to measure.")]
    by_family = {metric.family: metric.key for metric in reversed(metrics)}
    # a comma keeps apart who leads what, where one of them is several
    several = any(len(methods) > 1 for methods in leading)
    parts: list[SentencePart] = []
    for number, (methods, names) in enumerate(leading.items()):
        if number:
            last = number == len(leading) - 1
            parts.append(SentencePart(text=(", and " if several else " and ") if last else ", "))
        parts += _listed([SentencePart(text=titles[method], method=method) for method in methods])
        parts.append(SentencePart(text=" leads in " if len(methods) == 1 else " lead alike in "))
        parts += _listed([SentencePart(text=name, metric=by_family[name]) for name in names])
    return [*parts, SentencePart(text=".")]


def _listed(named: Sequence[SentencePart]) -> list[SentencePart]:
    """ "a, b and c"."""
    parts: list[SentencePart] = []
    for number, part in enumerate(named):
        if number:
            parts.append(SentencePart(text=" and " if number == len(named) - 1 else ", "))
        parts.append(part)
    return parts


def _places(
    titles: dict[str, str], metrics: Sequence[StudyMetric], entries: Sequence[StudyEntry]
) -> list[SentencePart]:
    """Who finds the evidence better than a blob in the middle."""
    measured = {entry.metric for entry in entries if entry.versus_blob and entry.versus_blob.low is not None}
    metric = next((metric for key in PLACES for metric in metrics if metric.key == key), None)
    if metric is None or metric.key not in measured:
        return []
    compared = [entry for entry in entries if entry.metric == metric.key and entry.versus_blob is not None]
    better = [entry.method for entry in compared if entry.versus_blob and entry.versus_blob.beats]
    link = SentencePart(text=metric.title.lower(), metric=metric.key)
    if not better:
        return [
            SentencePart(text=" At "),
            link,
            SentencePart(text=" none is better than a blob in the middle."),
        ]
    if len(better) == len(compared) > 1:
        return [
            SentencePart(text=" At "),
            link,
            SentencePart(text=" all are better than a blob in the middle."),
        ]
    verb = "is" if len(better) == 1 else "are"
    return [
        SentencePart(text=" At "),
        link,
        SentencePart(text=" only " if len(compared) > 1 else " "),
        *_listed([SentencePart(text=titles[method], method=method) for method in better]),
        SentencePart(text=f" {verb} better than a blob in the middle."),
    ]


def _turned(metrics: Sequence[StudyMetric], entries: Sequence[StudyEntry]) -> list[SentencePart]:
    """Metrics whose order depends on the baseline."""
    turned = [
        metric
        for metric in metrics
        if any(entry.flips for entry in entries if entry.metric == metric.key and entry.flips)
    ]
    if not turned:
        return []
    return [
        SentencePart(text=" The order under "),
        *_listed([SentencePart(text=metric.title.lower(), metric=metric.key) for metric in turned]),
        SentencePart(text=" depends on what replaces removed evidence."),
    ]
