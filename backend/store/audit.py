"""The audit log: who did what to which object, and with which versions. Rows are only ever added.

No contents and no names of files. Ids that are hashes or long random numbers are shortened: after a deletion the log
must not hold the last copy of one, and twelve characters are enough to find an entry again by somebody who has the file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from app import __version__
from backend.store.database import Store
from backend.store.tables import audit

SHORT = 12
_HASH = re.compile(r"[0-9a-f]{32,}")


@dataclass(frozen=True)
class Entry:
    """at: Unix seconds. action: `input.delete`. object: id, hashes shortened."""

    id: int
    at: float
    who: str
    action: str
    object: str
    facts: dict[str, Any]


def record(store: Store, who: str, action: str, object: str, facts: dict[str, Any]) -> None:
    """Adds an entry about now."""
    with store.write() as connection:
        add(connection, who, action, object, facts)


def add(connection: Connection, who: str, action: str, object: str, facts: dict[str, Any]) -> None:
    """`record` inside a transaction: what is written down and the entry about it are there both or neither."""
    written = {"evident": __version__, **{name: _short(value) for name, value in facts.items()}}
    row = {"at": time.time(), "who": who[:80], "action": action, "object": short(object)[:200]}
    connection.execute(insert(audit).values(**row, facts=written))


@dataclass(frozen=True)
class Filter:
    """who, action: exactly. object: how it begins, as long as anybody likes. since, until: Unix seconds."""

    who: str | None = None
    action: str | None = None
    object: str | None = None
    since: float | None = None
    until: float | None = None

    def conditions(self) -> list[Any]:
        beginning = short(self.object) if self.object else None
        asked = {
            "who": None if self.who is None else audit.c.who == self.who,
            "action": None if self.action is None else audit.c.action == self.action,
            "object": None if beginning is None else audit.c.object.startswith(beginning, autoescape=True),
            "since": None if self.since is None else audit.c.at >= self.since,
            "until": None if self.until is None else audit.c.at < self.until,
        }
        return [condition for condition in asked.values() if condition is not None]


def entries(store: Store, wanted: Filter, offset: int, limit: int) -> tuple[list[Entry], int]:
    """Newest first, and how many there are in all."""
    where = wanted.conditions()
    newest = select(audit).where(*where).order_by(audit.c.id.desc()).offset(offset).limit(limit)
    with store.engine.connect() as connection:
        rows = [Entry(**row) for row in connection.execute(newest).mappings()]
        total = connection.execute(select(func.count()).select_from(audit).where(*where)).scalar() or 0
    return rows, total


def choices(store: Store) -> tuple[list[str], list[str]]:
    """Actions, and people, that there are entries of."""
    with store.engine.connect() as connection:
        actions = connection.execute(select(audit.c.action).distinct().order_by(audit.c.action))
        people = connection.execute(select(audit.c.who).distinct().order_by(audit.c.who))
        return list(actions.scalars()), list(people.scalars())


def oldest_first(store: Store, batch: int = 1000) -> Iterator[Entry]:
    """All of it."""
    last = 0
    while True:
        following = select(audit).where(audit.c.id > last).order_by(audit.c.id).limit(batch)
        with store.engine.connect() as connection:
            rows = [Entry(**row) for row in connection.execute(following).mappings()]
        if not rows:
            return
        yield from rows
        last = rows[-1].id


def short(id: str) -> str:
    """Hashes in an id by their first twelve characters."""
    return _HASH.sub(lambda match: match[0][:SHORT], id)


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return short(value)
    return [_short(part) for part in value] if isinstance(value, list | tuple) else value
