"""What can be compared with an input, and what may be told of it: samples, and cases of worklists that have a label."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.core.errors import NotFound
from app.core.schemas import Modality, Neighbour, Sample, Similar
from backend.store import cases as rows
from backend.store import review
from backend.tasks.payloads import InputWindow, StoredInput

if TYPE_CHECKING:
    from backend.api.services import Services

MOST = 500
"""Inputs searched at once; of more, samples first, then the latest cases."""


@dataclass(frozen=True)
class Known:
    name: str
    label: str | None
    origin: Literal["sample", "worklist"]
    modality: Modality | None = None
    case: str | None = None


async def known_to(services: Services, reviewer: str, samples: Sequence[Sample]) -> dict[str, Known]:
    """By input. A case whose model this reviewer has not seen yet is left out: its label would tell."""
    listed = await services.store.run(review.labelled, services.store, reviewer)
    known = {sample.input: Known(sample.title, sample.label, "sample", sample.modality) for sample in samples}
    for row in listed:
        known.setdefault(row["input"], Known(row["name"], row["label"], "worklist", case=row["id"]))
    return known


async def windows(
    services: Services, ids: Sequence[str], modalities: Collection[str]
) -> tuple[list[InputWindow], int]:
    """As a job takes them, and how many fitting ones were left out."""
    there = await services.store.run(rows.modalities, services.store, ids)
    fitting = [id for id in ids if there.get(id) in modalities]
    chosen = []
    for id in fitting[:MOST]:
        with suppress(NotFound):  # deleted meanwhile
            row = await services.store.run(services.store.input, id)
            stored = StoredInput(id=row.id, modality=row.modality, meta=row.meta, blobs=row.blobs)
            chosen.append(InputWindow(input=stored))
    return chosen, len(fitting[MOST:])


def named(view: Similar, known: Mapping[str, Known], labels: Sequence[str]) -> Similar:
    """With names and labels, which lie in no job: they go when the case goes."""
    if view.result is None:
        return view
    told = [_named(part, known.get(part.input), labels) for part in view.result.neighbours]
    return view.model_copy(update={"result": view.result.model_copy(update={"neighbours": told})})


def _named(part: Neighbour, known: Known | None, labels: Sequence[str]) -> Neighbour:
    if known is None:
        return part
    truth = None if known.label is None else known.label.casefold()
    right = truth == part.model_says.casefold() if truth in {label.casefold() for label in labels} else None
    return part.model_copy(
        update={
            "name": known.name,
            "label": known.label,
            "right": right,
            "origin": known.origin,
            "case": known.case,
            "modality": known.modality,
        }
    )
