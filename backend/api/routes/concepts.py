"""Routes: built-in and user-made concepts, pictures and sounds of their examples, export and import."""

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
from backend.api.http.context import Address, Backend, Reviewer, bytes_of
from backend.api.http.forms import described, receive
from backend.api.http.strict import StrictRoute
from backend.api.intake import Arrival
from backend.jobs.errands import Errand, unreadable
from backend.jobs.keys import job_key
from backend.jobs.problems import from_problem
from backend.store import concepts as rows
from backend.store.concepts import ConceptRow
from backend.tasks.bundle import PackPayload, UnpackPayload
from backend.tasks.concept_examples import ConceptExamplesPayload

router = APIRouter(tags=["concepts"], route_class=StrictRoute)
MINIMUM = 10
BUILTIN_COUNT = 40
WAIT = 20.0
_FORM = described()


@router.get("/concepts")
async def concepts(services: Backend) -> list[Concept]:
    """Built-in concepts first, then people's own, oldest first."""
    own = [view(row) for row in await services.store.run(rows.concepts, services.store)]
    return [*_builtin(), *own]


@router.post("/concepts", status_code=201)
async def create(body: ConceptRequest, services: Backend, reviewer: Reviewer) -> Concept:
    """A concept made of inputs, or of boxes on inputs. It can be used from ten examples on."""
    examples, modality = await _examples(services, body.examples)
    row = await services.store.run(rows.put_concept, services.store, body.name, modality, examples)
    await services.audit(reviewer, "concept.create", row.id, examples=len(examples))
    return await _draw_and_view(services, row)


@router.post("/concepts/import", status_code=201, openapi_extra=_FORM)
async def bring(request: Request, services: Backend, client: Address, reviewer: Reviewer) -> Concept:
    """A concept exported elsewhere: a zip with `concept.json` and the examples as PNG, WAV or NPY."""
    new_inputs: list[str] = []
    try:
        with services.jobs.errands.open() as errand:
            name, refs = await _unpack(request, services, client, errand, new_inputs)
        examples, modality = await _examples(services, refs)
        row = await services.store.run(rows.put_concept, services.store, name, modality, examples)
    except BaseException:  # a refused import leaves nothing of what it brought
        for id in new_inputs:
            await asyncio.shield(deletion.undo_input(services, id))
        raise
    await services.audit(reviewer, "concept.create", row.id, examples=len(examples))
    return await _draw_and_view(services, row)


async def _unpack(
    request: Request, services: Backend, client: str, errand: Errand, new_inputs: list[str]
) -> tuple[str, list[ExampleRef]]:
    """Name and examples of an uploaded concept; appends ids of newly made inputs to `new_inputs`. Raises the
    errors of `receive` and of decoding."""
    limits = services.settings.limits
    archive = await receive(
        request, errand.sent, limits, file_field="file", text_fields=(), families=("bundle",)
    )
    payload = UnpackPayload(file=errand.path(archive.sha), limits=limits).as_json()
    try:
        unpacked = await services.jobs.errands.run(errand, "unpack", payload, client)
    except JobFailed as error:
        raise unreadable(error) from None
    ids: dict[str, str] = {}
    refs = []
    for number, box in enumerate(unpacked.result["boxes"]):
        sha = unpacked.blobs[f"part/{number}"]
        if sha not in ids:
            with services.jobs.errands.open() as part_errand:
                await services.store.run(part_errand.sent.adopt, errand.made, sha)
                row, is_new = await request.app.state.intake.take(
                    Arrival(part_errand, sha, brought=True), client
                )
            ids[sha] = row.id
            if is_new:
                new_inputs.append(row.id)
        refs.append(ExampleRef(input=ids[sha], box=None if box is None else list(box)))
    return unpacked.result["name"], refs


@router.get("/concepts/{id}")
async def concept(id: str, services: Backend) -> Concept:
    """One concept, built-in or somebody's."""
    for builtin in _builtin():
        if builtin.id == id:
            return builtin
    return view(await services.store.run(rows.concept, services.store, id))


@router.put("/concepts/{id}")
async def change(id: str, body: ConceptChange, services: Backend, reviewer: Reviewer) -> Concept:
    """Another name, or examples taken out. The examples' digest changes with them, so results of the old
    set stay true."""
    row = await _editable_row(id, services)
    removed = set(body.remove)
    if any(not 0 <= number < len(row.examples) for number in removed):
        raise BadParameter(f"Examples are numbered from 0 to {len(row.examples) - 1}.", field="remove")
    remaining = [example for number, example in enumerate(row.examples) if number not in removed]
    if not remaining:
        raise InvalidInput(
            "A concept keeps at least one example; delete the concept instead.",
            code="too_few_examples",
            field="remove",
        )
    updated = await deletion.replace_concept(services, row, body.name or row.name, remaining)
    await services.audit(reviewer, "concept.change", row.id, examples=len(remaining))
    return await _draw_and_view(services, updated)


@router.post("/concepts/{id}/examples")
async def add(id: str, body: ExamplesRequest, services: Backend, reviewer: Reviewer) -> Concept:
    """More examples of the same kind."""
    row = await _editable_row(id, services)
    more, modality = await _examples(services, body.examples)
    if modality != row.modality:
        raise InvalidInput(
            f"This concept is made of {row.modality} examples; add more of those.",
            code="wrong_modality",
            field="examples",
        )
    examples = _unique([*row.examples, *more])
    updated = await deletion.replace_concept(services, row, row.name, examples)
    await services.audit(reviewer, "concept.change", row.id, examples=len(examples))
    return await _draw_and_view(services, updated)


@router.delete("/concepts/{id}", status_code=204)
async def remove(id: str, services: Backend, reviewer: Reviewer) -> None:
    """Deletes one of your own, with the pictures and sounds of its examples. Analyses that used it keep
    their numbers and its name."""
    await deletion.delete_concept(services, await _editable_row(id, services))
    await services.audit(reviewer, "concept.delete", id)


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
    key = await _drawn_strip(id, services)
    path = await services.jobs.file_path(key, name)
    if path is None:
        raise NotFound("This concept has no such example to show.", code="unknown_example")
    return Response(await bytes_of(path, "example"), media_type="image/png" if kind == "png" else "audio/wav")


@router.get(
    "/concepts/{id}/export.zip",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}},
)
async def export(id: str, services: Backend, client: Address) -> Response:
    """Everything needed to use the concept elsewhere."""
    row = await _editable_row(id, services)
    with services.jobs.errands.open() as errand:
        payload = PackPayload(name=row.name, examples=row.examples).as_json()
        packed = await services.jobs.errands.run(errand, "pack", payload, client)
        sha = packed.blobs["concept.zip"]
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


async def _draw_and_view(services: Backend, row: ConceptRow) -> Concept:
    """Starts drawing the concept's strip of pictures and sounds, and returns its wire schema."""
    await draw(services, row.digest)
    return view(row)


async def draw(services: Backend, ref: str) -> None:
    """Starts drawing the examples of a concept, unless that was done."""
    payload = ConceptExamplesPayload(ref=ref).as_json()
    await services.jobs.submit("concept_examples", payload, key=_strip(ref), title="Examples of a concept")


async def draw_all(services: Backend) -> None:
    """At server start: draws the examples of all concepts, built-in and user-made, with this version's
    code."""
    for ref in [builtin.ref for builtin in _builtin()] + [
        row.digest for row in await services.store.run(rows.concepts, services.store)
    ]:
        await draw(services, ref)


def _strip(ref: str) -> str:
    return job_key("concept_examples", {"ref": ref}, None)


async def _drawn_strip(id: str, services: Backend) -> str:
    """Key of the job that drew the strip. Waits for that job, which `draw` started. Raises Busy."""
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


async def _editable_row(id: str, services: Backend) -> ConceptRow:
    if any(builtin.id == id for builtin in _builtin()):
        raise Conflict(
            "Built-in concepts cannot be changed; make your own from examples.",
            code="bundled",
            field="concept",
        )
    return await services.store.run(rows.concept, services.store, id)


async def _examples(services: Backend, refs: list[ExampleRef]) -> tuple[list[dict[str, Any]], str]:
    """Examples as they are stored in a concept's row, and their common modality. Raises NotFound,
    InvalidInput."""
    examples: list[dict[str, Any]] = []
    modalities = set()
    for ref in refs:
        row = await services.store.run(services.store.input, ref.input)
        _check_box(ref.box, row.meta)
        modalities.add(row.modality)
        examples.append(
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
    return _unique(examples), modalities.pop()


def _unique(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Examples without repetitions of the same file and box."""
    return list({(example["array"], tuple(example["box"] or ())): example for example in examples}.values())


def _check_box(box: list[float] | None, meta: dict[str, Any]) -> None:
    if box is None:
        return
    if meta["modality"] != "image":
        start, end, low, high = box
        valid = 0 <= start < end <= (meta.get("seconds") or end) + 0.05 and 0 <= low < high
        rule = "from an earlier to a later second and from a lower to a higher frequency"
    else:
        x0, y0, x1, y1 = box
        valid = (
            x0 >= 0
            and y0 >= 0
            and x1 - x0 >= 2
            and y1 - y0 >= 2
            and x1 <= (meta.get("width") or 0) + 1
            and y1 <= (meta.get("height") or 0) + 1
        )
        rule = "inside the picture and at least 2 pixels wide and high"
    if not valid:
        raise InvalidInput(f"A box must lie inside the input, {rule}.", code="bad_box", field="examples")


def _builtin() -> list[Concept]:
    from models.synthetic.concepts import CONCEPTS

    return [
        Concept(
            id=key,
            ref=key,
            name=generator.title,
            modality=generator.modality,
            kind="builtin",
            description=generator.description,
            count=BUILTIN_COUNT,
        )
        for key, generator in CONCEPTS.items()
    ]


def view(row: ConceptRow) -> Concept:
    """The wire schema of a concept's row, with notes on too few or too similar examples."""
    count = len(row.examples)
    sources = len({example["array"] for example in row.examples})
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
        boxes=sum(example["box"] is not None for example in row.examples),
        usable=count >= MINIMUM,
        notes=notes,
    )


def _modality(text: str) -> Literal["image", "audio", "spectrogram"]:
    assert text in ("image", "audio", "spectrogram")
    return text  # type: ignore[return-value]
