"""Routes: the OpenAPI schema, and a page that lists the routes without requests to other hosts."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse

from backend.api.http.strict import StrictRoute

router = APIRouter(include_in_schema=False, route_class=StrictRoute)
STATIC = Path(__file__).resolve().parents[1] / "static"


@router.get("/openapi.json")
async def openapi(request: Request) -> dict[str, Any]:
    """The schema, with the prefix under which this application is mounted as its server."""
    return {**request.app.openapi(), "servers": [{"url": request.scope.get("root_path", "") or "/"}]}


@router.get("/docs.css")
async def style() -> FileResponse:
    return FileResponse(STATIC / "docs.css", media_type="text/css")


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every route with its parameters and answers."""
    schema = request.app.openapi()
    rows = "".join(
        _operation(f"{request.scope.get('root_path', '')}{path}", verb, operation)
        for path, verbs in schema["paths"].items()
        for verb, operation in verbs.items()
    )
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Evident API</title>"
        "<link rel=stylesheet href=docs.css><main><h1>Evident API</h1><p>The machine-readable description is "
        "<a href=openapi.json>openapi.json</a>. Every refusal is problem JSON (RFC 9457) with a stable code and one plain sentence.</p>"
        f"{rows}</main></html>"
    )


def _operation(path: str, verb: str, operation: dict[str, Any]) -> str:
    described = escape(operation.get("description", "")).replace("\n", "<br>")
    parameters = "".join(
        f"<li><code>{escape(part['name'])}</code> {escape(part['in'])} {escape(part.get('description', ''))}"
        for part in operation.get("parameters", [])
    )
    answers = "".join(
        f"<li><code>{escape(status)}</code> {escape(answer['description'])}"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<section><h2><span>{escape(verb.upper())}</span> <code>{escape(path)}</code></h2><p>{described}</p>"
        f"{f'<ul>{parameters}</ul>' if parameters else ''}<details><summary>Answers</summary><ul>{answers}</ul></details></section>"
    )
