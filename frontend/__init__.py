"""Showing: Dash pages, components, figures and the API client. Speaks HTTP only; never imports backend,
models, torch or captum."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dash import Dash
    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from app.core.settings import Settings


def create_dash(server: FastAPI, settings: Settings, entrance: ASGIApp | None = None) -> Dash:
    """The dashboard on `server`, below which the API already answers at `/api/v1` (or is passed on to
    where it does). entrance: by which the dashboard's own requests go there."""
    from frontend.dashboard import build

    return build(server, settings, entrance or server)
