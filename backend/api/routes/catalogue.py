"""Routes: limits, and the catalogue of models and methods."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.core.schemas import Catalogue
from backend.api import lookup
from backend.api.http.context import Backend
from backend.api.http.strict import StrictRoute
from models.media.sniff import EXTENSIONS

router = APIRouter(tags=["catalogue"], route_class=StrictRoute)


@router.get("/limits")
async def limits(services: Backend) -> dict[str, Any]:
    """What one request or one job may use, the file extensions taken, and how long inputs stay (`retention_days`: null
    until somebody deletes them; `retention_cases`: whether they go in time also while a case holds them)."""
    settings = services.settings
    stay = {"retention_days": settings.retention_days, "retention_cases": settings.retention_cases}
    return {**settings.limits.model_dump(), **stay, "accept": list(EXTENSIONS)}


@router.get("/catalogue")
async def catalogue(services: Backend) -> Catalogue:
    """Everything there is to choose from; nothing in a client needs to name a model or a method."""
    return await lookup.catalogue(services)
