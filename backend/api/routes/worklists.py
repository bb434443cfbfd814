"""Routes: worklists of cases."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.core.schemas import CasesDeleted, Worklist, WorklistAgreement, WorklistChange
from backend.api import case_deletion, cases, review_tables
from backend.api.http.context import Backend, Reviewer, SignedIn
from backend.api.http.strict import StrictRoute
from backend.store import cases as rows

router = APIRouter(tags=["cases"], route_class=StrictRoute)


@router.get("/worklists")
async def listing(services: Backend, reviewer: Reviewer, user: SignedIn) -> list[Worklist]:
    """Newest first; counts are of the reviewer who asks."""
    return await cases.worklists_view(services, reviewer, user)


@router.get("/worklists/{id}")
async def worklist(id: str, services: Backend, reviewer: Reviewer, user: SignedIn) -> Worklist:
    """With how many cases the model has answered so far."""
    return await cases.worklist_view(services, await cases.worklist_of(services, id), reviewer, user)


@router.patch("/worklists/{id}")
async def rename(
    id: str, body: WorklistChange, services: Backend, reviewer: Reviewer, user: SignedIn
) -> Worklist:
    """Another title."""
    await services.store.run(rows.rename_worklist, services.store, id, body.title)
    await services.audit(reviewer, "worklist.rename", id)
    return await cases.worklist_view(services, await cases.worklist_of(services, id), reviewer, user)


@router.get("/worklists/{id}/agreement")
async def agreement(id: str, services: Backend, reviewer: Reviewer) -> WorklistAgreement:
    """Between reviewers, and of each with the model: Cohen's kappa with its interval, over the cases whose model the reviewer
    who asks has seen."""
    return await review_tables.agreement(services, await cases.worklist_of(services, id), reviewer)


@router.get(
    "/worklists/{id}/verdicts.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}}
)
async def verdicts(id: str, services: Backend, reviewer: Reviewer) -> Response:
    """A line per verdict, and one per case without any; of cases whose model the reviewer has not seen, the own ones."""
    text = await review_tables.verdicts_csv(services, await cases.worklist_of(services, id), reviewer)
    headers = {"Content-Disposition": 'attachment; filename="verdicts.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.delete("/worklists/{id}")
async def remove(
    id: str, services: Backend, reviewer: Reviewer, user: SignedIn, inputs: bool = False
) -> CasesDeleted:
    """The list, its cases with the names of their files, and everything that was said. inputs: also the inputs, with every byte
    made of them, unless another list, a concept or an analysis of several inputs has them. Where people sign in: by its maker, or an
    admin; one whose maker is not known, by an admin."""
    return await case_deletion.delete_worklist(services, id, reviewer, user, inputs)
