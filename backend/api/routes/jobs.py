"""Routes: jobs of every kind."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from app.core.errors import NotFound
from app.core.schemas import Job, JobKind
from backend.api.http.context import ID, Backend, Reviewer
from backend.api.http.events import STREAM, follow
from backend.api.http.strict import StrictRoute
from backend.store import JobRow

router = APIRouter(tags=["jobs"], route_class=StrictRoute)
LISTED = frozenset(get_args(JobKind)) - {
    "catalogue",
    "speed",
    "judgement",
    "concept_examples",
    "cell",
}
"""Kinds that `GET /jobs` lists: not the server's own work (catalogue, speed of models, strips of concepts), nor
the parts of a study."""


@router.get("/jobs")
async def jobs(services: Backend, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[Job]:
    """Active ones first, then the newest."""
    return [row.as_job() for row in await services.jobs.list(limit=limit, kinds=LISTED)]


@router.get("/jobs/{id}")
async def job(id: str, services: Backend) -> Job:
    """200 also for a failed job, which carries its error."""
    return (await _listed_job(services, id)).as_job()


@router.get("/jobs/{id}/events", response_class=StreamingResponse, responses=STREAM)
async def events(id: str, services: Backend) -> StreamingResponse:
    """Server-sent events: the job at every change, until it has ended."""
    row = await _listed_job(services, id)
    return follow(services.jobs, [row.key], lambda row: row.as_job().model_dump_json())


@router.delete(
    "/jobs/{id}", response_model=None, responses={200: {"model": Job}, 204: {"description": "Deleted"}}
)
async def remove(id: str, services: Backend, reviewer: Reviewer) -> Job | Response:
    """Stops a job that waits or runs (200, the job); deletes one that has ended (204)."""
    row = await _listed_job(services, id)
    return await stop_or_delete(services, row, reviewer) or Response(status_code=204)


async def stop_or_delete(services: Backend, row: JobRow, reviewer: str) -> Job | None:
    """The cancelled job, or None when it had ended and is now gone."""
    if not row.active:
        await services.jobs.delete(row.key)
        await services.store.run(services.store.scrub)
        await services.audit(reviewer, f"{row.kind}.delete", row.key)
        return None
    await services.jobs.cancel(row.key)
    await services.audit(reviewer, f"{row.kind}.stop", row.key)
    return (await services.jobs.wait(row.key, 5.0)).as_job()


async def _listed_job(services: Backend, id: str) -> JobRow:
    row = await services.jobs.get(id) if ID.fullmatch(id) else None
    if row is None or row.kind not in LISTED:
        raise NotFound("There is no such job; it may have been deleted.", code="unknown_job")
    return row
