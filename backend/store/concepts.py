"""Rows of users' concepts. A concept holds the decoded arrays of its examples and the ids of their inputs."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select, update

from app.core.errors import NotFound
from backend.store import tables
from backend.store.database import Store


@dataclass(frozen=True)
class ConceptRow:
    """examples: `[{"array", "modality", "rate", "box", "input"}]`, see
    backend/attribution/concepts/library.py. digest: of the manifest blob."""

    id: str
    name: str
    modality: str
    digest: str
    examples: list[dict[str, Any]]
    created: float = field(default=0.0)


def put_concept(
    store: Store, name: str, modality: str, examples: list[dict[str, Any]], id: str | None = None
) -> ConceptRow:
    """Stores a new concept, or new contents of concept `id`."""
    manifest = {
        "name": name,
        "modality": modality,
        "examples": [{k: v for k, v in example.items() if k != "input"} for example in examples],
    }
    manifest_json = json.dumps(manifest, sort_keys=True).encode()
    digest = hashlib.sha256(manifest_json).hexdigest()
    row = ConceptRow(id or uuid.uuid4().hex, name, modality, digest, examples, time.time())
    values = {"name": name, "modality": modality, "digest": digest, "examples": examples}
    try:
        with store.filing() as connection:
            if id is None:
                connection.execute(insert(tables.concepts).values(id=row.id, created=row.created, **values))
            elif not connection.execute(
                update(tables.concepts).where(tables.concepts.c.id == id).values(**values)
            ).rowcount:
                raise _missing()
            store.blobs.put(manifest_json)
            blobs = {"manifest": digest} | {
                f"example/{number}": example["array"] for number, example in enumerate(examples)
            }
            store.hold(connection, f"concept:{row.id}", blobs)
    except BaseException:
        store.discard([digest])
        raise
    return row


def concept(store: Store, id: str) -> ConceptRow:
    """Raises NotFound."""
    with store.engine.connect() as connection:
        row = connection.execute(select(tables.concepts).where(tables.concepts.c.id == id)).mappings().first()
    if row is None:
        raise _missing()
    return ConceptRow(**row)


def concepts(store: Store) -> list[ConceptRow]:
    """Oldest first."""
    with store.engine.connect() as connection:
        rows = (
            connection.execute(select(tables.concepts).order_by(tables.concepts.c.created)).mappings().all()
        )
    return [ConceptRow(**row) for row in rows]


def delete_concept(store: Store, id: str) -> None:
    """Row, manifest and the examples that nobody else holds. Raises NotFound."""
    concept(store, id)
    with store.filing() as connection:
        connection.execute(delete(tables.concepts).where(tables.concepts.c.id == id))
        store.hold(connection, f"concept:{id}", {})


def concepts_with(store: Store, input: str) -> list[ConceptRow]:
    """Concepts with an example that is this input or was cut from it."""
    return [row for row in concepts(store) if any(example.get("input") == input for example in row.examples)]


def _missing() -> NotFound:
    return NotFound(
        "There is no such concept; it may have been deleted.", code="unknown_concept", field="concept"
    )
