"""The first screen: what this is, a way in, and a result. The result is no picture that came along: the server computes
it when the first visitor looks (and then keeps it), with the same requests that opening the sample would send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.core.schemas import MethodInfo, ModelInfo, Prediction, PredictionRequest, Sample
from frontend.client import ApiProblem, Client
from frontend.compare import input_card, maps, methods_card, prediction_card
from frontend.ui import common
from frontend.ui.common import aria, icon, sets, widget
from frontend.wiring import wire

SHOWN = "photo_street_sign"
METHODS = ("grad_cam", "lime", "lrp", "fused")
"""One of each kind, as far as the catalogue has them."""
BARS = 3


def start(gallery: Component | None, limits: Mapping[str, Any]) -> Component:
    """The Compare page without an input. gallery: `input_card.gallery`; None while an input is open."""
    return html.Div(
        [
            html.Div([invitation(limits), result_card()], className="ev-welcome"),
            html.Section(
                [
                    html.H2("Samples", className="ev-visually-hidden"),
                    html.Div(gallery, id="start-gallery"),
                ],
                **aria(label="Samples"),
            ),
        ],
        className="ev-start",
    )


def invitation(limits: Mapping[str, Any]) -> Component:
    """One sentence, the tour, the drop zone."""
    return html.Section(
        [
            html.H2(
                "See which parts of a photo, a cough or a spectrogram a network used, "
                "and compare what several explanations say.",
                className="ev-start-title",
            ),
            widget("tour-start", className="ev-tour-start"),
            input_card.drop_zone(limits),
        ],
        className="ev-card ev-invitation",
        **aria(label="What this is"),
    )


def result_card() -> Component:
    """Filled by `show_result`."""
    return html.Div(result_skeleton(), id="welcome-result", className="ev-card ev-result")


def result_skeleton() -> list[Component]:
    """Until the server has predicted; the figures then draw their own axes."""
    squares = [dmc.Skeleton(className="ev-result-square") for _ in range(len(METHODS) + 1)]
    return [
        result_head("", None),
        html.Div(
            [html.Div(squares, className="ev-result-maps"), common.skeleton(BARS)],
            className="ev-result-body",
            **aria(busy="true"),
        ),
    ]


def result_head(about: str, sample: Sample | None) -> Component:
    """Title, what is judged by whom, and the way to the whole view."""
    opened = (
        [
            html.Button(
                [icon("grid"), "Open"],
                className="ev-button",
                type="button",
                **sets("sample-store", {"key": sample.key}),
                **aria(label=f"Open {sample.title} with all its maps"),
            )
        ]
        if sample
        else []
    )
    title = html.H2(["A real result", html.Span(about, className="ev-muted")], className="ev-result-title")
    return html.Div([title, *opened], className="ev-card-head")


def register(app: Dash, client: Client) -> None:
    """The result, once the page is there without an input."""
    wire(
        app,
        client,
        show_result,
        output=Output("welcome-result", "children"),
        inputs={"data": Input("input-store", "data")},
    )


async def show_result(client: Client, data: dict[str, Any] | None) -> Any:
    """The prediction for the sample, and its maps as far as they are; they grow in the browser."""
    if data:
        raise PreventUpdate
    try:
        samples, catalogue = await asyncio.gather(client.samples(), client.catalogue())
        sample = next((sample for sample in samples if sample.key == SHOWN), None)
        if sample is None:
            return common.note("There are no bundled samples on this server.")
        model, prediction, fits = await asyncio.gather(
            client.model(sample.model),
            client.predict(PredictionRequest(input=sample.input, model=sample.model)),
            client.fits(sample.model),
        )
    except ApiProblem as refusal:
        return common.problem(refusal)
    part = {
        "input": sample.input,
        "model": sample.model,
        "start": None,
        "target": prediction.top,
        "seed": 0,
    }
    shown = {method.key: method for method in methods_card.fitting(catalogue, fits)}
    methods = [shown[key] for key in METHODS if key in shown]
    cheap_first = sorted(methods, key=lambda method: not maps.is_cheap(method, fits.get(method.key)))
    runs = {
        method.key: await maps.post(client, method, part, model.default_layer, fits, {})
        for method in cheap_first
    }
    return result(sample, model, prediction, [(method, runs[method.key]) for method in methods])


def result(
    sample: Sample,
    model: ModelInfo,
    prediction: Prediction,
    runs: Sequence[tuple[MethodInfo, Mapping[str, Any]]],
) -> list[Component]:
    """Photograph, maps, scores. runs: each method with the explanation it was posted as."""
    listed = [
        {
            "id": run["id"],
            "title": method.title,
            "signed": method.signed,
            "pieces": method.pieces,
        }
        for method, run in runs
        if "id" in run
    ]
    first = prediction_card.ranked(prediction)[:BARS]
    decided = not prediction.undecided
    bars = [
        prediction_card.bar(
            score, prediction.interval.get(score.index), decided and score.index == prediction.top
        )
        for score in first
    ]
    said = f"{sample.title}, judged by {model.title}"
    return [
        result_head(said, sample),
        html.Div(
            [
                widget(
                    "result",
                    sample=sample.key,
                    title=sample.title,
                    display=prediction.display,
                    axes={
                        "y_axis": prediction.y_axis.model_dump(),
                        "x_axis": prediction.x_axis.model_dump(),
                    },
                    maps=listed,
                ),
                html.Div(bars, className="ev-scores"),
            ],
            className="ev-result-body",
        ),
    ]
