"""Routes: explanations, their events, maps, stages, pictures and sound."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.core.errors import BadParameter, Incompatible, NotFound
from app.core.schemas import Explanation, ExplanationRequest, Record
from backend.api import lookup, regions
from backend.api.http.context import ID, Backend, Client, Reviewer, bytes_of, job_of_kind, newest, npy
from backend.api.http.events import follow
from backend.api.http.strict import StrictRoute
from backend.api.parameters import check_cost, complete_params
from backend.api.routes.inputs import row_of
from backend.api.routes.jobs import stop_or_delete
from backend.jobs.keys import job_key
from backend.store import JobRow
from backend.tasks.explanation import ExplanationPayload

router = APIRouter(tags=["explanations"], route_class=StrictRoute)
Percent = Annotated[
    float, Query(gt=0, le=100, description="Share of the cells kept, the strongest first, in percent.")
]
MOST_STREAMS = 32
SHORT_SECONDS = 1.0
"""A map expected to take less does not wait behind longer ones: it goes to the worker of short work."""


@router.post(
    "/explanations", response_model=None, responses={200: {"model": Explanation}, 202: {"model": Explanation}}
)
async def explain(body: ExplanationRequest, services: Backend, client: Client) -> Response:
    """202 when this starts the work, 200 when it is known (waiting, running or done). Posting twice is
    harmless."""
    if body.altered is not None:
        regions.check_region(body.altered, await row_of(services, body.input))
    method = await lookup.method(services, body.method)
    model = await lookup.model(services, body.model)
    source = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(source.input.modality)
    fit = (await lookup.expected_fits(services, model))[body.method]
    if not fit.ok:
        raise Incompatible(fit.reason, field="method")
    layer = layer_of(body.layer, model, method.uses_layer)
    params = complete_params(method.schema_, fit, body.params)
    request = body.model_dump(mode="json") | {"layer": layer, "params": params}
    model.require_target(body.target)
    estimate = check_cost(method.schema_, fit, params, services.settings.limits.job_seconds)
    key = job_key("explanation", request, model.identity)
    payload = ExplanationPayload(
        input=source.input,
        start=source.start,
        model=source.model,
        upload=source.upload,
        digest=source.digest,
        method=body.method,
        target=body.target,
        layer=layer,
        params=params,
        seed=body.seed,
        request=request,
        estimate=estimate,
        altered=request["altered"],
    )
    short = estimate is not None and estimate < SHORT_SECONDS
    row = await services.jobs.submit(
        "explanation",
        payload.as_json(),
        key=key,
        title=method.title,
        client=client,
        lane="short" if short else None,
    )
    return Response(view(row).model_dump_json(), 202 if row.fresh else 200, media_type="application/json")


def layer_of(name: str | None, model: lookup.KnownModel, uses_layer: bool) -> str | None:
    """The layer to explain: the model's default when the request names none; None for methods without a
    layer."""
    if not uses_layer:
        return None
    if name is None:
        return model.info.default_layer
    if name not in {layer.name for layer in model.info.layers}:
        raise BadParameter(
            "This model has no such layer to look at; choose one of the layers that the model lists.",
            field="layer",
        )
    return name


@router.get(
    "/explanations/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events_of_many(
    ids: Annotated[str, Query(max_length=65 * MOST_STREAMS)], services: Backend
) -> Response:
    """Several explanations on one connection (browsers open six to a host): `ids` with commas between, at
    most 32."""
    rows = [await job_of_kind(services, id, "explanation") for id in dict.fromkeys(ids.split(","))]
    return follow(services.jobs, [row.key for row in rows], lambda row: view(row).model_dump_json())


@router.get("/explanations/{id}")
async def explanation(id: str, services: Backend) -> Explanation:
    """State, progress, and the record once it is done; a failed one is answered with 200 and its error."""
    return view(await job_of_kind(services, id, "explanation"))


@router.get(
    "/explanations/{id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(id: str, services: Backend) -> Response:
    """Server-sent events: the explanation now, at every change, and when it has ended, after which the
    stream closes."""
    row = await job_of_kind(services, id, "explanation")
    return follow(services.jobs, [row.key], lambda row: view(row).model_dump_json())


@router.get(
    "/explanations/{id}/values.npy",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def values(id: str, services: Backend) -> Response:
    """float32 `[H, W]` on the display grid; while the job runs, the newest partial map."""
    row = await job_of_kind(services, id, "explanation")
    return npy(await newest(services, row.key, "map"), "values")


@router.get(
    "/explanations/{id}/stages/{name}.npy",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def stage(id: str, name: str, services: Backend) -> Response:
    """One of the stages that the record names."""
    row = await job_of_kind(services, id, "explanation")
    if name not in {info["name"] for info in (row.result or {}).get("stages", [])}:
        raise NotFound("This explanation has no such stage; its record lists them.", code="unknown_stage")
    return npy(await bytes_of(await services.jobs.file_path(row.key, f"stages/{name}"), "stage"), name)


@router.get(
    "/explanations/{id}/arrays/{name}.npy",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def array(id: str, name: str, services: Backend) -> Response:
    """One of the arrays that the method kept beside its map, as the record names them: LIME's segments,
    coefficients, band, samples, scores."""
    row = await job_of_kind(services, id, "explanation")
    if name not in {info["name"] for info in (row.result or {}).get("arrays", [])}:
        raise NotFound(
            "This explanation kept no such array; its record lists those it kept.", code="unknown_array"
        )
    return npy(await bytes_of(await services.jobs.file_path(row.key, f"arrays/{name}"), "array"), name)


@router.get(
    "/explanations/{id}/overlay.png", response_class=Response, responses={200: {"content": {"image/png": {}}}}
)
async def overlay(
    id: str,
    services: Backend,
    opacity: Annotated[float, Query(ge=0, le=1)] = 0.6,
    top: Percent = 100.0,
    sign: Literal["for", "against", "both"] = "both",
    scale: Annotated[int, Query(ge=1, le=8)] = 2,
) -> Response:
    """A picture for people and reports: the input in grey, the map in colour."""
    from backend.rendering.overlay import Look, draw

    row, record, map_ = await _finished(id, services)
    grid = await _prepared(row, services)
    look = Look(
        opacity=opacity,
        top=top,
        sign=sign,
        scale=scale,
        signed=record.signed,
        upside_down=record.y_axis.origin == "lower",
    )
    return Response(await run_in_threadpool(draw, grid, map_, look), media_type="image/png")


@router.get(
    "/explanations/{id}/audio.wav", response_class=Response, responses={200: {"content": {"audio/wav": {}}}}
)
async def listen(
    id: str, services: Backend, part: Literal["only", "rest"] = "only", top: Percent = 20.0
) -> Response:
    """What the map marks, or the rest, as sound. Masked sound is unlike anything the model was trained on:
    say so beside it."""
    from backend.rendering.listen import Cells, marked_sound
    from models.media.wav import write_wav

    row, record, map_ = await _finished(id, services)
    source = row.payload["input"]
    if source["modality"] != "audio":
        raise NotFound("Only maps of recordings can be listened to.", code="no_sound")
    waveform = await services.store.run(services.blobs.array, source["blobs"]["canonical"])
    rate = int(source["meta"]["rate"])
    cells = Cells(map_, record.y_axis.values, record.x_axis.values)

    def render() -> bytes:
        return write_wav(marked_sound(waveform, rate, cells, part=part, top=top, window=record.window), rate)

    return Response(await run_in_threadpool(render), media_type="audio/wav")


@router.delete(
    "/explanations/{id}",
    response_model=None,
    responses={200: {"model": Explanation}, 204: {"description": "Deleted"}},
)
async def remove(id: str, services: Backend, reviewer: Reviewer) -> Explanation | Response:
    """Stops one that waits or runs (200); deletes one that has ended (204)."""
    row = await job_of_kind(services, id, "explanation")
    if await stop_or_delete(services, row, reviewer) is None:
        return Response(status_code=204)
    return view(await services.jobs.get(row.key))


def view(row: JobRow) -> Explanation:
    """The wire schema of a job row."""
    return Explanation(
        **row.fields(),
        request=ExplanationRequest(**row.payload["request"]),
        estimate=row.payload.get("estimate"),
        record=Record(**row.result) if row.result is not None else None,
    )


async def _finished(id: str, services: Backend) -> tuple[JobRow, Record, Any]:
    """Row, record and map of an explanation that is done. Raises NotFound."""
    import io

    import numpy as np

    if not ID.fullmatch(id):
        raise NotFound("There is no such explanation; it may have been deleted.", code="unknown_explanation")
    row = await job_of_kind(services, id, "explanation")
    data = await bytes_of(await services.jobs.file_path(row.key, "values") if row.result else None, "map")
    return row, Record(**(row.result or {})), np.load(io.BytesIO(data), allow_pickle=False)


async def _prepared(row: JobRow, services: Backend) -> Any:
    """The input on the display grid, from the prediction on the same window; None without one."""
    import io

    import numpy as np

    request = row.payload["request"]
    model = await lookup.model(services, request["model"])
    prediction_request = {"input": request["input"], "model": request["model"], "start": request["start"]}
    try:
        path = await services.jobs.file_path(
            await lookup.prediction_key(services, prediction_request, model), "display"
        )
        return np.load(io.BytesIO(await bytes_of(path, "picture")), allow_pickle=False)
    except NotFound:
        return None
