"""Measure: a study of methods by metrics over many inputs, as a table with intervals.

address -> start.load -> the widget `measure` (assets/evident/measure), which asks for price, study and cells, draws everything and tells
its address. Nothing here and nothing there names a method or a metric: they are those of the catalogue and of the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from app.core.schemas import Catalogue, ModelInfo
from frontend.client import ApiProblem
from frontend.measure import address, outcome
from frontend.ui import common
from frontend.ui.common import aria, widget


def layout(**query: str) -> Component:
    """Drawn at once; what needs the API follows."""
    return html.Div(
        [
            dcc.Store(id="measure-query", data=query),
            dcc.Store(id="measure-opened"),
            dcc.Store(id="measure-shown"),
            dcc.Store(id="measure-address"),
            html.H1("Measure explanations", className="ev-visually-hidden"),
            html.Div(skeleton(), id="measure-body"),
        ]
    )


def skeleton() -> Component:
    """The page's shape while the server is asked."""
    return html.Div(
        [
            html.Div(common.skeleton(2), className="ev-card"),
            common.card("Scores", common.skeleton(8)),
        ],
        className="ev-measuring",
        **aria(busy="true"),
    )


def body(catalogue: Catalogue, model: ModelInfo | None, query: Mapping[str, str]) -> Component:
    """model: the one of the address, where the catalogue does not list it (a person's own)."""
    study = widget(
        "measure",
        id="measure-widget",
        className="ev-measuring",
        catalogue=choices(catalogue, model),
        query=address.read(query),
    )
    return html.Div([study, outcome.fused_map()], className="ev-measure-page")


def choices(catalogue: Catalogue, model: ModelInfo | None) -> dict[str, list[dict[str, Any]]]:
    """What the strip offers: models that can be run, methods and metrics in their own order."""
    models = [info for info in catalogue.models if info.available]
    if model and model.key not in {info.key for info in models}:
        models.append(model)
    about = {"key", "title", "summary", "family", "default_on"}
    return {
        "models": [info.model_dump(include={"key", "title", "modalities"}) for info in models],
        "methods": [info.model_dump(include=about) for info in catalogue.methods],
        "metrics": [
            info.model_dump(include=about | {"short", "better", "needs"}) for info in catalogue.metrics
        ],
    }


def unreachable(refusal: ApiProblem) -> Component:
    """The page when the computing side does not answer."""
    retry = html.A("Try again", href="/measure", className="ev-button")
    return html.Div(common.card("", common.problem(refusal, retry)), className="ev-measuring")
