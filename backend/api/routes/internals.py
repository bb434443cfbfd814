"""Routes: the filters of a layer: analyses, their events, arrays and patches."""

from __future__ import annotations

import io
from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from app.core.errors import BadParameter, NotFound
from app.core.internals_results import InternalsResult
from app.core.schemas import Internals, InternalsRequest
from backend.api import lookup
from backend.api.http.context import Backend, Client, bytes_of, npy
from backend.api.http.strict import StrictRoute
from backend.api.routes.studies import BYTES, Study
from backend.jobs.keys import job_key
from backend.store import JobRow
from backend.tasks.internals import InternalsPayload
from backend.tasks.payloads import InputWindow

router = APIRouter(tags=["inside"], route_class=StrictRoute)
STUDY = Study("internals", Internals, InternalsRequest, InternalsResult)
STUDY.add_to(router, "/internals")
FEWEST = 10
SHORTEST, EDGE = 0.4, 0.02
"""Seconds of a patch that is played, at least; and of its fading in and out."""


@router.post(
    "/internals", response_model=None, responses={200: {"model": Internals}, 202: {"model": Internals}}
)
async def look_inside(body: InternalsRequest, services: Backend, client: Client) -> Response:
    """202 when this starts the work, 200 when it is known. `inputs`: ten or more of your own; null takes those that
    belong to the model."""
    model = await lookup.model(services, body.model)
    model.require_available()
    require_layer(model, body.layer)
    windows = await _windows(body, model, services)
    source = await services.network(body.model)
    payload = InternalsPayload(
        model=source.model,
        upload=source.upload,
        digest=source.digest,
        layer=body.layer,
        inputs=windows,
        labels=body.labels,
        seed=body.seed,
        request=body.model_dump(mode="json"),
    )
    row = await services.jobs.submit(
        STUDY.kind,
        payload.as_json(),
        key=job_key(STUDY.kind, body.model_dump(mode="json"), model.identity),
        title=f"Filters of {body.layer}",
        client=client,
    )
    return STUDY.answer(row, 202 if row.fresh else 200)


def require_layer(model: lookup.KnownModel, layer: str) -> tuple[int, int, int]:
    """Shape of its maps. Raises BadParameter."""
    for known in model.info.layers:
        if known.name == layer:
            return known.shape
    raise BadParameter(
        "This model has no such layer to look at; choose one of the layers that the model lists.",
        field="layer",
    )


async def _windows(
    body: InternalsRequest, model: lookup.KnownModel, services: Backend
) -> list[InputWindow] | None:
    if body.inputs is None:
        if body.labels is not None:
            raise BadParameter("Labels belong to inputs of your own; give these too.", field="labels")
        return None
    different = len(set(body.inputs))
    if different < FEWEST:
        raise BadParameter(
            f"At least {FEWEST} different inputs are needed to say something about filters, and {different} were given; "
            "leave them out to use those that belong to the model.",
            field="inputs",
        )
    if different < len(body.inputs):
        raise BadParameter("The list of inputs names something twice.", field="inputs")
    _check_labels(body, len(model.info.labels))
    sources = [await services.source(id, body.model) for id in body.inputs]
    for source in sources:
        model.require_modality(source.input.modality)
    return [InputWindow(input=source.input, start=source.start) for source in sources]


def _check_labels(body: InternalsRequest, classes: int) -> None:
    if body.labels is None or body.inputs is None:
        return
    if len(body.labels) != len(body.inputs):
        raise BadParameter(
            f"There are {len(body.inputs)} inputs and {len(body.labels)} labels; give one for each.",
            field="labels",
        )
    if any(not 0 <= label < classes for label in body.labels):
        raise BadParameter(f"Labels are whole numbers from 0 to {classes - 1}.", field="labels")


@router.get(
    "/internals/{id}/partial.npy",
    response_class=Response,
    responses=BYTES
    | {204: {"description": "Nothing is known yet, or it has ended and the whole result is there"}},
)
async def partial(id: str, services: Backend) -> Response:
    """While it runs: what is known so far, float32 `[C, C + 2]`: the correlation of the filters, their importance over
    the inputs so far, Taylor's estimate of it; NaN where nothing is known yet."""
    table = await _so_far(services, await STUDY.row(id, services))
    return Response(status_code=204) if table is None else npy(table, "partial")


@router.get("/internals/{id}/correlation.npy", response_class=Response, responses=BYTES)
async def correlation(id: str, services: Backend) -> Response:
    """Pearson's correlation of the filters' spatial means, float32 `[C, C]` in filter order; there while the rest still
    runs. Filters that never change have 0 with all others."""
    row = await STUDY.row(id, services)
    if (known := await _so_far(services, row)) is not None:
        table = _array(known)
        return npy(_bytes(table[:, : len(table)]), "correlation")
    return await _stored(
        services, await STUDY.row(id, services), "correlation"
    )  # it may have ended in between


@router.get("/internals/{id}/kernels.npy", response_class=Response, responses=BYTES)
async def kernels(id: str, services: Backend) -> Response:
    """Weights of the layer's own convolution, float32 `[C, c, kh, kw]`; 404 for a layer without one (sums,
    concatenations)."""
    return await _stored(services, await STUDY.row(id, services), "kernels")


@router.get("/internals/{id}/patches.npy", response_class=Response, responses=BYTES)
async def patches(id: str, services: Backend) -> Response:
    """What the strongest cells look at, uint8 `[C, 4, ph, pw]` or `[C, 4, ph, pw, 3]`, rows as in the display grid, black
    where a filter has fewer than four."""
    return await _stored(services, await STUDY.row(id, services), "patches")


@router.get(
    "/internals/{id}/patches/{filter}/{number}.wav",
    response_class=Response,
    responses={200: {"content": {"audio/wav": {}}}},
)
async def listen(id: str, filter: int, number: int, services: Backend) -> Response:
    """The moment of a patch as it sounds, all frequencies: its seconds, widened to 0.4 s where it is shorter, at the
    loudness of its recording's peak."""
    from models.media.wav import write_wav

    row = await STUDY.row(id, services)
    result = STUDY.result_of(row)
    silent = NotFound("There is no such patch to listen to.", code="no_sound")
    if result.sounds is None or not 0 <= filter < len(result.filters):
        raise silent
    strongest = result.filters[filter].strongest
    if not 0 <= number < len(strongest) or strongest[number].seconds is None:
        raise silent
    sounds, patch = result.sounds, strongest[number]
    clips = _array(await bytes_of(await services.jobs.file_path(row.key, "sounds"), "sound"))
    place = sounds.examples.index(patch.example)
    seconds = patch.seconds or (0.0, 0.0)
    sound = cut_sound(clips[place], sounds.rate, sounds.starts[place], seconds)
    return Response(await run_in_threadpool(write_wav, sound, sounds.rate), media_type="audio/wav")


def cut_sound(clip: Any, rate: int, start: float, seconds: tuple[float, float]) -> Any:
    """clip: int16, its first sample at second `start`. float32, faded at both ends."""
    import numpy as np

    middle, length = (seconds[0] + seconds[1]) / 2, max(SHORTEST, seconds[1] - seconds[0])
    first = max(0, round((middle - length / 2 - start) * rate))
    part = clip[first : first + round(length * rate)].astype(np.float32) / 32768
    fade = min(len(part) // 2, round(EDGE * rate))
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    part[:fade] *= ramp
    part[len(part) - fade :] *= ramp[::-1]
    return part


async def _so_far(services: Backend, row: JobRow) -> bytes | None:
    """The partial array of a job that runs; None when there is none (yet, or no longer)."""
    try:
        return (
            await bytes_of(await services.jobs.array_path(row.key, "values"), "table") if row.active else None
        )
    except NotFound:
        return None


async def _stored(services: Backend, row: JobRow, name: str) -> Response:
    path = None if row.active else await services.jobs.file_path(row.key, name)
    if path is None and row.state == "done":
        raise NotFound(f"This layer has no {name}.", code=f"no_{name}")
    return npy(await bytes_of(path, name), name)


def _array(data: bytes) -> Any:
    import numpy as np

    return np.load(io.BytesIO(data), allow_pickle=False)


def _bytes(array: Any) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
