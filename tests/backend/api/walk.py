"""All routes of the API, however FastAPI keeps included routers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Mount


def api_routes(app: Any) -> list[tuple[str, APIRoute]]:
    """Path as the API knows it, and route, of the application mounted at /api."""
    api = next(route.app for route in app.routes if isinstance(route, Mount) and route.path == "/api")
    return list(_walk(api.routes))


def _walk(routes: Any) -> Iterator[tuple[str, APIRoute]]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route.path, route
        elif hasattr(route, "effective_route_contexts"):
            yield from ((context.path, context.original_route) for context in route.effective_route_contexts())
