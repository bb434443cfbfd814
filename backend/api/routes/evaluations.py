"""Routes: studies of explanations (inputs x methods x metrics): cost, table, drill-down to cells and maps, files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.core.errors import NotFound, UnsupportedType
from app.core.evaluation_results import InputScores, StudyResult
from app.core.schemas import (
    Evaluation,
    EvaluationAdvice,
    EvaluationListing,
    EvaluationPreset,
    EvaluationPrice,
    EvaluationRequest,
    EvaluationSet,
    LabelTable,
    Progress,
)
from app.core.text import Name
from backend.api import lookup
from backend.api.http.context import Backend, Client, Reviewer, bytes_of, job_of_kind, npy
from backend.api.http.events import STREAM, follow
from backend.api.http.strict import StrictRoute
from backend.api.labelling import read_table
from backend.api.measuring import planned, price, require_affordable
from backend.api.routes.jobs import stop_or_delete
from backend.api.routes.studies import BYTES
from backend.jobs.evaluation import EVALUATION, cell_keys, plan_of, study_of
from backend.jobs.keys import job_key
from backend.scoring.presets import PRESETS
from backend.scoring.study import as_csv, input_scores
from backend.store import JobRow
from backend.tasks.sets import SETS
from models.labelled import LABELS

router = APIRouter(tags=["evaluations"], route_class=StrictRoute)
PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
_TABLE = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.post(
    "/evaluations", response_model=None, responses={200: {"model": Evaluation}, 202: {"model": Evaluation}}
)
async def measure(body: EvaluationRequest, services: Backend, client: Client) -> Response:
    """202 when this starts the study or takes it up again (one that was stopped, or in which maps failed), 200 when it is known.
    What other studies have measured is not measured again."""
    study = await planned(body, services)
    require_affordable(await price(study, services))
    payload = study.as_json()
    asked = {name: value for name, value in payload.items() if name not in ("labels", "title", "upload")}
    row = await services.jobs.submit(
        EVALUATION,
        payload,
        key=job_key(EVALUATION, asked, study.digest),
        title=f"Measure {len(body.methods)} {'method' if len(body.methods) == 1 else 'methods'} on {study.count:,} {study.set_title.lower() or 'inputs'}",
        client=client,
    )
    if row.state == "done" and await services.evaluations.has_failed(study):
        await services.jobs.recompute(row.key, client)
        row = replace(await services.jobs.get(row.key), fresh=True)
    view = await _view(row, services)
    return Response(view.model_dump_json(), 202 if row.fresh else 200, media_type="application/json")


@router.post("/evaluations/price")
async def cost(body: EvaluationRequest, services: Backend) -> EvaluationPrice:
    """What this study would take, before it is asked for; starts nothing."""
    return await price(await planned(body, services), services)


@router.post("/evaluations/labels", openapi_extra=_TABLE)
async def labels(request: Request, model: Name, services: Backend, name: Name = LABELS) -> LabelTable:
    """What a `labels.csv` says of files, read as `evident evaluate --labels` reads it. Nothing is kept: send classes with the study, and
    boxes and masks as regions of the inputs. name: what the table is called in what is said of it."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "text/csv":
        raise UnsupportedType("Send the table as text/csv.", field="labels")
    classes = (await lookup.model(services, model)).info.labels
    return await run_in_threadpool(read_table, await request.body(), classes, name)


@router.get("/evaluations")
async def listing(
    services: Backend, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[EvaluationListing]:
    """Those at work first, then the newest."""
    return [_listed(row) for row in await services.jobs.list(limit=limit, kinds=[EVALUATION])]


@router.get("/evaluations/sets")
async def sets(model: Name, services: Backend) -> list[EvaluationSet]:
    """Bundled sets of inputs that this model can be measured on."""
    info = (await lookup.model(services, model)).info
    return [
        EvaluationSet(
            key=each.key,
            title=each.title,
            count=each.count,
            labelled=each.labelled,
            masks=each.masks,
            note=each.note,
        )
        for each in SETS.values()
        if each.fits(info.modalities, info.labels)
    ]


@router.get("/evaluations/presets")
async def presets() -> list[EvaluationPreset]:
    """Studies that are worth asking for by name, for any inputs; what does not fit a network stays a row or column that says why."""
    return list(PRESETS)


@router.get("/evaluations/advice")
async def advice(model: Name, services: Backend) -> EvaluationAdvice | None:
    """What the newest finished study of this model that could judge a method says about them; null without one."""
    known = await lookup.model(services, model)
    rows = await services.store.run(services.jobs.queue.done_of_kind, EVALUATION)
    for row in reversed(rows):
        study = study_of(row)
        if study.model != model or study.identity != known.identity:
            continue
        result = await services.evaluations.result(row)
        if result is not None and any(verdict.judged for verdict in result.verdicts):
            return _advice(row, result)
    return None


@router.get("/evaluations/{id}")
async def state(id: str, services: Backend) -> Evaluation:
    """State, progress, and the table as far as it is."""
    return await _view(await job_of_kind(services, id, EVALUATION), services)


@router.get("/evaluations/{id}/events", response_class=StreamingResponse, responses=STREAM)
async def events(id: str, services: Backend) -> Response:
    """Server-sent events: state and progress without the table, at every change; ask for the table then."""
    row = await job_of_kind(services, id, EVALUATION)
    return follow(services.jobs, [row.key], lambda row: _listed(row).model_dump_json())


@router.get("/evaluations/{id}/cells.json")
async def cells(id: str, method: Name, metric: Name, services: Backend) -> InputScores:
    """The scores behind one field of the table, input by input."""
    study = study_of(await job_of_kind(services, id, EVALUATION))
    if method not in {each.key for each in study.methods} or metric not in {
        each["key"] for each in study.metrics
    }:
        raise NotFound("This study has no such method or metric.", code="unknown_cell")
    found = await services.evaluations.cells(study, await run_in_threadpool(cell_keys, study))
    plan = plan_of(study)
    return InputScores(cells=await run_in_threadpool(input_scores, plan, *found, method, metric))


@router.get("/evaluations/{id}/maps/{index}/{method}.npy", response_class=Response, responses=BYTES)
async def values(id: str, index: int, method: str, services: Backend) -> Response:
    """The map of a method on input `index`: float32 `[H, W]` on the display grid."""
    study = study_of(await job_of_kind(services, id, EVALUATION))
    key = (await run_in_threadpool(cell_keys, study)).get((index, method))
    if key is None:
        raise NotFound("This study has no such map.", code="unknown_map")
    return npy(await _of_cells([key], "values", "map", services), "values")


@router.get("/evaluations/{id}/inputs/{index}.png", response_class=Response, responses=PICTURE)
async def picture(id: str, index: int, services: Backend) -> Response:
    """Input `index` on the display grid, in greys, as a person sees it: the lowest frequency at the bottom."""
    keys = await _keys_of_input(id, index, services)
    data = await _of_cells(keys, "picture.png", "picture", services)
    return Response(data, media_type="image/png")


@router.get("/evaluations/{id}/masks/{index}.npy", response_class=Response, responses=BYTES)
async def mask(id: str, index: int, services: Backend) -> Response:
    """Where the evidence of input `index` is known to be: uint8 `[H, W]`, 1 inside."""
    keys = await _keys_of_input(id, index, services)
    return npy(await _of_cells(keys, "mask", "mask", services), "mask")


@router.get("/evaluations/{id}/scores.csv", response_class=Response, responses=TEXT)
async def scores_csv(id: str, services: Backend) -> Response:
    """One line per input, method and metric."""
    study = study_of(await job_of_kind(services, id, EVALUATION))
    found = await services.evaluations.cells(study, await run_in_threadpool(cell_keys, study))
    text = await run_in_threadpool(as_csv, plan_of(study), *found)
    return _file(text, "text/csv", "scores.csv")


@router.get("/evaluations/{id}/study.json", response_class=Response)
async def study_json(id: str, services: Backend) -> Response:
    """What was asked and everything that was found, as one file."""
    row = await job_of_kind(services, id, EVALUATION)
    view = await _view(row, services)
    text = json.dumps(view.model_dump(mode="json"), indent=1)
    return _file(text, "application/json", "study.json")


@router.delete(
    "/evaluations/{id}",
    response_model=None,
    responses={200: {"model": Evaluation}, 204: {"description": "Deleted"}},
)
async def remove(id: str, services: Backend, reviewer: Reviewer) -> Response:
    """Stops one that waits or runs (200; what was measured is kept, and posting it again goes on from there); deletes
    one that has ended (204), with the maps and scores that no other study has."""
    row = await job_of_kind(services, id, EVALUATION)
    if await stop_or_delete(services, row, reviewer) is None:
        await services.evaluations.delete_unused_cells()
        return Response(status_code=204)
    view = await _view(await services.jobs.get(row.key), services)
    return Response(view.model_dump_json(), media_type="application/json")


async def _view(row: JobRow, services: Backend) -> Evaluation:
    result = await services.evaluations.result(row)
    return Evaluation(**_listed(row).model_dump(), result=result)


def _listed(row: JobRow) -> EvaluationListing:
    request = EvaluationRequest.model_validate(row.payload["request"], strict=False)
    fields = row.fields()
    if row.state != "running" or not row.progress.total:
        study = study_of(row)
        total = len(study.places)
        fields["progress"] = Progress(done=total if row.state == "done" else 0, total=total, unit="cells")
    return EvaluationListing(**fields, request=request, seconds_left=row.progress.remaining)


def _advice(row: JobRow, result: StudyResult) -> EvaluationAdvice:
    count = len(result.inputs)
    passed = len(result.passed)
    what = study_of(row).set_title.lower() or "inputs"
    return EvaluationAdvice(
        study=row.key,
        methods=[verdict.method for verdict in result.verdicts],
        passed={verdict.method: verdict.passed for verdict in result.verdicts},
        because={verdict.method: verdict.because for verdict in result.verdicts},
        text=f"Measured on {count:,} {what}: {passed} of {len(result.verdicts)} methods passed.",
    )


async def _keys_of_input(id: str, index: int, services: Backend) -> list[str]:
    """Of all methods. Raises NotFound."""
    study = study_of(await job_of_kind(services, id, EVALUATION))
    keys = await run_in_threadpool(cell_keys, study)
    chosen = [key for (number, _), key in keys.items() if number == index]
    if not chosen:
        raise NotFound("This study has no such input.", code="unknown_input")
    return chosen


async def _of_cells(keys: list[str], name: str, what: str, services: Backend) -> bytes:
    """A file of the first of these cells that has it. Raises NotFound."""
    states = await services.store.run(services.jobs.queue.states, keys)
    for key in keys:
        if states.get(key) == "done":
            return await bytes_of(await services.jobs.file_path(key, name), what)
    return await bytes_of(None, what)


def _file(text: str, media_type: str, name: str) -> Response:
    return Response(
        text,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
