"""The maps: the input first, then one panel per ticked method, in the catalogue's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import Fit, MethodInfo, Prediction, Problem
from frontend import ids
from frontend.client import ApiProblem
from frontend.ui import forms, words
from frontend.ui.common import action, aria, problem, widget


def panels(
    methods: Sequence[MethodInfo],
    fits: Mapping[str, Fit],
    runs: Mapping[str, Mapping[str, Any]],
    params: Mapping[str, Mapping[str, Any]],
    prediction: Prediction,
) -> list[Component]:
    """methods: the ticked ones. runs: per method the explanation it was posted as, or the refusal."""
    first = html.Div(
        widget(
            "input-map",
            display=prediction.display,
            input=prediction.input,
            axes=axes_of(prediction),
        ),
        className="ev-card ev-panel ev-panel--input",
        id="panel-input",
        style=nth(0),
    )
    return [
        first,
        *(
            panel(
                method,
                fits.get(method.key),
                runs.get(method.key),
                params.get(method.key, {}),
                prediction,
                place,
            )
            for place, method in enumerate(methods, 1)
        ),
    ]


def nth(place: int) -> dict[str, str]:
    """A panel's number, by which it stands over its partner when something is beside (beside.css)."""
    return {"--ev-nth": str(place)}


def panel(
    method: MethodInfo,
    fit: Fit | None,
    run: Mapping[str, Any] | None,
    params: Mapping[str, Any],
    prediction: Prediction,
    place: int,
) -> Component:
    """A map, a refusal, or the offer to compute it."""
    kind = "ev-panel--map"
    if run is None:
        kind = "ev-panel--offer"
        inside: list[Component] = offer(method, fit, params)
    elif "problem" in run:
        inside = [
            head(method.title),
            problem(ApiProblem(Problem.model_validate(run["problem"])), _again(method, "Try again")),
        ]
    else:
        inside = [map_widget(method, run["id"], prediction, id=ids.panel(method.key))]
    return html.Section(
        inside,
        className=f"ev-card ev-panel {kind}",
        id={"type": "panel", "method": method.key},
        style=nth(place),
        **aria(label=method.title),
    )


def map_widget(method: MethodInfo, explanation: str, prediction: Prediction, **more: Any) -> Component:
    """One map, followed and drawn by the browser."""
    return widget(
        "map",
        explanation=explanation,
        title=method.title,
        signed="1" if method.signed else "0",
        pieces="1" if method.pieces else "0",
        key=method.key,
        family=method.family,
        display=prediction.display,
        stale="0",
        checked="1",
        **more,
    )


def axes_of(prediction: Prediction) -> dict[str, Any]:
    """The sides of the display grid, for the browser."""
    return {"y_axis": prediction.y_axis.model_dump(), "x_axis": prediction.x_axis.model_dump()}


def head(title: str) -> Component:
    return html.Div(html.H3(title, className="ev-panel-title"), className="ev-panel-head")


def _again(method: MethodInfo, text: str) -> Component:
    return action(text, "play", id=ids.run_one(method.key))


def offer(method: MethodInfo, fit: Fit | None, params: Mapping[str, Any]) -> list[Component]:
    """A method that was ticked but not run: what it shows and what it costs, before it costs anything."""
    said = html.P(price(method, fit, params), id=ids.cost(method.key, "offer"), className="ev-muted")
    return [
        head(method.title),
        html.Div([html.P(method.summary), said, _again(method, "Run")], className="ev-offer"),
    ]


def price(method: MethodInfo, fit: Fit | None, params: Mapping[str, Any]) -> str:
    """What a run will cost, in a sentence."""
    seconds = forms.estimate(method.schema_, fit, params) if fit else None
    if fit is None or seconds is None:
        return "Not measured on this machine yet."
    seen = "as it took before" if fit.runs else "it has not run on this model yet"
    return f"About {words.seconds(seconds)} on this machine, {seen}."


def waiting(count: int = 3) -> list[Component]:
    """Panels before anything is known."""
    return [
        html.Div(
            [dmc.Skeleton(height=16, width=110), dmc.Skeleton(className="ev-panel-blank")],
            className="ev-card ev-panel",
        )
        for _ in range(count)
    ]
