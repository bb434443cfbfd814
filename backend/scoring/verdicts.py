"""Which methods passed for a network, in which order, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.core.evaluation_results import FamilyRanks, StudyEntry, StudyMetric, StudyRow, Verdict
from backend.scoring.intervals import FEWEST

ALIKE = 0.5
"""Likeness from which on a map counts as unmoved when weights or class are changed."""
PLACES = ("relevance_mass_accuracy", "relevance_rank_accuracy", "pointing_game")
"""Metrics of localisation, the one that decides first."""
RULE = (
    "A method passes when nothing that was measured speaks against it: where the evidence is known, its maps hold more of it "
    "than a map that is the same everywhere; under at least one metric of faithfulness it is better than a "
    f"blob in the middle and under none worse; and it changes with weights and class (likeness under {ALIKE:g}). "
    '"More" means that the 95 % interval of the paired differences lies above 0. Passed methods come first, then the '
    "better mean rank over families."
)


def verdicts(
    rows: Sequence[StudyRow],
    metrics: Sequence[StudyMetric],
    entries: Sequence[StudyEntry],
    families: Sequence[FamilyRanks],
) -> list[Verdict]:
    """Best first. A method of which nothing could be judged has not passed."""
    by_key = {(entry.method, entry.metric): entry for entry in entries}
    judged = [_verdict(row, metrics, by_key) for row in rows if not row.control]
    place = _mean_ranks(families)
    return sorted(judged, key=lambda each: (not each.passed, place.get(each.method, float("inf"))))


def _verdict(
    row: StudyRow,
    metrics: Sequence[StudyMetric],
    entries: Mapping[tuple[str, str], StudyEntry],
) -> Verdict:
    if row.reason:
        return Verdict(method=row.method, passed=False, because=row.reason, judged=False)
    of_family: dict[str, list[tuple[StudyMetric, StudyEntry]]] = {}
    for metric in metrics:
        entry = entries[row.method, metric.key]
        if entry.n:
            of_family.setdefault(metric.family, []).append((metric, entry))
    findings = [
        finding
        for finding in (
            _localisation(of_family.get("localisation", [])),
            _faithfulness(of_family.get("faithfulness", [])),
            _randomisation(of_family.get("randomisation", [])),
        )
        if finding is not None
    ]
    if not findings:
        because = "Nothing that decides was measured on enough inputs."
        return Verdict(method=row.method, passed=False, because=because, judged=False)
    against = [words for passed, words in findings if not passed]
    return Verdict(
        method=row.method, passed=not against, because=" ".join(against or [words for _, words in findings])
    )


Finding = tuple[bool, str]


def _localisation(measured: Sequence[tuple[StudyMetric, StudyEntry]]) -> Finding | None:
    by_key = {metric.key: entry for metric, entry in measured}
    entry = next((by_key[key] for key in PLACES if key in by_key), None)
    if entry is None or entry.versus_uniform is None or entry.versus_uniform.low is None:
        return None
    if not entry.versus_uniform.beats:
        return False, "It does not find the known evidence beyond a map that is the same everywhere."
    blob = entry.versus_blob
    return True, (
        "It finds the known evidence, more than a blob in the middle."
        if blob is not None and blob.beats
        else "It finds the known evidence, but no more than a blob in the middle."
    )


def _faithfulness(measured: Sequence[tuple[StudyMetric, StudyEntry]]) -> Finding | None:
    compared = [
        entry.versus_blob
        for _, entry in measured
        if entry.versus_blob is not None and entry.versus_blob.low is not None
    ]
    if not compared:
        return None
    if any(each.high is not None and each.high < 0 for each in compared):
        return False, "Under a metric of faithfulness it is worse than a blob in the middle."
    if not any(each.beats for each in compared):
        return False, "It is not more faithful than a blob in the middle."
    return True, "It is more faithful than a blob in the middle."


def _randomisation(measured: Sequence[tuple[StudyMetric, StudyEntry]]) -> Finding | None:
    enough = [(metric, entry) for metric, entry in measured if entry.n >= FEWEST]
    if not enough:
        return None
    for metric, entry in enough:
        assert entry.mean is not None
        if metric.better == "lower" and entry.mean >= ALIKE:
            return False, f"Its maps hardly change when they should ({metric.title}: {entry.mean:.2f})."
        if metric.better == "higher" and entry.mean <= 0:
            return False, f"Its maps do not change when they should ({metric.title}: {entry.mean:.2f})."
    return True, "Its maps change with what they explain."


def _mean_ranks(families: Sequence[FamilyRanks]) -> dict[str, float]:
    """Mean rank over families; a method that a family could not rank stands last in it."""
    methods = {rank.method for family in families for rank in family.ranks}
    return {
        method: sum(
            next((rank.rank for rank in family.ranks if rank.method == method), len(family.ranks) + 1)
            for family in families
        )
        / len(families)
        for method in methods
    }
