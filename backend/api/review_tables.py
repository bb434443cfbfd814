"""What all reviewers said of a list, over the cases that the one who asks may know of: agreement, and a table."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping

from app.core.schemas import ModelAgreement, PairAgreement, ReviewerCount, WorklistAgreement
from app.core.text import spreadsheet_cell
from backend.api.cases import summary
from backend.scoring.agreement import Kappa, cohen
from backend.store import review
from backend.store.cases import WorklistRow
from backend.store.rows import iso

if TYPE_CHECKING:
    from backend.api.services import Services

HEADS = (
    "case", "number", "name", "input", "label", "model", "model_says", "score", "score_of", "reviewer", "stage", "at", "reading",
    "prediction", "explanation", "note", "region",
)  # fmt: skip

Readings = dict[str, dict[str, list[int | None]]]
"""By reviewer and case: the classes named, oldest first, None for `cannot_say`."""


async def agreement(services: Services, listed: WorklistRow, reviewer: str) -> WorklistAgreement:
    """Between reviewers, and of each with the model. Cases whose model is hidden from `reviewer` are not counted."""
    members, said = await services.store.run(review.everything, services.store, listed.id, reviewer)
    counts = await services.store.run(review.judged, services.store, listed.id)
    shown = {row["id"]: row["answer"] for row in members if row["revealed"]}
    readings = _readings(row for row in said if row["case"] in shown)
    labels = listed.labels
    pairs = [
        PairAgreement(a=a, b=b, **_told(*_both(readings[a], readings[b]), labels))
        for a, b in combinations(sorted(readings), 2)
    ]
    model = {case: [int(says) if says.isdecimal() else None] for case, says in shown.items() if says}
    return WorklistAgreement(
        reviewers=[ReviewerCount(name=name, judged=count) for name, count in counts.items()],
        pairs=pairs,
        model=[_with_model(name, readings[name], model, labels) for name in sorted(readings)],
        hidden=len(members) - len(shown),
        words=f"{_words(pairs, len(readings))} {not_counted(len(members) - len(shown), reviewer)}".strip(),
    )


def _readings(rows: Iterable[RowMapping]) -> Readings:
    told: Readings = {}
    for row in rows:
        if row["reading"] is not None:
            value = int(row["reading"]) if row["reading"].isdecimal() else None
            told.setdefault(row["reviewer"], {}).setdefault(row["case"], []).append(value)
    return told


def _both(a: dict[str, list[int | None]], b: dict[str, list[int | None]]) -> tuple[list[int], list[int], int]:
    """First classes of both, and on how many cases one of them named none."""
    common = [(a[case][0], b[case][0]) for case in a if case in b]
    pairs = [(x, y) for x, y in common if x is not None and y is not None]
    return [x for x, _ in pairs], [y for _, y in pairs], len(common) - len(pairs)


def _told(first: list[int], second: list[int], left_out: int, labels: Sequence[str]) -> dict[str, Any]:
    found: Kappa = cohen(first, second, labels)
    words = found.words
    if left_out:
        words += f" Left out: {left_out:,} on which one of them named no class."
    return {**vars(found), "left_out": left_out, "words": words}


def _with_model(
    name: str, mine: dict[str, list[int | None]], model: dict[str, list[int | None]], labels: Sequence[str]
) -> ModelAgreement:
    compared = [case for case in mine if case in model and None not in (mine[case][0], model[case][0])]
    count = len(compared)
    after = sum(mine[case][-1] == model[case][0] for case in compared)
    told = _told(*_both(mine, model), labels)
    return ModelAgreement(reviewer=name, **told, before=told["agree"], after=after / count if count else None)


def _words(pairs: Sequence[PairAgreement], reviewers: int) -> str:
    if reviewers == 0:
        words = "Nobody has judged a case that can be counted yet."
    elif reviewers == 1:
        words = "One reviewer so far; agreement takes two."
    elif len(pairs) == 1:
        words = f"{pairs[0].a} and {pairs[0].b}: {pairs[0].words}"
    else:
        defined = [pair.kappa for pair in pairs if pair.kappa is not None]
        spread = f"kappa {min(defined):.2f} to {max(defined):.2f}" if defined else "kappa is not defined"
        words = f"{reviewers} reviewers, {len(pairs)} pairs: {spread}."
    return words


def not_counted(hidden: int, reviewer: str) -> str:
    """A sentence, or nothing."""
    cases = "case whose model is" if hidden == 1 else "cases whose model is"
    return f"Not counted: {hidden:,} {cases} still hidden from {reviewer}." if hidden else ""


async def verdicts_csv(services: Services, listed: WorklistRow, reviewer: str | None) -> str:
    """A line per verdict, and one per case without any. reviewer: None is the operator, from whom nothing is hidden."""
    members, said = await services.store.run(review.everything, services.store, listed.id, reviewer)
    return await asyncio.to_thread(_table, listed, members, said)


def _table(listed: WorklistRow, members: Sequence[RowMapping], said: Sequence[RowMapping]) -> str:
    by_case: dict[str, list[RowMapping]] = {}
    for row in said:
        by_case.setdefault(row["case"], []).append(row)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(HEADS)
    for member in members:
        for verdict in by_case.get(member["id"], [None]):
            writer.writerow([spreadsheet_cell(cell) for cell in _line(listed, member, verdict)])
    return "\ufeff" + buffer.getvalue()


def _line(listed: WorklistRow, member: review.CaseRow, verdict: RowMapping | None) -> list[Any]:
    told = summary(member)
    case = [
        told.id,
        told.number,
        told.name,
        told.input,
        told.label,
        listed.model,
        told.model_says,
        told.score,
        told.score_of,
    ]
    if verdict is None:
        return [*case, *[None] * 8]
    reading = verdict["reading"]
    said = listed.labels[int(reading)] if reading and reading.isdecimal() else reading
    region = None if verdict["region"] is None else json.dumps(verdict["region"])
    rest = [verdict[name] for name in ("prediction", "explanation", "note")]
    return [*case, verdict["reviewer"], verdict["stage"], iso(verdict["created"]), said, *rest, region]
