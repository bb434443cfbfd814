"""Concepts: the built-in ones, people's own, their examples to look at and listen to, and carrying them
from one place to another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, Literal

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from app.core.errors import BadParameter, Busy, Conflict, InvalidInput, JobFailed, NotFound
from app.core.schemas import Concept, ConceptChange, ConceptRequest, ExampleRef, ExamplesRequest
from backend.api import deletion
from backend.api.http.context import Backend, Client, bytes_of
from backend.api.http.forms import receive
from backend.api.http.strict import StrictRoute
from backend.api.intake import Arrival
from backend.jobs.errands import Errand, unreadable
from backend.jobs.keys import job_key
from backend.jobs.service import from_problem
from backend.store import concepts as rows
from backend.store.concepts import ConceptRow

router = APIRouter(tags=["concepts"], route_class=StrictRoute)
MINIMUM = 10
BUILTIN_COUNT = 40
WAIT = 20.0
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.get("/concepts")
async def concepts(services: Backend) -> list[Concept]:
    """Built-in concepts first, then people's own, oldest first."""
    own = [view(row) for row in await services.store.run(rows.concepts, services.store)]
    return [*_builtin(), *own]


@router.post("/concepts", status_code=201)
async def create(body: ConceptRequest, services: Backend) -> Concept:
    """A concept made of inputs, or of boxes on inputs. It can be used from ten examples on."""
    examples, modality = await _examples(services, body.examples)
    return await _drawn(
        services, await services.store.run(rows.put_concept, services.store, body.name, modality, examples)
    )


@router.post("/concepts/import", status_code=201, openapi_extra=_FORM)
async def bring(request: Request, services: Backend, client: Client) -> Concept:
    """A concept exported elsewhere: a zip with `concept.json` and the examples as PNG, WAV or NPY."""
    made: list[str] = []
    try:
        with services.jobs.errands.open() as errand:
            name, refs = await _unpacked(request, services, client, errand, made)
        examples, modality = await _examples(services, refs)
        return await _drawn(
            services, await services.store.run(rows.put_concept, services.store, name, modality, examples)
        )
    except BaseException:  # a refused import leaves nothing of what it brought
        for id in made:
            await asyncio.shield(deletion.undo_input(services, id))
        raise


async def _unpacked(
    request: Request, services: Backend, client: str, errand: Errand, made: list[str]
) -> tuple[str, list[ExampleRef]]:
    """The concept's name and its examples as inputs; `made` gathers those that are new. Raises what
    receiving and decoding raise."""
    limits = services.settings.limits
    sent = await receive(
        request, errand.sent, limits, file_field="file", text_fields=(), families=("bundle",)
    )
    payload = {"file": str(errand.path(sent.sha)), "limits": limits.model_dump()}
    try:
        stored = await services.jobs.errands.run(errand, "unpack", payload, client)
    except JobFailed as error:
        raise unreadable(error) from None
    ids: dict[str, str] = {}
    refs = []
    for number, box in enumerate(stored.result["boxes"]):
        sha = stored.blobs[f"part/{number}"]
        if sha not in ids:
            with services.jobs.errands.open() as one:
                await services.store.run(one.sent.adopt, errand.made, sha)
                row, new = await request.app.state.intake.take(Arrival(one, sha), client)
            ids[sha] = row.id
            if new:
                made.append(row.id)
        refs.append(ExampleRef(input=ids[sha], box=None if box is None else list(box)))
    return stored.result["name"], refs


@router.get("/concepts/{id}")
async def concept(id: str, services: Backend) -> Concept:
    """One concept, built-in or somebody's."""
    for found in _builtin():
        if found.id == id:
            return found
    return view(await services.store.run(rows.concept, services.store, id))


@router.put("/concepts/{id}")
async def change(id: str, body: ConceptChange, services: Backend) -> Concept:
    """Another name, or examples taken out. The examples' digest changes with them, so results of the old
    set stay true."""
    row = await _own(id, services)
    gone = set(body.remove)
    if any(not 0 <= number < len(row.examples) for number in gone):
        raise BadParameter(f"Examples are numbered from 0 to {len(row.examples) - 1}.", field="remove")
    kept = [one for number, one in enumerate(row.examples) if number not in gone]
    if not kept:
        raise InvalidInput(
            "A concept keeps at least one example; delete the concept instead.",
            code="too_few_examples",
            field="remove",
        )
    return await _drawn(services, await deletion.replace_concept(services, row, body.name or row.name, kept))


@router.post("/concepts/{id}/examples")
async def add(id: str, body: ExamplesRequest, services: Backend) -> Concept:
    """More examples of the same kind."""
    row = await _own(id, services)
    more, modality = await _examples(services, body.examples)
    if modality != row.modality:
        raise InvalidInput(
            f"This concept is made of {row.modality} examples; add more of those.",
            code="wrong_modality",
            field="examples",
        )
    return await _drawn(
        services, await deletion.replace_concept(services, row, row.name, _unique([*row.examples, *more]))
    )


@router.delete("/concepts/{id}", status_code=204)
async def remove(id: str, services: Backend) -> None:
    """Deletes one of your own, with the pictures and sounds of its examples. Analyses that used it keep
    their numbers and its name."""
    await deletion.delete_concept(services, await _own(id, services))


@router.get(
    "/concepts/{id}/examples/{name}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}, "audio/wav": {}}}},
)
async def example(id: str, name: str, services: Backend) -> Response:
    """`N.png`, a small picture of example N (the first 16), or `N.wav`, its sound."""
    stem, _, kind = name.rpartition(".")
    if kind not in ("png", "wav") or not stem.isdecimal() or len(stem) > 2:
        raise NotFound("Examples are called 0.png, 1.png and so on, sounds 0.wav.", code="unknown_example")
    key = await _rendered(id, services)
    path = await services.jobs.file_path(key, name)
    if path is None:
        raise NotFound("This concept has no such example to show.", code="unknown_example")
    return Response(await bytes_of(path, "example"), media_type="image/png" if kind == "png" else "audio/wav")


@router.get(
    "/concepts/{id}/export.zip",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}},
)
async def export(id: str, services: Backend, client: Client) -> Response:
    """Everything needed to use the concept elsewhere."""
    row = await _own(id, services)
    with services.jobs.errands.open() as errand:
        stored = await services.jobs.errands.run(
            errand, "pack", {"name": row.name, "examples": row.examples}, client
        )
        sha = stored.blobs["concept.zip"]
        file = (errand.made / sha[:2] / sha).open(
            "rb"
        )  # it can be read to its end though its folder goes now
    disposition = f'attachment; filename="concept-{row.digest[:12]}.zip"'
    return StreamingResponse(
        _chunks(file), media_type="application/zip", headers={"Content-Disposition": disposition}
    )


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while data := file.read(256 * 1024):
            yield data


async def _drawn(services: Backend, row: ConceptRow) -> Concept:
    """The concept as it is now, its strip of pictures and sounds being drawn for those who will ask for
    it."""
    await draw(services, row.digest)
    return view(row)


async def draw(services: Backend, ref: str) -> None:
    """Starts drawing the examples of a concept, unless that was done."""
    await services.jobs.submit(
        "concept_examples", {"ref": ref}, key=_strip(ref), title="Examples of a concept"
    )


async def draw_all(services: Backend) -> None:
    """At the start: those of the built-in concepts and of everybody's own, as this version draws them."""
    for ref in [found.ref for found in _builtin()] + [
        row.digest for row in await services.store.run(rows.concepts, services.store)
    ]:
        await draw(services, ref)


def _strip(ref: str) -> str:
    return job_key("concept_examples", {"ref": ref}, None)


async def _rendered(id: str, services: Backend) -> str:
    """The key of the job that left the strip's pictures and sounds; it is waited for, and started
    elsewhere."""
    key = _strip((await concept(id, services)).ref)
    deadline = time.monotonic() + WAIT
    while True:
        with suppress(NotFound):
            row = await services.jobs.wait(key, deadline - time.monotonic())
            if row.error is not None:
                raise from_problem(row.error)
            if row.result is not None:
                return key
        if time.monotonic() > deadline:
            raise Busy("The examples are still being drawn; ask again in a moment.", code="not_ready")
        await asyncio.sleep(0.2)


async def _own(id: str, services: Backend) -> ConceptRow:
    if any(found.id == id for found in _builtin()):
        raise Conflict(
            "Built-in concepts cannot be changed; make your own from examples.",
            code="bundled",
            field="concept",
        )
    return await services.store.run(rows.concept, services.store, id)


async def _examples(services: Backend, refs: list[ExampleRef]) -> tuple[list[dict[str, Any]], str]:
    """What the row keeps of each example, and their one modality. Raises NotFound, InvalidInput."""
    found: list[dict[str, Any]] = []
    modalities = set()
    for ref in refs:
        row = await services.store.run(services.store.input, ref.input)
        _check_box(ref.box, row.meta)
        modalities.add(row.modality)
        found.append(
            {
                "array": row.blobs["canonical"],
                "modality": row.modality,
                "rate": row.meta.get("rate"),
                "box": ref.box,
                "input": row.id,
            }
        )
    if len(modalities) != 1:
        raise InvalidInput(
            "A concept's examples must all be pictures, or all recordings, or all spectrograms.",
            code="mixed_modality",
            field="examples",
        )
    return _unique(found), modalities.pop()


def _unique(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same file (or box) twice says nothing new."""
    return list({(one["array"], tuple(one["box"] or ())): one for one in examples}.values())


def _check_box(box: list[float] | None, meta: dict[str, Any]) -> None:
    if box is None:
        return
    if meta["modality"] != "image":
        start, end, low, high = box
        fine = 0 <= start < end <= (meta.get("seconds") or end) + 0.05 and 0 <= low < high
        said = "from an earlier to a later second and from a lower to a higher frequency"
    else:
        x0, y0, x1, y1 = box
        fine = (
            x0 >= 0
            and y0 >= 0
            and x1 - x0 >= 2
            and y1 - y0 >= 2
            and x1 <= (meta.get("width") or 0) + 1
            and y1 <= (meta.get("height") or 0) + 1
        )
        said = "inside the picture and at least 2 pixels wide and high"
    if not fine:
        raise InvalidInput(f"A box must lie inside the input, {said}.", code="bad_box", field="examples")


def _builtin() -> list[Concept]:
    from models.synthetic.concepts import CONCEPTS

    return [
        Concept(
            id=key,
            ref=key,
            name=one.title,
            modality=one.modality,
            kind="builtin",
            description=one.description,
            count=BUILTIN_COUNT,
        )
        for key, one in CONCEPTS.items()
    ]


def view(row: ConceptRow) -> Concept:
    """The row as the wire knows it, with what a person should know before trusting it."""
    count = len(row.examples)
    sources = len({one["array"] for one in row.examples})
    notes = []
    if count < MINIMUM:
        notes.append(f"{count} examples so far; it can be used from {MINIMUM} on.")
    if count >= MINIMUM and sources * 4 <= count:
        notes.append(
            f"The {count} examples come from {sources} inputs: little variety. Add others before you trust it."
        )
    return Concept(
        id=row.id,
        ref=row.digest,
        name=row.name,
        modality=_modality(row.modality),
        kind="yours",
        count=count,
        boxes=sum(one["box"] is not None for one in row.examples),
        usable=count >= MINIMUM,
        notes=notes,
    )


def _modality(text: str) -> Literal["image", "audio", "spectrogram"]:
    assert text in ("image", "audio", "spectrogram")
    return text  # type: ignore[return-value]
