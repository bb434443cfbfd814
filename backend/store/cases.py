"""Rows of worklists, cases, verdicts and events: what is written. How a reviewer sees them: `backend.store.review`.

Verdicts and events are appended and never changed. A case holds the name of its file, because the list is the user's own;
the name goes with the case.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from app.core.errors import Conflict, NotFound, TooLarge
from backend.store.database import Store
from backend.store.tables import case_events, cases, inputs, verdicts, worklists

MOST_ENTRIES = 1000
"""Verdicts, and events, of one reviewer on one case."""
UNDECIDED, WITHHELD, FAILED = "undecided", "withheld", "failed"
"""Answers that name no class."""
ANSWER = ("answer", "score", "score_class", "prediction", "problem")
"""Columns that come from the model; they go with the input."""
TOGETHER = 500
"""Ids in one statement."""


@dataclass(frozen=True)
class WorklistRow:
    """maker: the user who was signed in when it was made; a name that anybody can give is none."""

    id: str
    title: str
    model: str
    model_title: str
    labels: list[str]
    blind: bool
    created: float = 0.0
    maker: str | None = None


@dataclass(frozen=True)
class NewCase:
    """An input that joins a list."""

    input: str
    name: str
    label: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the model says of a case. answer: a class as text, or one of the answers that name none."""

    answer: str
    score: float | None = None
    score_class: int | None = None
    prediction: str | None = None
    problem: str | None = None


# Worklists


def open_worklist(store: Store, row: WorklistRow) -> WorklistRow:
    """A new list, or the one of the same title and model."""
    with store.write() as connection:
        same = (worklists.c.title == row.title, worklists.c.model == row.model)
        there = connection.execute(select(worklists).where(*same)).mappings().first()
        if there is not None:
            return WorklistRow(**there)
        values = {**vars(row), "id": uuid.uuid4().hex, "created": time.time()}
        connection.execute(insert(worklists).values(values))
        return WorklistRow(**values)


def worklist(store: Store, id: str) -> WorklistRow:
    """Raises NotFound."""
    with store.engine.connect() as connection:
        return _worklist(connection, id)


def _worklist(connection: Connection, id: str, lock: bool = False) -> WorklistRow:
    statement = select(worklists).where(worklists.c.id == id)
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().first()
    if row is None:
        raise NotFound(
            "There is no such worklist; it may have been deleted.", code="unknown_worklist", field="worklist"
        )
    return WorklistRow(**row)


def all_worklists(store: Store) -> list[WorklistRow]:
    """Newest first."""
    with store.engine.connect() as connection:
        rows = connection.execute(select(worklists).order_by(worklists.c.created.desc())).mappings()
        return [WorklistRow(**row) for row in rows]


def free_title(store: Store) -> str:
    """`List 3`: the first that no list has."""
    with store.engine.connect() as connection:
        taken = set(connection.execute(select(worklists.c.title)).scalars())
    return next(title for number in itertools.count(1) if (title := f"List {number}") not in taken)


def rename_worklist(store: Store, id: str, title: str) -> None:
    """Raises NotFound, Conflict when another list of this model is called so."""
    with store.write() as connection:
        row = _worklist(connection, id, lock=True)
        same = (worklists.c.title == title, worklists.c.model == row.model, worklists.c.id != id)
        if connection.execute(select(worklists.c.id).where(*same)).first() is not None:
            raise Conflict(
                "Another list of this model has that title; choose another.",
                code="title_taken",
                field="title",
            )
        connection.execute(update(worklists).where(worklists.c.id == id).values(title=title))


def delete_worklist(store: Store, id: str) -> int:
    """The list with its cases and all that was said; returns how many cases. Raises NotFound."""
    with store.write() as connection:
        _worklist(connection, id, lock=True)
        members = select(cases.c.id).where(cases.c.worklist == id)
        for table in (verdicts, case_events):
            connection.execute(delete(table).where(table.c.case.in_(members)))
        count = connection.execute(delete(cases).where(cases.c.worklist == id)).rowcount
        connection.execute(delete(worklists).where(worklists.c.id == id))
    return count


# Cases


def add_cases(
    store: Store, worklist: str, new: Sequence[NewCase], reviewer: str, most: int
) -> tuple[list[str], int]:
    """Ids in the order of `new`, and how many were not there before. What a case of the list lacks (its name, its
    label) is filled in; nothing else of it changes. Raises NotFound (list, inputs), TooLarge."""
    now = time.time()
    with store.write() as connection:
        _worklist(connection, worklist, lock=True)
        wanted = list({entry.input: entry for entry in reversed(new)}.values())[::-1]
        for start in range(0, len(wanted), TOGETHER):
            store.require_inputs(connection, {entry.input for entry in wanted[start : start + TOGETHER]})
        there = _members(connection, worklist)
        fresh = [entry for entry in wanted if entry.input not in there]
        if len(there) + len(fresh) > most:
            raise TooLarge(
                f"A worklist holds at most {most:,} cases, and this one would have {len(there) + len(fresh):,}; "
                "put the others into a second list.",
                code="worklist_full",
                field="inputs",
            )
        last = connection.execute(
            select(func.max(cases.c.number)).where(cases.c.worklist == worklist)
        ).scalar()
        rows: list[dict[str, Any]] = [
            {
                "id": uuid.uuid4().hex,
                "worklist": worklist,
                "number": number,
                "input": entry.input,
                "name": entry.name,
                "label": entry.label,
                "created": now,
            }
            for number, entry in enumerate(fresh, (last or 0) + 1)
        ]
        if rows:
            connection.execute(insert(cases), rows)
            _log(connection, [row["id"] for row in rows], reviewer, "created", {}, now)
        for entry in wanted:
            if entry.input in there:
                _fill_in(connection, there[entry.input], entry)
        ids = {input: member.id for input, member in there.items()} | {
            row["input"]: row["id"] for row in rows
        }
    return [ids[entry.input] for entry in new], len(rows)


def _members(connection: Connection, worklist: str) -> dict[str, Any]:
    columns = (cases.c.id, cases.c.input, cases.c.name, cases.c.label)
    rows = connection.execute(select(*columns).where(cases.c.worklist == worklist))
    return {row.input: row for row in rows}


def _fill_in(connection: Connection, member: Any, entry: NewCase) -> None:
    lacking = {
        name: value
        for name, value in (("name", entry.name), ("label", entry.label))
        if value and not getattr(member, name)
    }
    if lacking:
        connection.execute(update(cases).where(cases.c.id == member.id).values(lacking))


def case_of(store: Store, id: str) -> Any:
    """Its row. Raises NotFound."""
    with store.engine.connect() as connection:
        return _case(connection, id)


def delete_case(store: Store, id: str) -> None:
    """The case and all that was said of it. Raises NotFound."""
    with store.write() as connection:
        _case(connection, id, lock=True)
        for table in (verdicts, case_events):
            connection.execute(delete(table).where(table.c.case == id))
        connection.execute(delete(cases).where(cases.c.id == id))


def modalities(store: Store, ids: Collection[str]) -> dict[str, str]:
    """Of those of these inputs that are here."""
    ordered = list(ids)
    columns = (inputs.c.id, inputs.c.modality)
    with store.engine.connect() as connection:
        return {
            row.id: row.modality
            for start in range(0, len(ordered), TOGETHER)
            for row in connection.execute(
                select(*columns).where(inputs.c.id.in_(ordered[start : start + TOGETHER]))
            )
        }


def inputs_of_worklist(store: Store, id: str) -> list[str]:
    """Raises NotFound."""
    with store.engine.connect() as connection:
        _worklist(connection, id)
        return list(connection.execute(select(cases.c.input).where(cases.c.worklist == id)).scalars())


def in_other_lists(store: Store, ids: Collection[str], worklist: str) -> set[str]:
    """Those of these inputs that another list than this one has a case of."""
    ordered = list(ids)
    with store.engine.connect() as connection:
        return {
            input
            for start in range(0, len(ordered), TOGETHER)
            for input in connection.execute(
                select(cases.c.input)
                .where(cases.c.input.in_(ordered[start : start + TOGETHER]), cases.c.worklist != worklist)
                .distinct()
            ).scalars()
        }


def cases_of_input(store: Store, input: str) -> list[tuple[str, str]]:
    """Id of each case about it, and what people call it: its number and its list."""
    statement = (
        select(cases.c.id, cases.c.number, worklists.c.title)
        .join(worklists, worklists.c.id == cases.c.worklist)
        .where(cases.c.input == input)
        .order_by(worklists.c.created, cases.c.number)
    )
    with store.engine.connect() as connection:
        return [(row.id, f"case {row.number} of {row.title}") for row in connection.execute(statement)]


def _case(connection: Connection, id: str, lock: bool = False) -> Any:
    statement = select(cases, worklists.c.blind).join(worklists, worklists.c.id == cases.c.worklist)
    statement = statement.where(cases.c.id == id)
    row = connection.execute(statement.with_for_update(of=cases) if lock else statement).first()
    if row is None:
        raise unknown_case()
    return row


def unknown_case() -> NotFound:
    return NotFound("There is no such case; it may have been deleted.", code="unknown_case", field="case")


# What reviewers say and do


def add_verdict(store: Store, case: str, reviewer: str, verdict: Mapping[str, Any]) -> None:
    """verdict: columns of the table. Raises NotFound, Conflict where its stage is not the reviewer's, TooLarge."""
    with store.write() as connection:
        row = _case(connection, case, lock=True)
        shown = _revealed(connection, row, reviewer)
        if verdict["stage"] == "after" and not shown:
            raise Conflict(
                "The model's answer is not shown yet: record your own reading first, then have it shown.",
                code="not_revealed",
                field="stage",
            )
        if verdict["stage"] == "before" and shown:
            raise Conflict(
                "The model's answer was already shown, so this is no reading before it: record it as after.",
                code="already_revealed",
                field="stage",
            )
        _require_room(connection, verdicts, case, reviewer)
        answer = {name: getattr(row, name) for name in ANSWER}
        values = {**verdict, "shown": {**verdict["shown"], "model": answer if shown else None}}
        connection.execute(
            insert(verdicts).values(case=case, reviewer=reviewer, created=time.time(), **values)
        )


def reveal(store: Store, case: str, reviewer: str) -> bool:
    """Whether it was hidden until now. Raises NotFound, Conflict (`judge_first`)."""
    with store.write() as connection:
        row = _case(connection, case, lock=True)
        if _revealed(connection, row, reviewer):
            return False
        mine = (verdicts.c.case == case, verdicts.c.reviewer == reviewer, verdicts.c.stage == "before")
        if connection.execute(select(verdicts.c.id).where(*mine).limit(1)).first() is None:
            raise Conflict(
                "Record your own reading first; the model's answer is shown after it.", code="judge_first"
            )
        _log(connection, [case], reviewer, "reveal", {}, time.time())
        return True


def add_event(store: Store, case: str, reviewer: str, kind: str, detail: Mapping[str, Any]) -> None:
    """Raises NotFound, TooLarge."""
    with store.write() as connection:
        _case(connection, case, lock=True)
        _require_room(connection, case_events, case, reviewer)
        _log(connection, [case], reviewer, kind, detail, time.time())


def _revealed(connection: Connection, row: Any, reviewer: str) -> bool:
    if not row.blind:
        return True
    mine = (case_events.c.case == row.id, case_events.c.reviewer == reviewer, case_events.c.kind == "reveal")
    return connection.execute(select(case_events.c.id).where(*mine).limit(1)).first() is not None


def _require_room(connection: Connection, table: Any, case: str, reviewer: str) -> None:
    mine = (table.c.case == case, table.c.reviewer == reviewer)
    count = connection.execute(select(func.count()).select_from(table).where(*mine)).scalar_one()
    if count >= MOST_ENTRIES:
        raise TooLarge(
            f"The history of this case is full: {MOST_ENTRIES:,} entries of one reviewer are kept.",
            code="history_full",
        )


def _log(
    connection: Connection, ids: Sequence[str], reviewer: str, kind: str, detail: Mapping[str, Any], at: float
) -> None:
    entry = {"reviewer": reviewer, "kind": kind, "detail": dict(detail), "created": at}
    connection.execute(insert(case_events), [{"case": id, **entry} for id in ids])


# The model's answers


@dataclass(frozen=True)
class Unanswered:
    """A case that the model was not asked about yet."""

    id: str
    input: str
    model: str
    labels: list[str]


def unanswered(store: Store, most: int, besides: Collection[str] = ()) -> list[Unanswered]:
    """First what somebody has had shown already and waits for; then the first case of every list, the second, and so on, so
    that a short list does not wait for a long one. Inputs that were deleted are passed over."""
    awaited = exists().where(case_events.c.case == cases.c.id, case_events.c.kind == "reveal")
    columns = (cases.c.id, cases.c.input, worklists.c.model, worklists.c.labels)
    statement = (
        select(*columns)
        .join(worklists, worklists.c.id == cases.c.worklist)
        .join(inputs, inputs.c.id == cases.c.input)
        .where(cases.c.answer.is_(None))
        .order_by(awaited.desc(), cases.c.number, worklists.c.created)
        .limit(most + len(besides))
    )
    with store.engine.connect() as connection:
        rows = [Unanswered(**row) for row in connection.execute(statement).mappings()]
    return [row for row in rows if row.id not in besides][:most]


def record_answer(store: Store, case: str, answer: Answer) -> None:
    """Once: an answer that is there stays, as reviewers may have seen it. Of a deleted input none is kept."""
    values = vars(answer)
    here = select(inputs.c.id).where(inputs.c.id == cases.c.input).exists()
    with store.write() as connection:
        connection.execute(
            update(cases).where(cases.c.id == case, cases.c.answer.is_(None), here).values(values)
        )
