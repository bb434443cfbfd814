"""Deletion of inputs and concepts, with everything computed or cut from them and every byte that names them.

A job depends on an input when its id stands in the job's payload, or the reference of a concept that has an
example from it. One query answers that for every kind of job, future kinds included.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.errors import NotFound
from app.core.schemas import Holder
from backend.jobs.keys import canonical
from backend.jobs.queue import inputs_of
from backend.store import JobRow
from backend.store import cases as case_rows
from backend.store import concepts as rows
from backend.store.concepts import ConceptRow

if TYPE_CHECKING:
    from backend.api.services import Services

TOGETHER = 50
"""Inputs that one look through the jobs is for."""
STRIPS = "concept_examples"
"""Kind of the job that draws a concept's examples: it is part of the concept, not a result."""
SEARCHES = ("similar",)
"""Kinds of jobs that went through many inputs: such a one goes with any of them, and nobody is asked."""


@dataclass(frozen=True)
class Dependents:
    """own: jobs about this input alone. shared: jobs that also concern other inputs, directly or through a
    concept. concepts: those with examples cut from it. cases: of worklists, id and name; they stay when the input goes, with
    what people said."""

    own: list[JobRow]
    shared: list[JobRow]
    concepts: list[ConceptRow]
    cases: list[tuple[str, str]]

    def holders(self) -> list[Holder]:
        """Concepts, cases and shared jobs that would lose a part, for the refusal."""
        concepts = [Holder(kind="concept", id=row.id, name=row.name) for row in self.concepts]
        cases = [Holder(kind="case", id=id, name=name) for id, name in self.cases]
        return (
            concepts
            + cases
            + [Holder(kind=row.kind, id=row.key, name=row.title) for row in self.shared if row.kind != STRIPS]
        )


async def dependents(services: Services, id: str) -> Dependents:
    """What was computed or cut from an input."""
    concepts = await services.store.run(rows.concepts_with, services.store, id)
    jobs = await services.store.run(services.jobs.queue.mentioning, [id, *(row.digest for row in concepts)])
    own = [row for row in jobs if set(inputs_of(row.payload)) == {id} or row.kind in SEARCHES]
    cases = await services.store.run(case_rows.cases_of_input, services.store, id)
    return Dependents(own, [row for row in jobs if row not in own], concepts, cases)


async def delete_input(services: Services, id: str, affected: Dependents) -> list[ConceptRow]:
    """Deletes the input and all that depends on it. A concept loses the examples cut from it, and is deleted
    when none is left. Returns the changed concepts."""
    updated = []
    for row in affected.concepts:
        if remaining := [example for example in row.examples if example.get("input") != id]:
            updated.append(await replace_concept(services, row, row.name, remaining))
        else:
            await delete_concept(services, row)
    await services.jobs.forget([id, *(row.digest for row in affected.concepts)])
    with suppress(NotFound):  # a concept had brought it, and took it along
        await services.store.run(services.store.delete_input, id)
    await services.jobs.forget([id])  # what was asked for in between
    return updated


async def delete_inputs(services: Services, ids: Sequence[str]) -> int:
    """Of a worklist: those that are nobody else's, with all that was computed of them alone; returns how many. Bundled samples
    and what concepts or analyses of several inputs have part of stay."""
    concepts = await services.store.run(rows.concepts, services.store)
    examples = {example.get("input") for row in concepts for example in row.examples}
    deleted = 0
    for start in range(0, len(ids), TOGETHER):
        part = ids[start : start + TOGETHER]
        jobs = await services.store.run(services.jobs.queue.mentioning, part)
        mentioned = [(row, canonical(row.payload)) for row in jobs]
        for id in part:
            about = [row for row, text in mentioned if id in text]
            shared = any(set(inputs_of(row.payload)) != {id} for row in about)
            with suppress(NotFound):  # gone already
                stored = await services.store.run(services.store.input, id)
                if shared or id in examples or stored.meta.get("sample"):
                    continue
                for row in about:
                    with suppress(NotFound):
                        await services.jobs.delete(row.key)
                await services.store.run(services.store.delete_input, id)
                deleted += 1
        await services.jobs.forget(part, kinds=["prediction"])  # what was asked for in between
    return deleted


async def undo_input(services: Services, id: str) -> None:
    """Deletes an input that a concept brought, unless somebody has used it or uploaded it since."""
    with suppress(NotFound):
        row = await services.store.run(services.store.input, id)
        affected = await dependents(services, id)
        if row.meta.get("brought") and not (
            affected.own or affected.shared or affected.concepts or affected.cases
        ):
            await delete_input(services, id, affected)


async def replace_concept(
    services: Services, row: ConceptRow, name: str, examples: list[dict[str, Any]]
) -> ConceptRow:
    """Stores new contents of a concept and deletes the strip of the old ones."""
    updated = await services.store.run(rows.put_concept, services.store, name, row.modality, examples, row.id)
    await _forget_strip(services, row)
    await _undo_inputs(services, row, examples)
    return updated


async def delete_concept(services: Services, row: ConceptRow) -> None:
    """A concept and its strip. Raises NotFound."""
    await services.store.run(rows.delete_concept, services.store, row.id)
    await _forget_strip(services, row)
    await _undo_inputs(services, row, [])


async def _undo_inputs(services: Services, row: ConceptRow, examples: list[dict[str, Any]]) -> None:
    """What an import brought for examples that the concept has no longer: nobody else knows that it is
    there."""
    remaining = {example.get("input") for example in examples}
    for id in {example["input"] for example in row.examples if "input" in example} - remaining:
        await undo_input(services, id)


async def _forget_strip(services: Services, row: ConceptRow) -> None:
    concepts = await services.store.run(rows.concepts, services.store)
    if all(concept.digest != row.digest for concept in concepts):
        await services.jobs.forget([row.digest], kinds=[STRIPS])
    else:
        await services.store.run(services.store.scrub)
