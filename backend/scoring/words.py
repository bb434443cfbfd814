"""The outcome of a study in one or two sentences, in parts that link to the method or metric they name."""

from __future__ import annotations

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
) -> list[SentencePart]:
    """inputs: how many of what, "32 drawn objects"."""
    titles = {row.method: row.title for row in rows}
    largest = max((entry.n for entry in entries), default=0)
    if largest == 0:
        return []
    parts = [SentencePart(text=f"On {inputs}, ")]
    parts += _leaders(titles, metrics, families)
    parts += _places(titles, metrics, entries)
    parts += _turned(metrics, entries)
    passed = [verdict for verdict in judged if verdict.passed]
    if largest < FEWEST:
        parts.append(
            SentencePart(text=f" Fewer than {FEWEST} inputs: this is an impression, not a measurement.")
        )
    elif passed and len(judged) > 1:
        parts.append(SentencePart(text=f" {len(passed)} of {len(judged)} methods passed; first "))
        parts.append(SentencePart(text=titles[passed[0].method], method=passed[0].method))
        parts.append(SentencePart(text="."))
    elif len(judged) > 1:
        parts.append(SentencePart(text=" No method passed."))
    return parts


def _leaders(
    titles: dict[str, str], metrics: Sequence[StudyMetric], families: Sequence[FamilyRanks]
) -> list[SentencePart]:
    """Who leads which families."""
    leading: dict[str, list[str]] = {}
    for family in families:
        if len(family.ranks) > 1:
            first = min(family.ranks, key=lambda rank: rank.rank)
            leading.setdefault(first.method, []).append(family.family)
    if not leading:
        return [SentencePart(text="there is one method to measure.")]
    by_family = {metric.family: metric.key for metric in reversed(metrics)}
    parts: list[SentencePart] = []
    for number, (method, names) in enumerate(leading.items()):
        if number:
            parts.append(SentencePart(text=" and " if number == len(leading) - 1 else ", "))
        parts.append(SentencePart(text=titles[method], method=method))
        parts.append(SentencePart(text=" leads in "))
        for position, name in enumerate(names):
            if position:
                parts.append(SentencePart(text=" and " if position == len(names) - 1 else ", "))
            parts.append(SentencePart(text=name, metric=by_family[name]))
    return [*parts, SentencePart(text=".")]


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
    parts = [SentencePart(text=" At "), link, SentencePart(text=" only " if len(compared) > 1 else " ")]
    for number, method in enumerate(better):
        if number:
            parts.append(SentencePart(text=" and " if number == len(better) - 1 else ", "))
        parts.append(SentencePart(text=titles[method], method=method))
    verb = "is" if len(better) == 1 else "are"
    return [*parts, SentencePart(text=f" {verb} better than a blob in the middle.")]


def _turned(metrics: Sequence[StudyMetric], entries: Sequence[StudyEntry]) -> list[SentencePart]:
    """Metrics whose order depends on the baseline."""
    turned = [
        metric
        for metric in metrics
        if any(entry.flips for entry in entries if entry.metric == metric.key and entry.flips)
    ]
    if not turned:
        return []
    parts = [SentencePart(text=" The order under ")]
    for number, metric in enumerate(turned):
        if number:
            parts.append(SentencePart(text=" and " if number == len(turned) - 1 else ", "))
        parts.append(SentencePart(text=metric.title.lower(), metric=metric.key))
    return [*parts, SentencePart(text=" depends on what replaces removed evidence.")]
