"""Routes: one input at every layer of a network, its events and the layers' maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.core.errors import BadParameter, NotFound
from app.core.lens_results import LensResult
from app.core.schemas import Lens, LensRequest
from backend.api import lookup
from backend.api.http.context import Backend, Client, bytes_of, job_of_kind, npy
from backend.api.http.events import follow
from backend.api.http.strict import StrictRoute
from backend.api.routes.jobs import stop_or_delete
from backend.jobs.keys import job_key
from backend.store import JobRow
from backend.tasks.lens import LensPayload, unpacked
from backend.tasks.payloads import InputWindow

router = APIRouter(tags=["inside"], route_class=StrictRoute)
KIND = "lens"
FEWEST = 10


@router.post("/lens", response_model=None, responses={200: {"model": Lens}, 202: {"model": Lens}})
async def look(body: LensRequest, services: Backend, client: Client) -> Response:
    """202 when this starts the work, 200 when it is known. Maps and strongest filters of every layer come first,
    readable while it runs; then what the lens reads, fitted once per network."""
    model = await lookup.model(services, body.model)
    source = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(source.input.modality)
    if body.target is not None and body.target >= len(model.info.labels):
        raise BadParameter(
            f"The class must be a whole number from 0 to {len(model.info.labels) - 1}.", field="target"
        )
    inputs = None
    if body.inputs is not None:
        if len(set(body.inputs)) < FEWEST:
            raise BadParameter(
                f"At least {FEWEST} different inputs are needed to read the layers; more are better, 100 are plenty.",
                field="inputs",
            )
        sources = [await services.source(id, body.model) for id in dict.fromkeys(body.inputs)]
        for other in sources:
            model.require_modality(other.input.modality)
        inputs = [InputWindow(input=other.input) for other in sources]
    request = body.model_dump(mode="json")
    payload = LensPayload(
        input=source.input,
        start=source.start,
        model=source.model,
        upload=source.upload,
        digest=source.digest,
        target=body.target,
        inputs=inputs,
        request=request,
    )
    key = job_key(KIND, request, model.identity)
    row = await services.jobs.submit(KIND, payload.as_json(), key=key, title="Layer by layer", client=client)
    return Response(view(row).model_dump_json(), 202 if row.fresh else 200, media_type="application/json")


@router.get("/lens/{id}")
async def lens(id: str, services: Backend) -> Lens:
    """State, progress, and the result; while it runs, the part of the result that is there."""
    row = await job_of_kind(services, id, KIND)
    known = view(row)
    if row.active:
        partial = await _partial(row, services)
        if partial is not None:
            known.result = _parsed(partial[0])
    return known


@router.get(
    "/lens/{id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(id: str, services: Backend) -> Response:
    """Server-sent events, as for explanations; `progress.partial` grows when a first part can be asked for."""
    row = await job_of_kind(services, id, KIND)
    return follow(services.jobs, [row.key], lambda row: view(row).model_dump_json())


@router.get(
    "/lens/{id}/layers/{name}.npy",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def layer(id: str, name: str, services: Backend) -> Response:
    """float32 `[2 + k, h, w]` at the layer's resolution: Grad-CAM of the target (not negative), the lens map (signed;
    its mean + `constant` is the target's logit; NaN until it is there), and the feature maps in the order of
    `features`. Maps with a side over 112 are averaged down; their means are kept."""
    row = await job_of_kind(services, id, KIND)
    if row.active:
        partial = await _partial(row, services)
        array = partial[1].get(f"layers/{name}") if partial is not None else None
        if array is not None:
            return npy(await run_in_threadpool(_saved, array), "layer")
        row = await job_of_kind(services, id, KIND)  # it may have ended in between
    layers = (row.result or {}).get("layers", [])
    if layers and name not in {
        part["name"] for part in layers if part["readable"] and part["kind"] != "head"
    }:
        raise NotFound("This network has no such layer to read; the result lists them.", code="unknown_layer")
    return npy(await bytes_of(await services.jobs.file_path(row.key, f"layers/{name}"), "layer"), "layer")


@router.get(
    "/lens/{id}/layers/{name}/features.npy",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def features(id: str, name: str, services: Backend) -> Response:
    """uint8 `[C, h, w]`, sides of at most 32: the maps of all filters of a layer in filter order, each on its own scale
    (255 is its largest value). There when the lens is done."""
    row = await job_of_kind(services, id, KIND)
    path = None if row.active else await services.jobs.file_path(row.key, f"features/{name}")
    if path is None and row.state == "done":
        raise NotFound("This network has no such layer to read; the result lists them.", code="unknown_layer")
    return npy(await bytes_of(path, "features"), "features")


@router.delete(
    "/lens/{id}",
    response_model=None,
    responses={200: {"model": Lens}, 204: {"description": "Deleted"}},
)
async def remove(id: str, services: Backend) -> Lens | Response:
    """Stops one that waits or runs (200); deletes one that has ended (204)."""
    row = await job_of_kind(services, id, KIND)
    if await stop_or_delete(services, row) is None:
        return Response(status_code=204)
    return view(await services.jobs.get(row.key))


def view(row: JobRow) -> Lens:
    """The wire schema of a job row."""
    return Lens(
        **row.fields(),
        request=LensRequest.model_validate(row.payload["request"], strict=False),
        result=_parsed(row.result),
    )


def _parsed(result: dict[str, Any] | None) -> LensResult | None:
    """The result; None for one in the form of an earlier version, which the same request computes again under another
    key."""
    try:
        return None if result is None else LensResult.model_validate(result)
    except ValidationError:
        return None


async def _partial(row: JobRow, services: Backend) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    path = await services.jobs.array_path(row.key, "values")
    return None if path is None else await run_in_threadpool(_unpack, path)


def _unpack(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    try:
        return unpacked(np.load(path, allow_pickle=False))
    except (OSError, ValueError):  # it has ended meanwhile
        return None


def _saved(array: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
