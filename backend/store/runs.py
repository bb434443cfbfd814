"""What the last explanations took, per model, method and conditions. No input is named: they outlive the jobs."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from app.core.cost import REMEMBERED, Run
from backend.store.database import Store
from backend.store.tables import runs

STORED = 5 * REMEMBERED
"""Rows of one model and method: servers under other conditions have theirs here too."""


def remember(
    connection: Connection,
    *,
    model: str,
    digest: str,
    method: str,
    conditions: str,
    passes: int,
    seconds: float,
) -> None:
    """Adds a run inside a transaction, and lets go of the oldest ones of this model and method."""
    values = {"model": model, "digest": digest, "method": method, "conditions": conditions}
    connection.execute(runs.insert().values(**values, passes=passes, seconds=seconds))
    same = (runs.c.model == model, runs.c.method == method)
    newest = select(runs.c.id).where(*same).order_by(runs.c.id.desc()).limit(STORED)
    oldest = min(connection.execute(newest).scalars())
    connection.execute(delete(runs).where(*same, runs.c.id < oldest))


def recent(store: Store, model: str, digest: str, conditions: str) -> dict[str, list[Run]]:
    """The last runs by method, newest first."""
    alike = (runs.c.model == model, runs.c.digest == digest, runs.c.conditions == conditions)
    statement = select(runs.c.method, runs.c.passes, runs.c.seconds).where(*alike).order_by(runs.c.id.desc())
    by_method: dict[str, list[Run]] = {}
    with store.engine.connect() as connection:
        for row in connection.execute(statement):
            by_method.setdefault(row.method, []).append(Run(row.passes, row.seconds))
    return {method: last[:REMEMBERED] for method, last in by_method.items()}


def forget(store: Store, model: str) -> None:
    """Everything that is known of a model's runs."""
    with store.write() as connection:
        connection.execute(delete(runs).where(runs.c.model == model))
