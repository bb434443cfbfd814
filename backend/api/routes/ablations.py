"""Routes: filters switched off, the filters behind a spot, and pictures made to excite a filter."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from app.core.errors import BadParameter
from app.core.internals_results import AblationResult, MaximisationResult, SpotResult
from app.core.schemas import (
    Ablation,
    AblationRequest,
    LayerOfInputRequest,
    Maximisation,
    MaximisationRequest,
    Spot,
    SpotRequest,
)
from backend.api import lookup
from backend.api.http.context import Backend, Client, bytes_of, npy
from backend.api.http.strict import StrictRoute
from backend.api.routes.internals import require_layer
from backend.api.routes.studies import BYTES, Study
from backend.jobs.client import Client as JobClient
from backend.jobs.keys import job_key
from backend.tasks.ablation import AblationPayload, LayerOfInput, SpotPayload
from backend.tasks.maximisation import MaximisationPayload

router = APIRouter(tags=["inside"], route_class=StrictRoute)
WAIT = 5.0
"""Seconds that a request waits for its answer before it is sent on to the job."""
ABLATIONS = Study("ablation", Ablation, AblationRequest, AblationResult)
SPOTS = Study("spot", Spot, SpotRequest, SpotResult)
MAXIMISATIONS = Study("maximisation", Maximisation, MaximisationRequest, MaximisationResult)
ABLATIONS.add_to(router, "/ablations")
SPOTS.add_to(router, "/spots")
MAXIMISATIONS.add_to(router, "/maximisations")


@router.post(
    "/ablations", response_model=None, responses={200: {"model": Ablation}, 202: {"model": Ablation}}
)
async def switch_off(body: AblationRequest, services: Backend, client: Client) -> Response:
    """The prediction and the Grad-CAM without these filters: 200 with the result, or 202 with the job when it takes
    longer than five seconds."""
    model, shared, count = await _at_layer(body, services)
    filters = _filters(body.filters, count)
    request = body.model_dump(mode="json") | {"filters": filters}
    payload = AblationPayload(**shared, filters=filters, replacement=body.replacement, request=request)
    title = f"{body.layer} without {len(filters)} filter{'s' if len(filters) > 1 else ''}"
    return await _answered(ABLATIONS, payload, model, title, services, client)


async def _at_layer(
    body: LayerOfInputRequest, services: Backend
) -> tuple[lookup.KnownModel, dict[str, Any], int]:
    """The model, what payloads about one input at one layer have in common, and how many filters the layer has."""
    model = await lookup.model(services, body.model)
    source = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(source.input.modality)
    count = require_layer(model, body.layer)[0]
    model.require_target(body.target)
    return model, {**dict(source), "layer": body.layer, "target": body.target}, count


async def _answered(
    study: Study[Any, Any],
    payload: LayerOfInput,
    model: lookup.KnownModel,
    title: str,
    services: Backend,
    client: JobClient,
) -> Response:
    """200 with the result when it comes in time, else 202 with the job."""
    key = job_key(study.kind, payload.request, model.identity)
    row = await services.jobs.submit(study.kind, payload.as_json(), key=key, title=title, client=client)
    row = await services.jobs.wait(row.key, WAIT)
    return study.answer(row, 202 if row.active else 200)


def _filters(filters: list[int], count: int, field: str = "filters") -> list[int]:
    wrong = [k for k in filters if not 0 <= k < count]
    if wrong:
        raise BadParameter(f"This layer has filters 0 to {count - 1}; choose among them.", field=field)
    return sorted(set(filters))


@router.get("/ablations/{id}/maps.npy", response_class=Response, responses=BYTES)
async def ablation_maps(id: str, services: Backend) -> Response:
    """Grad-CAM at the layer before and after, float32 `[2, h, w]`, raw and on one scale."""
    row = await ABLATIONS.row(id, services)
    return npy(await bytes_of(await services.jobs.file_path(row.key, "maps"), "map"), "maps")


@router.post("/spots", response_model=None, responses={200: {"model": Spot}, 202: {"model": Spot}})
async def find_spot(body: SpotRequest, services: Backend, client: Client) -> Response:
    """Which filters made this spot of the layer's Grad-CAM: 200 with the result, or 202 with the job when it takes longer
    than five seconds."""
    model, shared, _ = await _at_layer(body, services)
    payload = SpotPayload(**shared, x=body.x, y=body.y, request=body.model_dump(mode="json"))
    return await _answered(SPOTS, payload, model, f"A spot of {body.layer}", services, client)


@router.post(
    "/maximisations",
    response_model=None,
    responses={200: {"model": Maximisation}, 202: {"model": Maximisation}},
)
async def maximise(body: MaximisationRequest, services: Backend, client: Client) -> Response:
    """A picture made to excite one filter. 202 when this starts the work, 200 when it is known."""
    model = await lookup.model(services, body.model)
    model.require_available()
    _filters([body.filter], require_layer(model, body.layer)[0], field="filter")
    source = await services.network(body.model)
    request = body.model_dump(mode="json")
    payload = MaximisationPayload(
        model=source.model,
        upload=source.upload,
        digest=source.digest,
        layer=body.layer,
        filter=body.filter,
        seed=body.seed,
        request=request,
    )
    key = job_key("maximisation", request, model.identity)
    title = f"What excites filter {body.filter} of {body.layer}"
    row = await services.jobs.submit("maximisation", payload.as_json(), key=key, title=title, client=client)
    return MAXIMISATIONS.answer(row, 202 if row.fresh else 200)


@router.get("/maximisations/{id}/picture.npy", response_class=Response, responses=BYTES)
async def maximisation_picture(id: str, services: Backend) -> Response:
    """The picture on the display grid, float32 `[H, W]` or `[H, W, 3]` in 0..1."""
    row = await MAXIMISATIONS.row(id, services)
    return npy(await bytes_of(await services.jobs.file_path(row.key, "picture"), "picture"), "picture")
