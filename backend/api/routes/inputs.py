"""Routes: inputs. Uploads are decoded and rebuilt; the bytes that were sent are never served."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import FileResponse

from app.core.errors import BadParameter, NotFound
from app.core.schemas import Holder, Input, InUse
from backend.api import deletion
from backend.api.http.context import ID, Address, Backend, Reviewer, bytes_of, npy, ranged
from backend.api.http.errors import problem, problem_response, request_id
from backend.api.http.forms import described, receive
from backend.api.http.strict import StrictRoute
from backend.api.intake import Arrival, As, Intake
from backend.api.listening import heard
from backend.api.routes.concepts import draw
from backend.store import InputRow
from models.media.levels import SCALES, Scale

router = APIRouter(tags=["inputs"], route_class=StrictRoute)
_FORM = described(
    texts={
        "as": {"type": "string", "enum": ["auto", "spectrogram"], "default": "auto"},
        "scale": {
            "type": "string",
            "enum": list(SCALES),
            "description": "What the numbers of an array are.",
        },
    }
)


def _intake(request: Request) -> Intake:
    return request.app.state.intake


InputIntake = Annotated[Intake, Depends(_intake)]


@router.post(
    "/inputs",
    response_model=None,
    openapi_extra=_FORM,
    responses={200: {"model": Input}, 201: {"model": Input}},
)
async def upload(
    request: Request, services: Backend, client: Address, reviewer: Reviewer, intake: InputIntake
) -> Response:
    """One picture, recording or `.npy` spectrogram. 201 when it is new, 200 when the same bytes are known."""
    with services.jobs.errands.open() as errand:
        file = await receive(
            request,
            errand.sent,
            services.settings.limits,
            file_field="file",
            text_fields=("as", "scale"),
            families=("image", "audio", "array"),
        )
        arrival = Arrival(
            errand, file.sha, _read_as(file.texts.get("as", "")), _scale(file.texts.get("scale", ""))
        )
        row, is_new = await intake.take(arrival, client)
    if is_new:
        await services.audit(reviewer, "input.upload", row.id, modality=row.modality)
    answer = view(row).model_copy(update={"name": file.name})
    return Response(answer.model_dump_json(), 201 if is_new else 200, media_type="application/json")


def _read_as(text: str) -> As:
    if text == "spectrogram":
        return "spectrogram"
    if text in ("auto", ""):
        return "auto"
    raise BadParameter("as must be auto or spectrogram.", field="as")


def _scale(text: str) -> Scale | None:
    if text and text not in SCALES:
        raise BadParameter(f"scale must be one of {', '.join(SCALES)}.", field="scale")
    return next((scale for scale in SCALES if scale == text), None)


@router.get("/inputs/{id}")
async def input(id: str, services: Backend) -> Input:
    """What is known about it; axes are in pixels, or seconds and Hz."""
    return view(await row_of(services, id))


@router.get(
    "/inputs/{id}/preview.png", response_class=Response, responses={200: {"content": {"image/png": {}}}}
)
async def preview(id: str, services: Backend) -> Response:
    """A picture or spectrogram as a person sees it, at most 1,024 on a side."""
    return Response(
        await bytes_of(await _file(services, id, "preview.png"), "picture"), media_type="image/png"
    )


@router.get(
    "/inputs/{id}/audio.wav", response_class=FileResponse, responses={200: {"content": {"audio/wav": {}}}}
)
async def audio(
    id: str,
    services: Backend,
    region: Annotated[
        str | None,
        Query(
            max_length=4000,
            description="`own`, or boxes t0,t1,f0,f1 in seconds and Hz with semicolons between; none: all of it.",
        ),
    ] = None,
    part: Literal["only", "rest"] = "only",
    start: Annotated[float | None, Query(ge=0, description="First second to be heard.")] = None,
    end: Annotated[float | None, Query(gt=0, description="Last second to be heard.")] = None,
) -> Response:
    """The recording as 16-bit mono WAV, in ranges on request; with a region what lies in it, or the rest, from `start` to
    `end`. Masked sound is unlike anything the model was trained on: say so beside it."""
    if region is None and start is None and end is None:
        return ranged(await _file(services, id, "audio.wav"), "audio/wav")
    row = await row_of(services, id)
    return Response(await heard(services, row, region, part, (start, end)), media_type="audio/wav")


@router.get(
    "/inputs/{id}/spectrogram.npy",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def spectrogram(id: str, services: Backend) -> Response:
    """float32 `[F, T]`, row 0 the lowest frequency, of an input that came as a spectrogram."""
    row = await row_of(services, id)
    if row.modality != "spectrogram":
        raise NotFound("This input is not a spectrogram.", code="no_spectrogram")
    return npy(await bytes_of(await _file(services, id, "canonical"), "spectrogram"), "spectrogram")


@router.delete("/inputs/{id}", status_code=204, response_model=None, responses={409: {"model": InUse}})
async def remove(
    id: str,
    request: Request,
    services: Backend,
    reviewer: Reviewer,
    with_: Annotated[Literal["own", "all"], Query(alias="with")] = "own",
) -> Response:
    """The input, what was rebuilt from it and every result that is about it alone. After this no byte of it
    is left.

    Where concepts, cases of worklists, analyses of several inputs, or maps by a concept hold parts of it, nothing is deleted
    and 409 names them; with `all` they lose those parts too: analyses and maps are deleted, a concept loses its
    examples (and goes when none is left), of a case there stays what people said.
    """
    row = await row_of(services, id)
    affected = await deletion.dependents(services, row.id)
    holders = affected.holders()
    if holders and with_ == "own":
        return _in_use(holders, request)
    for concept in await deletion.delete_input(services, row.id, affected):
        await draw(services, concept.digest)
    results = len(affected.own) + len(affected.shared)
    await services.audit(
        reviewer, "input.delete", row.id, results=results, concepts=[held.id for held in affected.concepts]
    )
    return Response(status_code=204)


def _in_use(holders: list[Holder], request: Request) -> Response:
    concepts, cases = (sum(holder.kind == kind for holder in holders) for kind in ("concept", "case"))
    others = len(holders) - concepts - cases
    counted = [(concepts, "concept"), (cases, "worklist case"), (others, "other result")]
    named = " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted if count)
    refusal = problem(
        409,
        code="in_use",
        title="Conflict",
        request_id=request_id(request),
        detail=f"This input is part of {named}; delete those first, or delete the input together with its part in them.",
    )
    return problem_response(InUse(**refusal.model_dump(), holders=holders))


def view(row: InputRow) -> Input:
    """The wire schema of an input's row."""
    return Input(**row.meta)


async def row_of(services: Backend, id: str) -> InputRow:
    """Raises NotFound."""
    if not ID.fullmatch(id):
        raise NotFound("There is no such input; upload it again.", code="unknown_input", field="input")
    return await services.store.run(services.store.input, id)


async def _file(services: Backend, id: str, name: str) -> Any:
    """Path of a derivative. Raises NotFound when this kind of input has none, or its bytes are damaged."""
    row = await row_of(services, id)
    path = await services.store.run(services.blobs.path, row.blobs[name]) if name in row.blobs else None
    if path is None:
        raise NotFound("This input has no such part, or it was lost; upload it again.", code="no_such_part")
    return path
