"""Cases: worklists, and a case in four steps.

address -> the widget `cases` (assets/evident/cases), which asks the API for lists, cases and maps, draws everything and tells its address.
Through Dash's callbacks passes the address, and once the models that a new list may have.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from app.core.schemas import ModelInfo, Problem
from frontend.ui.common import widget


def layout(**query: str) -> Component:
    """Drawn at once; what needs the API follows."""
    return html.Div(
        [
            dcc.Store(id="cases-query", data=query),
            dcc.Store(id="cases-begin", data=True),
            dcc.Store(id="cases-shown"),
            dcc.Store(id="cases-address"),
            html.H1("Review cases", className="ev-visually-hidden"),
            html.Div(widget("cases", id="cases-widget", className="ev-cases-page"), id="cases-body"),
        ]
    )


def models(known: Sequence[ModelInfo]) -> str:
    """What a list can be judged by, for the browser."""
    about = {"key", "title", "modalities", "default_for"}
    return json.dumps({"models": [info.model_dump(include=about) for info in known if info.available]})


def no_models(problem: Problem) -> str:
    """Why there are none, for the browser."""
    return json.dumps({"problem": problem.model_dump()})
