"""The users' own regions of inputs: one each, deleted with the input."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import delete, select

from backend.store import tables
from backend.store.database import Store


def put_region(store: Store, input: str, region: dict[str, Any]) -> None:
    """In place of the one before. Raises NotFound for an input that is not here."""
    with store.write() as connection:
        store.require_inputs(connection, [input])
        values = {"region": region, "created": time.time()}
        row = store.insert(tables.regions).values(input=input, **values)
        connection.execute(row.on_conflict_do_update(index_elements=["input"], set_=values))


def region_of(store: Store, input: str) -> dict[str, Any] | None:
    """None where the user has drawn none."""
    with store.engine.connect() as connection:
        row = connection.execute(
            select(tables.regions.c.region).where(tables.regions.c.input == input)
        ).first()
    return None if row is None else dict(row.region)


def delete_region(store: Store, input: str) -> bool:
    """Whether there was one."""
    with store.write() as connection:
        return bool(
            connection.execute(delete(tables.regions).where(tables.regions.c.input == input)).rowcount
        )
