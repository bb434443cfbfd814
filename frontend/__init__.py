"""Showing: Dash pages, components, figures and the API client. Speaks HTTP only; never imports backend,
models, torch or captum."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dash import Dash
    from fastapi import FastAPI

    from app.core.settings import Settings


def create_dash(server: FastAPI, settings: Settings) -> Dash:
    """The dashboard on `server`, below which the API already answers at `/api/v1` (or is passed on to
    where it does)."""
    from frontend.dashboard import build

    return build(server, settings)
