"""Routes: predictions of a model for an input."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.core.errors import NotFound
from app.core.schemas import Job, Prediction, PredictionRequest
from backend.api import lookup
from backend.api.http.context import Backend, Client, bytes_of, job_of_kind
from backend.api.http.strict import StrictRoute
from backend.jobs.problems import from_problem
from backend.store import JobRow

router = APIRouter(tags=["predictions"], route_class=StrictRoute)
WAIT = 10.0


@router.post("/predictions", response_model=None, responses={200: {"model": Prediction}, 202: {"model": Job}})
async def predict(body: PredictionRequest, services: Backend, client: Client) -> Response:
    """The prediction, or 202 with the job when it takes longer than ten seconds."""
    model = await lookup.model(services, body.model)
    payload = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(payload.input.modality)
    key = await lookup.prediction_key(services, body.model_dump(), model)
    await services.jobs.submit(
        "prediction",
        payload.as_json(),
        key=key,
        title=f"Prediction by {model.info.title}",
        client=client,
    )
    row = await services.jobs.wait(key, WAIT)
    services.get_ready(payload, model.info.title)
    return _view(row)


@router.get(
    "/predictions/{id}", response_model=None, responses={200: {"model": Prediction}, 202: {"model": Job}}
)
async def prediction(id: str, services: Backend) -> Response:
    """The prediction; 202 with the job while it is being computed."""
    return _view(await job_of_kind(services, id, "prediction"))


@router.get(
    "/predictions/{id}/display.png", response_class=Response, responses={200: {"content": {"image/png": {}}}}
)
async def display(id: str, services: Backend) -> Response:
    """What the model sees, on the grid of the maps, as a person sees it (high frequencies on top)."""
    row = await job_of_kind(services, id, "prediction")
    return Response(
        await bytes_of(await services.jobs.file_path(row.key, "display.png"), "picture"),
        media_type="image/png",
    )


def _view(row: JobRow) -> Response:
    if row.state == "done" and row.result is not None:
        answer = Prediction(
            **{**row.result, "id": row.key, "state": "done", "display": f"/predictions/{row.key}/display.png"}
        )
        return Response(answer.model_dump_json(), media_type="application/json")
    if row.active:
        return Response(row.as_job().model_dump_json(), 202, media_type="application/json")
    if row.error is not None:
        raise from_problem(row.error)
    raise NotFound("There is no such prediction.", code="unknown_prediction")
