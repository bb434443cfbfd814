"""Routes: one input at every layer of a network, its events and the layers' maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from app.core.errors import BadParameter, NotFound
from app.core.lens_results import LensResult
from app.core.schemas import Lens, LensRequest
from backend.api import lookup
from backend.api.http.context import Backend, Client, bytes_of, npy
from backend.api.http.strict import StrictRoute
from backend.api.routes.studies import BYTES, Study
from backend.jobs.keys import job_key
from backend.store import JobRow
from backend.tasks.lens import LensPayload, unpacked
from backend.tasks.payloads import InputWindow

router = APIRouter(tags=["inside"], route_class=StrictRoute)
STUDY = Study("lens", Lens, LensRequest, LensResult)
FEWEST = 10


@router.post("/lens", response_model=None, responses={200: {"model": Lens}, 202: {"model": Lens}})
async def look(body: LensRequest, services: Backend, client: Client) -> Response:
    """202 when this starts the work, 200 when it is known. Maps and strongest filters of every layer come first,
    readable while it runs; then what the lens reads, fitted once per network."""
    model = await lookup.model(services, body.model)
    source = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(source.input.modality)
    model.require_target(body.target)
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
    key = job_key(STUDY.kind, request, model.identity)
    row = await services.jobs.submit(
        STUDY.kind, payload.as_json(), key=key, title="Layer by layer", client=client
    )
    return STUDY.answer(row, 202 if row.fresh else 200)


@router.get(
    "/lens/{id}/layers/{name}.npy",
    response_class=Response,
    responses=BYTES,
)
async def layer(id: str, name: str, services: Backend) -> Response:
    """float32 `[2 + k, h, w]` at the layer's resolution: Grad-CAM of the target (not negative), the lens map (signed;
    its mean + `constant` is the target's logit; NaN until it is there), and the feature maps in the order of
    `features`. Maps with a side over 112 are averaged down; their means are kept."""
    row = await STUDY.row(id, services)
    if row.active:
        partial = await _partial(row, services)
        array = partial[1].get(f"layers/{name}") if partial is not None else None
        if array is not None:
            return npy(await run_in_threadpool(_saved, array), "layer")
        row = await STUDY.row(id, services)  # it may have ended in between
    layers = (row.result or {}).get("layers", [])
    if layers and name not in {
        part["name"] for part in layers if part["readable"] and part["kind"] != "head"
    }:
        raise NotFound("This network has no such layer to read; the result lists them.", code="unknown_layer")
    return npy(await bytes_of(await services.jobs.file_path(row.key, f"layers/{name}"), "layer"), "layer")


@router.get(
    "/lens/{id}/layers/{name}/features.npy",
    response_class=Response,
    responses=BYTES,
)
async def features(id: str, name: str, services: Backend) -> Response:
    """uint8 `[C, h, w]`, sides of at most 32: the maps of all filters of a layer in filter order, each on its own scale
    (255 is its largest value). There when the lens is done."""
    row = await STUDY.row(id, services)
    path = None if row.active else await services.jobs.file_path(row.key, f"features/{name}")
    if path is None and row.state == "done":
        raise NotFound("This network has no such layer to read; the result lists them.", code="unknown_layer")
    return npy(await bytes_of(path, "features"), "features")


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


async def _with_first_part(row: JobRow, services: Backend, view: Lens) -> Lens:
    """While it runs, the part of the result that is there; `progress.partial` grows when it can be asked for."""
    partial = await _partial(row, services) if row.active else None
    if partial is not None:
        view.result = STUDY.parsed(partial[0])
    return view


STUDY.add_to(router, "/lens", _with_first_part)
