"""Putting the dashboard together: one Dash application on the FastAPI server, its pages, its callbacks."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import dash
import httpx
from dash import Dash, ctx, set_props
from fastapi import FastAPI

from app.core.errors import where
from app.core.schemas import Problem
from app.core.settings import Settings
from frontend import about, shell
from frontend.client import ApiProblem, Client
from frontend.pages import pages
from frontend.ui.common import problem

ASSETS = Path(__file__).with_name("assets")
log = logging.getLogger(__name__)


def build(server: FastAPI, settings: Settings) -> Dash:
    """Everything is served from here: no CDN, no foreign request, no inline script beyond Dash's own
    one-line start."""
    client = Client(
        lambda: httpx.ASGITransport(server, raise_app_exceptions=False, client=(_visitor(), 0)),
        host=_host(settings),
    )
    app = Dash(
        __name__,
        server=server,  # type: ignore[arg-type]
        use_pages=True,
        pages_folder="",
        assets_folder=str(ASSETS),
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


def _host(settings: Settings) -> str:
    """A host name the API accepts."""
    return next((host for host in settings.allowed_hosts if "*" not in host), "127.0.0.1")


def _visitor() -> str:
    """Whom the API counts a request for: the browser that asked, not this process."""
    try:
        return ctx.remote or "127.0.0.1"
    except Exception:  # outside of a callback there is no visitor
        return "127.0.0.1"


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
