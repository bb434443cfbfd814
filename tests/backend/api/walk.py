"""All routes of the API, however FastAPI keeps included routers, and the tables in which the test files
account for them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Mount

FREE_TEXT = "any text is a possible id, and an impossible one is 404"
"""Why a route has no 422 in its table."""


def api_routes(app: Any) -> list[tuple[str, APIRoute]]:
    """Path as the API knows it, and route, of the application mounted at /api."""
    api = next(route.app for route in app.routes if isinstance(route, Mount) and route.path == "/api")
    return list(_walk(api.routes))


def _walk(routes: Any) -> Iterator[tuple[str, APIRoute]]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route.path, route
        elif hasattr(route, "effective_route_contexts"):
            yield from (
                (context.path, context.original_route) for context in route.effective_route_contexts()
            )


def files() -> list[Path]:
    return sorted(Path(__file__).parent.glob("test_*.py"))


def tables() -> dict[tuple[str, str], dict[int, str]]:
    """Every `TABLE` of the test files: (method, path) -> what makes the route 200, 404 and 422, or why
    that cannot be."""
    found = [
        getattr(importlib.import_module(f"tests.backend.api.{path.stem}"), "TABLE", {})
        for path in files()
        if "TABLE:" in path.read_text()
    ]
    return {key: row for table in found for key, row in table.items()}
