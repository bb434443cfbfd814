"""The history of a case in words: who said and did what, when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from app.core.schemas import HistoryEntry, Verdict
from backend.store.rows import iso

PREDICTION = {
    "plausible": "found the prediction plausible",
    "not_plausible": "found the prediction not plausible",
    "cannot_say": "could not say whether the prediction is plausible",
}
EXPLANATION = {
    "useful": "found the explanation useful",
    "misleading": "found the explanation misleading",
    "cannot_say": "could not say whether the explanation is useful",
}


def entries(verdicts: Sequence[Verdict], events: Sequence[RowMapping]) -> list[HistoryEntry]:
    """Oldest first. A reviewer who listens several times in a row makes one entry."""
    told = [
        HistoryEntry(at=each.at, reviewer=each.reviewer, kind=each.stage, words=verdict_words(each))
        for each in verdicts
    ]
    told += [
        HistoryEntry(
            at=iso(row["created"]),
            reviewer=row["reviewer"],
            kind=row["kind"],
            detail=row["detail"],
            words=event_words(row["kind"], row["detail"]),
        )
        for row in events
    ]
    merged: list[HistoryEntry] = []
    for entry in sorted(told, key=lambda each: each.at):
        last = merged[-1] if merged else None
        if last and entry.kind == last.kind == "listened" and entry.reviewer == last.reviewer:
            detail = _together(last.detail, entry.detail)
            merged[-1] = last.model_copy(update={"detail": detail, "words": event_words("listened", detail)})
        else:
            merged.append(entry)
    return merged


def verdict_words(verdict: Verdict) -> str:
    """`said no Covid-19; found the explanation misleading`."""
    parts = []
    if verdict.region is not None:
        parts.append("marked a region")
    if verdict.reading == "cannot_say":
        parts.append("could not say")
    elif verdict.reading is not None:
        parts.append(f"said {verdict.reading_label}")
    if verdict.prediction is not None:
        parts.append(PREDICTION[verdict.prediction])
    if verdict.explanation is not None:
        parts.append(EXPLANATION[verdict.explanation])
    return "; ".join(parts) or "left a note"


def event_words(kind: str, detail: Mapping[str, Any]) -> str:
    if kind == "listened":
        times, half = _times(detail), _half(detail)
        words = "listened" if times == 1 else f"listened, {times} times"
        return words + (f", {half} at half speed" if half else "")
    return {"region": "drew a region", "reveal": "had the model shown", "created": "added to the list"}[kind]


def _together(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {"times": _times(first) + _times(second), "half": _half(first) + _half(second)}


def _times(detail: Mapping[str, Any]) -> int:
    times = detail.get("times")
    return times if isinstance(times, int) and times > 0 else 1


def _half(detail: Mapping[str, Any]) -> int:
    half = detail.get("half")
    if isinstance(half, int) and half > 0:
        return half
    return _times(detail) if detail.get("speed") == 0.5 else 0
