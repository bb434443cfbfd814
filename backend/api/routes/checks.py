"""Routes: checks of a finished map, and of a method on a model."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from app.core.check_results import ChecksResult, SanityResult
from app.core.errors import Conflict, Incompatible, NotFound
from app.core.schemas import (
    Checks,
    ChecksRequest,
    ExplanationRequest,
    KnownRegion,
    Record,
    Sanity,
    SanityRequest,
)
from backend.api import lookup
from backend.api.evidence import known_evidence
from backend.api.http.context import Backend, Client, bytes_of, job_of_kind, npy
from backend.api.http.strict import StrictRoute
from backend.api.parameters import complete_params
from backend.api.regions import region_mask_of
from backend.api.routes.explanations import layer_of
from backend.api.routes.studies import BYTES, Study
from backend.jobs.client import Client as JobClient
from backend.jobs.keys import job_key
from backend.store import JobRow
from backend.tasks.checks import ChecksPayload
from backend.tasks.sanity import SanityPayload

router = APIRouter(tags=["checks"], route_class=StrictRoute)
CHECKS = Study("checks", Checks, ChecksRequest, ChecksResult)
SANITY = Study("sanity", Sanity, SanityRequest, SanityResult)
ASKED = ("request", "region", "known")
"""Parts of the payload that the result depends on: the map, and the regions known of its input, which may change."""
STAGES = ("error", "variance")
"""Stages that say how far a cell would move."""


@router.post("/checks", response_model=None, responses={200: {"model": Checks}, 202: {"model": Checks}})
async def check(body: ChecksRequest, services: Backend, client: Client) -> Response:
    """How stable a finished map is, how much of it lies where no evidence can be, and whether the score follows it. Behind all
    other work. 202 when this starts it, 200 when it is known."""
    try:
        row = await job_of_kind(services, body.explanation, "explanation")
    except NotFound:
        raise _no_such_map() from None
    if row.state != "done" or row.result is None:
        raise Conflict(
            "Only a finished map can be checked; wait until this one is done, or make it again.",
            code="not_done",
            field="explanation",
        )
    asked, record = ExplanationRequest(**row.payload["request"]), Record(**row.result)
    blobs = await services.store.run(services.jobs.queue.blobs, row.key)
    if "values" not in blobs:  # deleted since its row was read
        raise _no_such_map()
    source = await services.source(asked.input, asked.model, asked.start)
    region = await region_mask_of(services, asked.input, asked.model)
    known = await run_in_threadpool(_beside_evidence, str(source.input.meta.get("sample")))
    payload = ChecksPayload(
        **dict(source),
        region=region,
        known=known,
        explanation=row.key,
        method=record.method,
        target=record.target,
        layer=record.layer,
        params=asked.params,
        seed=record.seed,
        signed=record.signed,
        native=record.native,
        samples=record.extras.get("samples"),
        values=blobs["values"],
        stages={name: blobs[f"stages/{name}"] for name in STAGES if f"stages/{name}" in blobs},
        request=body.model_dump(mode="json"),
    )
    model = await lookup.model(services, asked.model)
    found = await services.jobs.submit(
        CHECKS.kind,
        payload.as_json(),
        key=job_key(CHECKS.kind, payload.model_dump(mode="json", include=set(ASKED)), model.identity),
        title=f"Check {record.method_title}",
        client=client,
    )
    return CHECKS.answer(found, 202 if found.fresh else 200)


def _no_such_map() -> NotFound:
    return NotFound(
        "There is no such map; it may have been deleted. Make it again, then check it.",
        code="unknown_explanation",
        field="explanation",
    )


def _beside_evidence(sample: str) -> list[KnownRegion]:
    """What a sample is known to hold beside its evidence: a sticker, a hum."""
    try:
        return [region for region in known_evidence(sample).regions if region.key != "evidence"]
    except NotFound:
        return []


@router.get("/checks/{id}/stable.npy", response_class=Response, responses=BYTES)
async def stable(id: str, services: Backend) -> Response:
    """uint8 `[H, W]` on the display grid: 1 where a cell of the map is stable."""
    row = await CHECKS.row(id, services)
    return npy(await bytes_of(await services.jobs.file_path(row.key, "stable"), "array"), "stable")


@router.post("/sanity", response_model=None, responses={200: {"model": Sanity}, 202: {"model": Sanity}})
async def check_method(body: SanityRequest, services: Backend, client: Client) -> Response:
    """Whether the maps of a method on a model change with its weights and with the class; not about one input, so asked once.
    202 when this starts the work, 200 when it is known."""
    row = await _sanity(body, services, client)
    return SANITY.answer(row, 202 if row.fresh else 200)


async def _sanity(body: SanityRequest, services: Backend, client: JobClient) -> JobRow:
    method = await lookup.method(services, body.method)
    model = await lookup.model(services, body.model)
    model.require_available()
    fit = (await lookup.expected_fits(services, model))[body.method]
    if not fit.ok:
        raise Incompatible(fit.reason, field="method")
    layer = layer_of(body.layer, model, method.uses_layer)
    params = complete_params(method.schema_, fit, body.params)
    request: dict[str, Any] = {**body.model_dump(mode="json"), "layer": layer, "params": params}
    source = await services.network(body.model)
    payload = SanityPayload(
        model=source.model,
        upload=source.upload,
        digest=source.digest,
        method=body.method,
        layer=layer,
        params=params,
        request=request,
    )
    return await services.jobs.submit(
        SANITY.kind,
        payload.as_json(),
        key=job_key(SANITY.kind, request, model.identity),
        title=f"Is {method.title} about the network?",
        client=client,
    )


async def _with_sanity(row: JobRow, services: Backend, view: Checks) -> Checks:
    """With what is known of its method on its model."""
    if view.result is not None:
        model = await lookup.model(services, row.payload["model"])
        request = SanityRequest(**{name: row.payload[name] for name in SanityRequest.model_fields})
        with suppress(NotFound):
            key = job_key(SANITY.kind, request.model_dump(mode="json"), model.identity)
            view.result.sanity = SANITY.parsed((await services.jobs.get(key)).result)
    return view


CHECKS.add_to(router, "/checks", _with_sanity)
SANITY.add_to(router, "/sanity")
