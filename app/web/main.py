"""Composition: API, dashboard and security middleware as one ASGI application, or the parts as separate
services.

all   one process, one port: `/api` is the backend, everything else the dashboard (the default)
api   the backend alone
ui    the dashboard alone; `/api` is passed on to `settings.api_url`, so that the browser sees one origin
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.core.settings import Settings, get_settings

if TYPE_CHECKING:
    from app.web.entrance import Who

Part = Literal["all", "api", "ui"]


def create_app(settings: Settings | None = None, part: Part = "all") -> ASGIApp:
    """The application uvicorn serves. Workers start with its lifespan and end with it."""
    settings = settings or get_settings()
    from app.web.entrance import Entrance
    from app.web.guard import protect

    root, who = _backend(settings) if part != "ui" else _proxy(settings)
    if part == "api":
        return protect(root, settings, entrance=partial(Entrance, settings=settings, who=who))
    from frontend import create_dash, sign_in

    passed_on = "/api/" if part == "ui" else None
    entrance = partial(Entrance, settings=settings, who=who, open_to_all=sign_in.OPEN, passed_on=passed_on)
    dashboard = create_dash(root, settings, entrance(root))
    return protect(root, settings, dashboard.csp_hashes, dashboard.callback_map, entrance)


def _backend(settings: Settings) -> tuple[FastAPI, Who]:
    from backend.api import create_api, health_router
    from backend.api.access import known_user
    from backend.api.services import Services

    services = Services(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await services.start()
        await _first_page(root, settings)
        try:
            yield
        finally:
            await services.stop()

    root = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    root.include_router(health_router(services))
    # Mounted, not included: an unknown /api/... stays a JSON 404 instead of falling through to the
    # dashboard's catch-all page.
    root.mount("/api", create_api(services))
    return root, partial(known_user, services=services)


def _proxy(settings: Settings) -> tuple[FastAPI, Who]:
    from app.web.proxy import forward

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await _first_page(root, settings)
        yield

    root = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    return root, forward(root, settings)


async def _first_page(root: FastAPI, settings: Settings) -> None:
    """Requests `/` once: Dash registers its scripts at the first request for `/` only, and a deep link before
    it would come without them."""
    import httpx

    host = next((name for name in settings.allowed_hosts if "*" not in name), "localhost")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(root), base_url=f"http://{host}") as client:
        await client.get("/")
