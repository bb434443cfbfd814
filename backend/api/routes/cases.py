"""Routes: cases of a worklist: what a reviewer may know of them, and what reviewers say."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from app.core.schemas import (
    Case,
    CaseEventRequest,
    CasesAdded,
    CasesDeleted,
    CasesPage,
    CasesRequest,
    VerdictRequest,
)
from app.core.schemas.cases import CaseState
from app.core.text import Name
from backend.api import case_deletion, cases
from backend.api.http.context import Backend, Reviewer, SignedIn
from backend.api.http.strict import LinedRoute
from backend.store.review import Wanted

router = APIRouter(tags=["cases"], route_class=LinedRoute)

Score = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)]


@router.post("/cases", status_code=201)
async def add(body: CasesRequest, services: Backend, reviewer: Reviewer, user: SignedIn) -> CasesAdded:
    """Inputs become cases of a list: a new one, or the one of this id, or of this title and model. An input that is in the
    list stays the case it is. The model is asked in the background."""
    return await cases.add(services, body, reviewer, user)


@router.get("/cases")
async def listing(
    services: Backend,
    reviewer: Reviewer,
    worklist: Name,
    state: CaseState | None = None,
    search: Name = "",
    verdict: Annotated[str | None, Query(max_length=20)] = None,
    score_from: Score = None,
    score_to: Score = None,
    sort: Literal["arrival", "name", "score", "verdict"] = "arrival",
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> CasesPage:
    """Part of a list. search: in names, labels and one's own notes. verdict: one's reading (a class or `cannot_say`),
    or one's last word on the prediction or the explanation. score_from, score_to: cases whose score is shown to the one who asks and
    lies there, ends included. One that is hidden, withheld or not answered is in no such range; `unscored` counts them."""
    wanted = Wanted(state, search, verdict, score_from, score_to, sort, offset, limit)
    return await cases.page(services, worklist, reviewer, wanted)


@router.get("/cases/{id}")
async def case(id: str, services: Backend, reviewer: Reviewer) -> Case:
    """All that this reviewer may know of it."""
    return await cases.case_view(services, id, reviewer)


@router.get(
    "/cases/{id}/picture.png", response_class=Response, responses={200: {"content": {"image/png": {}}}}
)
async def picture(id: str, services: Backend, reviewer: Reviewer) -> Response:
    """What the model is given, on the grid of the maps, as a person sees it; told before its answer is."""
    return Response(await cases.picture(services, id, reviewer), media_type="image/png")


@router.put("/cases/{id}/verdict")
async def judge(id: str, body: VerdictRequest, services: Backend, reviewer: Reviewer) -> Case:
    """Adds a verdict to those that there are."""
    return await cases.judge(services, id, body, reviewer)


@router.post("/cases/{id}/reveal")
async def reveal(id: str, services: Backend, reviewer: Reviewer) -> Case:
    """Shows what the model says; in a blind list after one's own reading."""
    return await cases.reveal(services, id, reviewer)


@router.post("/cases/{id}/events")
async def event(id: str, body: CaseEventRequest, services: Backend, reviewer: Reviewer) -> Case:
    """Adds to the history of the case."""
    return await cases.note_event(services, id, body, reviewer)


@router.delete("/cases/{id}")
async def remove(
    id: str, services: Backend, reviewer: Reviewer, user: SignedIn, inputs: bool = False
) -> CasesDeleted:
    """The case and everything that was said of it. inputs: also its input, unless somebody else has it. Where people sign in: by the
    maker of its list, or an admin."""
    return await case_deletion.delete_case(services, id, reviewer, user, inputs)
