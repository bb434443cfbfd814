"""Ways to bring another network: by its name, as a file of weights, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from frontend.ui import common
from frontend.ui.common import widget

STORE = "model-change-store"


def cards(limits: Mapping[str, Any]) -> Component:
    most = limits.get("model_bytes")
    return html.Div(
        [
            common.card(
                "Add a network",
                widget("hub", store=STORE, most=most),
                aside=html.Span("by its name in timm or torchvision", className="ev-muted"),
                className="ev-hub-card",
            ),
            html.Div(
                [
                    common.card(
                        "Weights of your own",
                        widget("weights", store=STORE, max_bytes=most),
                        className="ev-upload-card",
                    ),
                    own_network(),
                ],
                className="ev-column",
            ),
        ],
        className="ev-models-add",
    )


def own_network() -> Component:
    """What does not come by name or file: any module of one's own, from where it lives."""
    return common.card(
        "Your own network",
        code("app.show(model, inputs=[...], labels=[...])", "in a notebook"),
        code("evident serve --models my_models.py", "from a shell"),
        html.P(
            "The file holds functions that return models.wrap(...). Everyone on this server sees the network.",
            className="ev-muted ev-small",
        ),
        aside=html.Span("from Python, or for everyone here", className="ev-muted"),
    )


def code(line: str, where: str) -> Component:
    return html.Div(
        [html.Code(line), html.Span(where, className="ev-muted ev-small")], className="ev-code-line"
    )
