"""Cases as one reviewer sees them. What the model says of a case is hidden from a reviewer of a blind list who has not had it
shown; every filter, order and count is made of what is not hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    null,
    or_,
    select,
    true,
)

from backend.store.cases import FAILED, TOGETHER, UNDECIDED, WITHHELD, unknown_case
from backend.store.database import Store
from backend.store.tables import case_events, cases, inputs, verdicts, worklists

CaseRow = Mapping[str, Any] | RowMapping
CANNOT_SAY = "cannot_say"
STATES = ("todo", "judged", "disagree")
PEAKS = 48
HIDDEN = ("label", "answer", "score", "score_class", "prediction", "problem")
"""Columns that are null as long as the model is hidden: the label tells a reviewer as much as the model would."""


@dataclass(frozen=True)
class Wanted:
    """Which cases, in which order. verdict: a reading, or a word about the prediction or the explanation. lowest, highest: of the
    score, both included; either leaves out every case whose score this reviewer cannot see."""

    state: str | None = None
    search: str = ""
    verdict: str | None = None
    lowest: float | None = None
    highest: float | None = None
    sort: str = "arrival"
    offset: int = 0
    limit: int = 100


def seen(reviewer: str | None, *, worklist: str | None = None, id: str | None = None) -> Subquery:
    """Cases (of a list, or one), with `revealed`, the reviewer's first `reading`, the last words on `prediction` and
    `explanation`, and the `state` that follows. Hidden columns are null. reviewer: None is the operator, who sees all."""
    which = [cases.c.worklist == worklist] if worklist else [cases.c.id == id] if id else []
    mine = _mine(reviewer, which)
    first, on_prediction, on_explanation = (verdicts.alias() for _ in range(3))
    shown = (
        select(case_events.c.case)
        .join(cases, cases.c.id == case_events.c.case)
        .where(case_events.c.reviewer == reviewer, case_events.c.kind == "reveal", *which)
        .distinct()
        .subquery()
    )
    revealed = true() if reviewer is None else or_(worklists.c.blind.is_(False), shown.c.case.is_not(None))
    differs = and_(
        cases.c.answer.not_in((UNDECIDED, WITHHELD, FAILED)),
        first.c.reading != CANNOT_SAY,
        first.c.reading != cases.c.answer,
    )
    refused = and_(first.c.reading.is_(None), on_prediction.c.prediction == "not_plausible")
    state = case(
        (mine.c.case.is_(None), "todo"), (and_(revealed, or_(differs, refused)), "disagree"), else_="judged"
    )
    open_columns = [column for column in cases.c if column.name not in HIDDEN]
    return (
        select(
            *open_columns,
            *(case((revealed, cases.c[name]), else_=null()).label(name) for name in HIDDEN),
            worklists.c.labels,
            revealed.label("revealed"),
            first.c.reading,
            on_prediction.c.prediction.label("on_prediction"),
            on_explanation.c.explanation.label("on_explanation"),
            state.label("state"),
        )
        .join(worklists, worklists.c.id == cases.c.worklist)
        .outerjoin(mine, mine.c.case == cases.c.id)
        .outerjoin(first, first.c.id == mine.c.first)
        .outerjoin(on_prediction, on_prediction.c.id == mine.c.on_prediction)
        .outerjoin(on_explanation, on_explanation.c.id == mine.c.on_explanation)
        .outerjoin(shown, shown.c.case == cases.c.id)
        .where(*which)
        .subquery()
    )


def _mine(reviewer: str | None, which: list[Any]) -> Subquery:
    """Per case that the reviewer has judged: ids of the verdicts that count."""

    def last(column: Any) -> Any:
        return func.max(case((column.is_not(None), verdicts.c.id)))

    return (
        select(
            verdicts.c.case,
            func.min(case((verdicts.c.reading.is_not(None), verdicts.c.id))).label("first"),
            last(verdicts.c.prediction).label("on_prediction"),
            last(verdicts.c.explanation).label("on_explanation"),
        )
        .join(cases, cases.c.id == verdicts.c.case)
        .where(verdicts.c.reviewer == reviewer, *which)
        .group_by(verdicts.c.case)
        .subquery()
    )


@dataclass(frozen=True)
class Page:
    """rows: with `modality`, `seconds` and `waveform` of the input (null when it was deleted). total: how many match. unscored: how
    many match all but the range of scores, and have none that this reviewer can see. counts: by state, of the whole list."""

    rows: list[CaseRow]
    total: int
    unscored: int
    counts: dict[str, int]


def page(store: Store, worklist: str, reviewer: str, wanted: Wanted) -> Page:
    """Part of a list."""
    view = seen(reviewer, worklist=worklist)
    matching, within = _matching(view, reviewer, wanted), _within(view, wanted)
    place = func.row_number().over(order_by=_order(view, wanted.sort)).label("place")
    part = (
        select(view, place)
        .where(*matching, *within)
        .order_by(place)
        .limit(wanted.limit)
        .offset(wanted.offset)
    )
    chosen = part.subquery()  # sorted before the inputs' facts are read, which are a hundred times as long
    with store.engine.connect() as connection:
        rows = _with_inputs(connection, chosen, select(chosen).order_by(chosen.c.place))
        total = connection.execute(
            select(func.count()).select_from(view).where(*matching, *within)
        ).scalar_one()
        without = select(func.count()).select_from(view).where(*matching, view.c.score.is_(None))
        unscored = connection.execute(without).scalar_one() if within else 0
        return Page(rows, total, unscored, _counts(connection.execute(_count(view)).all()).get(worklist, {}))


def _matching(view: Subquery, reviewer: str, wanted: Wanted) -> list[Any]:
    clauses: list[Any] = []
    if wanted.state is not None:
        clauses.append(view.c.state == wanted.state)
    if wanted.search:
        in_a_note = exists().where(
            verdicts.c.case == view.c.id,
            verdicts.c.reviewer == reviewer,
            verdicts.c.note.icontains(wanted.search, autoescape=True),
        )
        texts = (view.c.name, view.c.label)
        clauses.append(
            or_(*(column.icontains(wanted.search, autoescape=True) for column in texts), in_a_note)
        )
    if wanted.verdict in ("plausible", "not_plausible"):
        clauses.append(view.c.on_prediction == wanted.verdict)
    elif wanted.verdict in ("useful", "misleading"):
        clauses.append(view.c.on_explanation == wanted.verdict)
    elif wanted.verdict is not None:
        clauses.append(view.c.reading == wanted.verdict)
    return clauses


def _within(view: Subquery, wanted: Wanted) -> list[Any]:
    """A score that is hidden is null, and null is in no range: whether a hidden case is found says nothing of it."""
    lowest = [] if wanted.lowest is None else [view.c.score >= wanted.lowest]
    highest = [] if wanted.highest is None else [view.c.score <= wanted.highest]
    return [*lowest, *highest]


def _order(view: Subquery, sort: str) -> tuple[Any, ...]:
    """What is hidden is null and comes last, in the order of arrival."""
    if sort == "name":
        return func.lower(view.c.name), view.c.number
    if sort == "score":
        return view.c.score.is_(None), view.c.score.desc(), view.c.number
    if sort == "verdict":
        return view.c.reading.is_(None), view.c.reading, view.c.number
    return (view.c.number,)


def _count(view: Subquery) -> Select[Any]:
    return select(view.c.worklist, view.c.state, func.count()).group_by(view.c.worklist, view.c.state)


def _counts(rows: Any) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for worklist, state, count in rows:
        counts.setdefault(worklist, dict.fromkeys(STATES, 0))[state] = count
    return counts


def counts(store: Store, reviewer: str, worklist: str | None = None) -> dict[str, dict[str, int]]:
    """Cases by state, by list."""
    with store.engine.connect() as connection:
        return _counts(connection.execute(_count(seen(reviewer, worklist=worklist))).all())


def predicted(store: Store, worklist: str | None = None) -> dict[str, int]:
    """By list: cases that the model has answered, whatever it said."""
    statement = select(cases.c.worklist, func.count(cases.c.answer)).group_by(cases.c.worklist)
    if worklist is not None:
        statement = statement.where(cases.c.worklist == worklist)
    with store.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}


def by_ids(store: Store, worklist: str, reviewer: str, ids: Sequence[str]) -> dict[str, CaseRow]:
    """Rows as in a page, by id of the case."""
    view, wanted = seen(reviewer, worklist=worklist), list(ids)
    with store.engine.connect() as connection:
        return {
            row["id"]: row
            for start in range(0, len(wanted), TOGETHER)
            for row in _with_inputs(
                connection, view, select(view).where(view.c.id.in_(wanted[start : start + TOGETHER]))
            )
        }


def _with_inputs(connection: Connection, view: Subquery, chosen: Select[Any]) -> list[CaseRow]:
    """One row after the other: what is known of a thousand inputs would fill the memory of the web process."""
    statement = chosen.add_columns(inputs.c.modality, inputs.c.meta)
    statement = statement.outerjoin(inputs, inputs.c.id == view.c.input)
    rows: list[CaseRow] = []
    for found in connection.execute(statement.execution_options(yield_per=50)).mappings():
        row = dict(found)
        meta = row.pop("meta") or {}
        rows.append({**row, "seconds": meta.get("seconds"), "waveform": peaks(meta.get("waveform") or [])})
    return rows


def peaks(waveform: Sequence[float]) -> list[float]:
    """The loudest of each of at most 48 parts."""
    if len(waveform) <= PEAKS:
        return list(waveform)
    edges = [round(part * len(waveform) / PEAKS) for part in range(PEAKS + 1)]
    return [max(waveform[start:end]) for start, end in pairwise(edges)]


@dataclass(frozen=True)
class OneCase:
    """row: as in a page. predicted: the prediction's key, hidden or not. verdicts, events: oldest first; of this reviewer alone as long as the model is hidden."""

    row: CaseRow
    predicted: str | None
    verdicts: list[RowMapping]
    events: list[RowMapping]
    previous: str | None
    next: str | None


def one(store: Store, id: str, reviewer: str) -> OneCase:
    """Raises NotFound."""
    view = seen(reviewer, id=id)
    with store.engine.connect() as connection:
        found = _with_inputs(connection, view, select(view))
        if not found:
            raise unknown_case()
        row = found[0]

        def told(table: Any) -> list[RowMapping]:
            mine = [] if row["revealed"] else [table.c.reviewer == reviewer]
            entries = select(table).where(table.c.case == id, *mine).order_by(table.c.id)
            return list(connection.execute(entries).mappings())

        def neighbour(*where: Any, order: Any) -> str | None:
            same = (cases.c.worklist == row["worklist"], *where)
            return connection.execute(select(cases.c.id).where(*same).order_by(order).limit(1)).scalar()

        return OneCase(
            row,
            connection.execute(select(cases.c.prediction).where(cases.c.id == id)).scalar(),
            told(verdicts),
            told(case_events),
            neighbour(cases.c.number < row["number"], order=cases.c.number.desc()),
            neighbour(cases.c.number > row["number"], order=cases.c.number),
        )


def everything(
    store: Store, worklist: str, reviewer: str | None
) -> tuple[list[RowMapping], list[RowMapping]]:
    """Cases in the order of arrival, and the verdicts that this reviewer may know, oldest first."""
    view = seen(reviewer, worklist=worklist)
    members = select(view, inputs.c.modality, null().label("seconds"), null().label("waveform"))
    members = members.outerjoin(inputs, inputs.c.id == view.c.input)
    said = (
        select(verdicts)
        .join(view, view.c.id == verdicts.c.case)
        .where(or_(view.c.revealed, verdicts.c.reviewer == reviewer))
        .order_by(verdicts.c.id)
    )
    with store.engine.connect() as connection:
        return (
            list(connection.execute(members.order_by(view.c.number)).mappings()),
            list(connection.execute(said).mappings()),
        )


def judged(store: Store, worklist: str) -> dict[str, int]:
    """Cases that each reviewer has judged."""
    statement = (
        select(verdicts.c.reviewer, func.count(verdicts.c.case.distinct()))
        .join(cases, cases.c.id == verdicts.c.case)
        .where(cases.c.worklist == worklist)
        .group_by(verdicts.c.reviewer)
        .order_by(verdicts.c.reviewer)
    )
    with store.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}


def labelled(store: Store, reviewer: str) -> Sequence[RowMapping]:
    """id, input, name and label of the cases whose label this reviewer may know, the latest first."""
    view = seen(reviewer)
    with store.engine.connect() as connection:
        query = select(view.c.id, view.c.input, view.c.name, view.c.label).where(view.c.label.is_not(None))
        return connection.execute(query.order_by(view.c.created.desc(), view.c.number)).mappings().all()
