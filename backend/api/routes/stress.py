"""Routes: everyday changes of an input, and what they do to score and map."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.core.errors import Incompatible
from app.core.schemas import Stress, StressRequest, StressResult
from backend.api import lookup
from backend.api.http.context import Backend, Client
from backend.api.http.strict import StrictRoute
from backend.api.routes.studies import Study
from backend.jobs.keys import job_key
from backend.tasks.stress import StressPayload

router = APIRouter(tags=["review"], route_class=StrictRoute)
STUDY = Study("stress", Stress, StressRequest, StressResult)


@router.post("/stress", response_model=None, responses={200: {"model": Stress}, 202: {"model": Stress}})
async def stress(body: StressRequest, services: Backend, client: Client) -> Response:
    """The score of a class, and one map of it, under changes that should not matter: 6 dB, noise, the telephone, a codec, a
    shift, a crop, speed (pictures: light, noise, JPEG, shift, crop, scale). 202 when this starts the work, 200 when it
    is known."""
    model = await lookup.model(services, body.model)
    source = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(source.input.modality)
    model.require_target(body.target)
    await lookup.method(services, body.method)
    fit = (await lookup.expected_fits(services, model))[body.method]
    if not fit.ok:
        raise Incompatible(fit.reason, field="method")
    request = body.model_dump(mode="json")
    payload = StressPayload(**dict(source), method=body.method, target=body.target, request=request)
    key = job_key(STUDY.kind, request, model.identity)
    row = await services.jobs.submit(
        STUDY.kind, payload.as_json(), key=key, title="Everyday changes", client=client
    )
    return STUDY.answer(row, 202 if row.fresh else 200)


STUDY.add_to(router, "/stress")
