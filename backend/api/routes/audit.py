"""Routes: the audit log, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.core.schemas import AuditEntry, AuditPage
from backend.api.http.context import ADMIN, Backend
from backend.api.http.strict import StrictRoute
from backend.store import audit as log

router = APIRouter(tags=["access"], route_class=StrictRoute, dependencies=[ADMIN])
Text = Annotated[str | None, Query(max_length=200)]
Moment = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]


@router.get("/audit")
async def audit(
    services: Backend,
    who: Text = None,
    action: Text = None,
    object: Text = None,
    since: Moment = None,
    until: Moment = None,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> AuditPage:
    """Who did what, newest first. object: an id or how it begins. since, until: Unix seconds."""
    wanted = log.Filter(who, action, object, since, until)
    entries, total = await services.store.run(log.entries, services.store, wanted, offset, limit)
    actions, people = await services.store.run(log.choices, services.store)
    settings = services.settings
    return AuditPage(
        entries=[AuditEntry(**vars(entry)) for entry in entries],
        total=total,
        actions=actions,
        people=people,
        retention_days=settings.retention_days,
        retention_cases=settings.retention_cases,
    )
