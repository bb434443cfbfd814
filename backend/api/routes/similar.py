"""Routes: inputs that a network sees as alike, among the samples and the labelled cases of worklists."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.core.schemas import Similar, SimilarRequest, SimilarResult
from backend.api import lookup, similar
from backend.api.http.context import Backend, Client, Reviewer
from backend.api.http.strict import StrictRoute
from backend.api.routes.inputs import InputIntake
from backend.api.routes.samples import samples
from backend.api.routes.studies import Study
from backend.jobs.keys import job_key
from backend.tasks.similar import SimilarPayload

router = APIRouter(tags=["review"], route_class=StrictRoute)
STUDY = Study("similar", Similar, SimilarRequest, SimilarResult)


@router.post("/similar", response_model=None, responses={200: {"model": Similar}, 202: {"model": Similar}})
async def find(
    body: SimilarRequest, services: Backend, client: Client, reviewer: Reviewer, intake: InputIntake
) -> Response:
    """The nearest by what the network's last layer with places answers, and by what those answers add to the class, among
    the samples and the labelled cases that this reviewer may know. 202 when this starts the work, 200 when it is
    known."""
    model = await lookup.model(services, body.model)
    source = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(source.input.modality)
    model.require_target(body.target)
    known = await similar.known_to(services, reviewer, await samples(services, intake))
    ids = [id for id in known if id != source.input.id]
    windows, unlisted = await similar.windows(services, ids, model.info.modalities)
    request = body.model_dump(mode="json")
    payload = SimilarPayload(
        **dict(source), inputs=windows, unlisted=unlisted, n=body.n, target=body.target, request=request
    )
    among = sorted(window.input.id for window in windows)
    key = job_key(STUDY.kind, {**request, "among": among, "unlisted": unlisted}, model.identity)
    row = await services.jobs.submit(
        STUDY.kind, payload.as_json(), key=key, title="Similar cases", client=client
    )
    view = similar.named(STUDY.view(row), known, model.info.labels)
    return Response(view.model_dump_json(), 202 if row.fresh else 200, media_type="application/json")


@router.get("/similar/{id}", response_model=Similar)
async def state(id: str, services: Backend, reviewer: Reviewer, intake: InputIntake) -> Similar:
    """State, progress, and the neighbours once it is done, with names and labels as far as this reviewer may know them."""
    row = await STUDY.row(id, services)
    view = STUDY.view(row)
    if view.result is None:
        return view
    model = await lookup.model(services, view.request.model)
    known = await similar.known_to(services, reviewer, await samples(services, intake))
    return similar.named(view, known, model.info.labels)


STUDY.add_to(router, "/similar", read=False)
