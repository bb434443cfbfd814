"""Putting the dashboard together: one Dash application on the FastAPI server, its pages, its callbacks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import dash
import httpx
from dash import Dash, ctx, set_props
from fastapi import FastAPI
from starlette.types import ASGIApp

from app.core.errors import NotFound, where
from app.core.schemas import Problem
from app.core.settings import Settings
from frontend import about, shell, sign_in
from frontend.client import ApiProblem, Client
from frontend.pages import pages
from frontend.ui import assets
from frontend.ui.common import problem

log = logging.getLogger(__name__)


def build(server: FastAPI, settings: Settings, entrance: ASGIApp) -> Dash:
    """Everything is served from here: no CDN, no foreign request, no inline script beyond Dash's own
    one-line start."""
    server.get(sign_in.PATH, include_in_schema=False)(sign_in.page)
    client = Client(
        lambda: httpx.ASGITransport(entrance, raise_app_exceptions=False, client=(_visitor(), 0)),
        host=_host(settings),
        visitor=partial(_visitor_headers, ("cookie", "evident-reviewer", settings.user_header or "")),
    )
    app = Dash(
        __name__,
        server=server,  # type: ignore[arg-type]
        use_pages=True,
        pages_folder="",
        assets_folder=str(assets.FOLDER),
        assets_url_path=assets.BASE,
        # Not in Dash's walk: its tags carry a version that the modules' own imports do not, and every module
        # would run twice.
        assets_path_ignore=["early", "evident"],
        serve_locally=True,
        suppress_callback_exceptions=True,
        include_pages_meta=False,
        add_log_handler=False,
        title="Evident",
        update_title=None,  # type: ignore[arg-type]
        index_string=shell.INDEX,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "description", "content": "See why a CNN decided as it did."},
        ],
        on_error=_unexpected,
    )
    _without_websocket(app, server)
    server.get("/assets/{name:path}", include_in_schema=False)(_other_version)
    for page in pages():
        dash.register_page(
            f"page {page.path}", path=page.path, title=f"{page.name} · Evident", layout=page.layout
        )
        for part in page.parts:
            part.register(app, client)
    dash.register_page(
        "frontend.not_found_404", path="/not-found", title="Not found · Evident", layout=about.not_found
    )
    app.layout = shell.shell
    return app


def _without_websocket(app: Dash, server: FastAPI) -> None:
    """Dash opens a WebSocket and a shared worker on every page of a FastAPI server, used or not, and
    speaks of it in the console. Not used: not there."""
    app.backend.websocket_capability = False
    server.router.routes[:] = [
        route for route in server.router.routes if getattr(route, "path", "") != "/_dash-ws-callback"
    ]


async def _other_version(name: str) -> None:
    """A file that is not there, else answered with the page: often one of the version before, asked for by a page that has been
    open since."""
    raise NotFound("There is no such file in this version; reload the page.", code="unknown_file")


def _host(settings: Settings) -> str:
    """A host name the API accepts."""
    return next((host for host in settings.allowed_hosts if "*" not in host), "127.0.0.1")


def _visitor() -> str:
    """Whom the API counts a request for: the browser that asked, not this process."""
    try:
        return ctx.remote or "127.0.0.1"
    except Exception:  # outside of a callback there is no visitor
        return "127.0.0.1"


def _visitor_headers(passed_on: Sequence[str]) -> dict[str, str]:
    """What says who the visitor is, passed on: the browser that asked, not this process, is who asks."""
    try:
        headers = ctx.headers
        return {name: headers[name] for name in passed_on if headers.get(name)}
    except Exception:  # outside of a callback there is no visitor
        return {}


def _unexpected(error: Exception) -> Any:
    """A bug in a callback is told to the log and to the person, and the page stays usable."""
    log.error("a callback failed: %s", where(error))
    broken = Problem(
        title="This part of the page failed",
        status=500,
        code="page_failed",
        detail="Nothing was lost; reload the page, and tell the operator if it stays.",
    )
    shown = error if isinstance(error, ApiProblem) else ApiProblem(broken)
    set_props("notice", {"children": problem(shown)})
