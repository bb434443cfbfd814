"""What if a region were not there: the card beside the maps, drawn by its widget (assets/evident/whatif)."""

from __future__ import annotations

import json
from typing import Any

from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from app.core.schemas import Prediction
from frontend.client import ApiProblem, Client
from frontend.compare.subject import target_of
from frontend.ui.common import aria, widget
from frontend.wiring import wire


def card() -> Component:
    """Closed until somebody draws."""
    return html.Section(
        widget("whatif", id="whatif", subject=""),
        className="ev-card ev-whatif ev-when-open ev-lab-only",
        **aria(label="What if"),
    )


def register(app: Dash, client: Client) -> None:
    """What the widget asks about follows the prediction and the class that is explained."""
    wire(
        app,
        client,
        follow,
        output=Output("whatif", "data-subject"),
        inputs={"answer": Input("answer-store", "data"), "target": Input("target-store", "data")},
    )


async def follow(client: Client, answer: dict[str, Any] | None, target: dict[str, Any] | None) -> str:
    """JSON for the widget, "" without a prediction. fillers: what can stand in place of a region, the model's default
    first."""
    if not answer:
        return ""
    prediction = Prediction.model_validate(answer["prediction"])
    try:
        model = await client.model(prediction.model)
    except ApiProblem:
        return ""
    chosen = target_of(target, prediction, len(model.labels))
    subject = {
        **answer["subject"],
        "target": chosen,
        "fillers": [*model.input.get("baselines", []), "noise"],
    }
    return json.dumps(subject)
