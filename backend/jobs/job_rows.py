"""Reading the job table: which jobs there are, how they stand, what is ahead of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
)

from app.core.errors import NotFound
from backend.jobs.workers.protocol import Group, group_of
from backend.store import Store
from backend.store.rows import ACTIVE, JobRow
from backend.store.tables import jobs

CELL = "cell"
"""Kind of the parts of a study."""
ASKED_TOGETHER = 500
"""Keys in one statement: databases take thousands at most."""
LANES: dict[Group, tuple[str, ...]] = {
    "compute": ("interactive", "batch"),
    "short": ("short",),
    "decode": ("decode",),
    "study": ("study",),
}


class JobRows:
    """Rows of `jobs` as they are now."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, key: str) -> JobRow:
        """Raises NotFound."""
        with self.store.engine.connect() as connection:
            return self._get(connection, key)

    def _get(self, connection: Connection, key: str, fresh: bool = False) -> JobRow:
        row = connection.execute(select(jobs).where(jobs.c.key == key)).mappings().first()
        if row is None:
            raise NotFound("There is no such job; it may have been deleted.", code="unknown_job")
        return _row(row, fresh)

    def ahead(self, key: str) -> int:
        """How many jobs come before a waiting one, running ones included."""
        this = select(jobs).where(jobs.c.key == key).subquery()
        earlier = or_(
            jobs.c.rank > this.c.rank,
            and_(jobs.c.rank == this.c.rank, jobs.c.turn < this.c.turn),
            and_(jobs.c.rank == this.c.rank, jobs.c.turn == this.c.turn, jobs.c.created < this.c.created),
        )
        before = or_(jobs.c.state == "running", and_(jobs.c.state == "queued", earlier))
        with self.store.engine.connect() as connection:
            lane = connection.execute(select(jobs.c.lane).where(jobs.c.key == key)).scalar()
            if lane is None:
                return 0
            statement = select(func.count()).select_from(jobs.join(this, jobs.c.key != this.c.key))
            return connection.execute(statement.where(before, same_line(lane))).scalar_one()

    def blobs(self, key: str) -> dict[str, str]:
        with self.store.engine.connect() as connection:
            return self.store.references(connection, f"job:{key}")

    def listing(
        self,
        client: str | None,
        states: tuple[str, ...] | None,
        limit: int,
        kinds: Collection[str] | None = None,
    ) -> list[JobRow]:
        """Active ones first, then the newest."""
        statement = (
            select(jobs)
            .order_by(case((jobs.c.state.in_(ACTIVE), 0), else_=1), jobs.c.created.desc())
            .limit(limit)
        )
        if client is not None:
            statement = statement.where(jobs.c.client == client)
        if states is not None:
            statement = statement.where(jobs.c.state.in_(states))
        if kinds is not None:
            statement = statement.where(jobs.c.kind.in_(kinds))
        with self.store.engine.connect() as connection:
            return [_row(row, False) for row in connection.execute(statement).mappings()]

    def done_of_kind(self, kind: str) -> list[JobRow]:
        """Oldest first."""
        statement = select(jobs).where(jobs.c.kind == kind, jobs.c.state == "done").order_by(jobs.c.created)
        with self.store.engine.connect() as connection:
            return [_row(row, False) for row in connection.execute(statement).mappings()]

    def states(self, keys: Collection[str]) -> dict[str, str]:
        """Of those that there are."""
        return {row.key: row.state for row in self._rows_of(keys, jobs.c.key, jobs.c.state)}

    def outcomes(
        self, keys: Collection[str]
    ) -> dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]]:
        """Result and error of those that have ended."""
        rows = self._rows_of(keys, jobs.c.key, jobs.c.state, jobs.c.result, jobs.c.error)
        return {row.key: (row.result, row.error) for row in rows if row.state not in ACTIVE}

    def _rows_of(self, keys: Collection[str], *columns: Column[Any]) -> list[Any]:
        ordered = list(keys)
        with self.store.engine.connect() as connection:
            return [
                row
                for start in range(0, len(ordered), ASKED_TOGETHER)
                for row in connection.execute(
                    select(*columns).where(jobs.c.key.in_(ordered[start : start + ASKED_TOGETHER]))
                )
            ]

    def keys_of_kind(self, kind: str) -> set[str]:
        with self.store.engine.connect() as connection:
            return set(connection.execute(select(jobs.c.key).where(jobs.c.kind == kind)).scalars())

    def active(self, keys: Collection[str]) -> set[str]:
        """Those of `keys` that wait or run."""
        with self.store.engine.connect() as connection:
            active_keys = connection.execute(select(jobs.c.key).where(jobs.c.state.in_(ACTIVE))).scalars()
            return set(active_keys) & set(keys)

    def mentioning(self, words: Collection[str], kinds: Collection[str] | None = None) -> list[JobRow]:
        """Jobs whose payload contains one of these ids, of any kind."""
        if not words:
            return []
        statement = select(jobs).where(
            or_(*(cast(jobs.c.payload, Text).contains(word, autoescape=True) for word in words))
        )
        if kinds is not None:
            statement = statement.where(jobs.c.kind.in_(kinds))
        with self.store.engine.connect() as connection:
            return [_row(row, False) for row in connection.execute(statement).mappings()]


def same_line(lane: str) -> ColumnElement[bool]:
    """Jobs that wait for the same workers."""
    return jobs.c.lane.in_(LANES[group_of(lane)])  # type: ignore[arg-type]


def elsewhere() -> ColumnElement[int]:
    """1 for a cell of a study whose input another running cell is about, else 0."""
    others = jobs.alias()
    busy = select(_subject(others)).where(others.c.kind == CELL, others.c.state == "running")
    return case((and_(jobs.c.kind == CELL, _subject(jobs).in_(busy)), 1), else_=0)


def _subject(table: FromClause) -> ColumnElement[str]:
    """What a cell is about: a stored input, or one number of a set."""
    payload = table.c.payload
    numbered = payload["set"].as_string() + ":" + payload["number"].as_string()
    return func.coalesce(payload[("input", "id")].as_string(), numbered)


def _row(row: Any, fresh: bool) -> JobRow:
    names = (
        "key",
        "kind",
        "state",
        "title",
        "client",
        "payload",
        "result",
        "error",
        "attempts",
        "results",
        "created",
        "started",
        "finished",
    )
    return JobRow(**{name: row[name] for name in names}, fresh=fresh)
