"""The line under a list of models: which ones at hand are still being looked at, and which could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from app.core.schemas import AbsentModel
from frontend.ui.common import aria

AGAIN_MS = 2000
"""Between two looks at a list that is not complete yet."""


def pending(absent: Sequence[AbsentModel]) -> bool:
    """Whether the list will grow by itself."""
    return any(model.reason is None for model in absent)


def lines(absent: Sequence[AbsentModel]) -> list[Component]:
    """Nothing where every model is listed."""
    waiting = [model.name for model in absent if model.reason is None]
    told: list[Any] = [f"{model.name} could not be read: {model.reason}" for model in absent if model.reason]
    if waiting:
        told.insert(0, f"Still being looked at, and listed when ready: {', '.join(waiting)}.")
    return [html.P(text, className="ev-muted ev-breaks") for text in told]


def follower(name: str, absent: Sequence[AbsentModel] = ()) -> list[Component]:
    """The lines in a place that says its changes, and the clock `NAME-again` that a callback follows until the list is
    complete."""
    return [
        html.Div(lines(absent), id=f"{name}-absent", **aria(live="polite")),
        dcc.Interval(id=f"{name}-again", interval=AGAIN_MS, disabled=not pending(absent)),
    ]
