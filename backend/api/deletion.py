"""What goes with an input or a concept when it is deleted: everything computed or cut from it, and every byte
that names it.

A job depends on an input when its id stands in the job's payload, or the reference of a concept that has an
example from it. One question to the table answers that for every kind of job, those to come included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.errors import NotFound
from app.core.schemas import Holder
from backend.jobs.queue import inputs_of
from backend.store import JobRow
from backend.store import concepts as rows
from backend.store.concepts import ConceptRow

if TYPE_CHECKING:
    from backend.api.services import Services

STRIPS = "concept_examples"
"""Kind of the job that draws a concept's examples: it is part of the concept, not a result."""


@dataclass(frozen=True)
class Dependents:
    """own: jobs about this input alone. shared: jobs that also concern others, directly or through a
    concept. concepts: with examples of it."""

    own: list[JobRow]
    shared: list[JobRow]
    concepts: list[ConceptRow]

    def holders(self) -> list[Holder]:
        """What would lose a part, for people."""
        concepts = [Holder(kind="concept", id=row.id, name=row.name) for row in self.concepts]
        return concepts + [
            Holder(kind=row.kind, id=row.key, name=row.title) for row in self.shared if row.kind != STRIPS
        ]


async def dependents(services: Services, id: str) -> Dependents:
    """What was computed or cut from an input."""
    concepts = await services.store.run(rows.concepts_with, services.store, id)
    jobs = await services.store.run(services.jobs.queue.mentioning, [id, *(row.digest for row in concepts)])
    own = [row for row in jobs if set(inputs_of(row.payload)) == {id}]
    return Dependents(own, [row for row in jobs if row not in own], concepts)


async def delete_input(services: Services, id: str, found: Dependents) -> list[ConceptRow]:
    """The input with all that depends on it; a concept loses the examples cut from it, and goes when none
    is left. Returns the changed ones."""
    changed = []
    for row in found.concepts:
        if left := [one for one in row.examples if one.get("input") != id]:
            changed.append(await replace_concept(services, row, row.name, left))
        else:
            await delete_concept(services, row)
    await services.jobs.forget([id, *(row.digest for row in found.concepts)])
    await services.store.run(services.store.delete_input, id)
    await services.jobs.forget([id])  # what was asked for in between
    return changed


async def undo_input(services: Services, id: str) -> None:
    """Takes back an input that was made for nothing, unless somebody has used it since."""
    found = await dependents(services, id)
    if not (found.own or found.shared or found.concepts):
        try:
            await delete_input(services, id, found)
        except NotFound:
            return


async def replace_concept(
    services: Services, row: ConceptRow, name: str, examples: list[dict[str, Any]]
) -> ConceptRow:
    """New contents of a concept; the strip of the old ones goes."""
    new = await services.store.run(rows.put_concept, services.store, name, row.modality, examples, row.id)
    await _forget_strip(services, row)
    return new


async def delete_concept(services: Services, row: ConceptRow) -> None:
    """A concept and its strip. Raises NotFound."""
    await services.store.run(rows.delete_concept, services.store, row.id)
    await _forget_strip(services, row)


async def _forget_strip(services: Services, row: ConceptRow) -> None:
    others = await services.store.run(rows.concepts, services.store)
    if all(other.digest != row.digest for other in others):
        await services.jobs.forget([row.digest], kinds=[STRIPS])
    else:
        await services.store.run(services.store.scrub)
