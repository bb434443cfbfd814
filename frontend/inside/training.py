"""The half of the Inside page that shows a training."""

from __future__ import annotations

from collections.abc import Mapping

from dash import Dash, html
from dash.development.base_component import Component

from frontend.client import Client
from frontend.ui import common


def view(query: Mapping[str, str], switch: Component) -> Component:
    """query: the address. switch: between the page's two halves, to stand first in the strip."""
    return html.Div(
        [
            html.Div(switch, className="ev-card ev-inside-strip"),
            common.note("No training is recorded on this server yet."),
        ],
        className="ev-inside",
    )


def register(app: Dash, client: Client) -> None:
    """Callbacks of this half."""
