"""What else happens in the transaction that accepts a finished job, so that it happens exactly once.

Models are listed; how long maps and cells of studies took is remembered, for the next ones to be priced by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from backend.jobs.keys import canonical
from backend.store import JobRow, ModelRow, Store
from backend.store.runs import remember

Accept = Callable[[Store, Connection, JobRow, str], None]
"""Store, connection, row, and what the seconds of a run hold under (see `backend.jobs.keys.conditions`)."""


def _list_model(store: Store, connection: Connection, row: JobRow, conditions: str) -> None:
    """A model that passed its check is listed, and its weights are held by it from now on."""
    store.enlist(connection, ModelRow(**row.payload["upload"]))


def _expect_map(store: Store, connection: Connection, row: JobRow, conditions: str) -> None:
    record = row.result or {}
    passes = record.get("forwards", 0) + record.get("backwards", 0)
    if passes:
        _expect(
            store,
            connection,
            row,
            conditions,
            model=record["model"],
            digest=record["weights_sha256"],
            method=record["method"],
            passes=passes,
        )


def _expect_cell(store: Store, connection: Connection, row: JobRow, conditions: str) -> None:
    payload = row.payload
    name = cell_name(payload["method"], payload["metrics"], payload["metric_params"])
    if payload.get("digest"):
        _expect(
            store,
            connection,
            row,
            conditions,
            model=payload["model"],
            digest=payload["digest"],
            method=name,
            passes=1,
        )


def _expect(store: Store, connection: Connection, row: JobRow, conditions: str, **run: Any) -> None:
    """What it took is expected of the next one; not of a model that was deleted meanwhile."""
    seconds, upload = (row.result or {}).get("seconds", 0), row.payload.get("upload")
    if seconds > 0 and (not upload or store.lists(connection, upload["key"])):
        remember(connection, conditions=conditions, seconds=seconds, **run)


def cell_name(method: str, metrics: Collection[str], metric_params: Mapping[str, Any]) -> str:
    """What the seconds of a cell are remembered under, see `runs`."""
    measured = hashlib.sha256(canonical([sorted(metrics), dict(metric_params)]).encode()).hexdigest()
    return f"cell:{method[:50]}:{measured[:16]}"


ACCEPTED: dict[str, Accept] = {
    "model": _list_model,
    "explanation": _expect_map,
    "cell": _expect_cell,
}
"""By kind of job."""
