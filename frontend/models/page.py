"""Models: what can be explained, how well it really does, and a way to bring another one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.core.schemas import Catalogue, Job, ModelInfo
from frontend.client import ApiProblem, Client
from frontend.compare.input_card import widget
from frontend.models.card import model_card
from frontend.ui import common, words

FIELDS = {"architecture": "upload-architecture", "labels": "upload-labels", "title": "upload-title"}


def layout(open: str | None = None, **_query: str) -> Component:
    """`open`: key of the model whose card is shown at once."""
    return html.Div(
        [
            dcc.Store(id="open-store", data=open),
            dcc.Store(id="model-upload-store"),
            dcc.Store(id="model-change-store"),
            dcc.Store(id="fetch-store"),
            dcc.Interval(id="fetch-tick", interval=1000, disabled=True),
            html.Div(
                [
                    html.H1("Models"),
                    html.P(
                        "What can be explained here, and how well it really does. Figures are shown as they are, flattering or not.",
                        className="ev-muted",
                    ),
                ],
                className="ev-page-head",
            ),
            html.Div(common.card("Models", common.skeleton(6)), id="models-body"),
            common.drawer(
                html.Div(id="model-card"), id="model-drawer", title="Model card", position="right", size=560
            ),
        ],
        className="ev-page",
    )


def body(catalogue: Catalogue, limits: Mapping[str, Any]) -> Component:
    """The list, and the upload form."""
    rows = [model_row(model) for model in catalogue.models]
    return html.Div(
        [
            html.Ul(rows, className="ev-models"),
            html.Div([fetch_form(), upload_form(catalogue, limits)], className="ev-column"),
        ],
        className="ev-models-page",
    )


def model_row(model: ModelInfo) -> Component:
    """One model: what it takes, where it comes from, whether it can be used now."""
    state = (
        common.chip("ready", "ok")
        if model.available
        else common.chip("not available", "warning", model.reason)
    )
    kinds = [
        common.chip(words.MODALITY[name], "unknown", glyph="sound" if name == "audio" else "image")
        for name in model.modalities
    ]
    digest = (
        html.Code(model.digest[:12], title=model.digest) if model.digest else html.Span("not on this machine")
    )
    line = [
        f"{len(model.labels):,} classes",
        " · ",
        "weights ",
        digest,
        *([" · ", model.licence] if model.licence else []),
        *([" · ", model.source] if model.source else []),
    ]
    actions: list[Component] = [
        html.Button(
            "Card",
            id={"type": "model-open", "key": model.key},
            className="ev-button",
            n_clicks=0,
            **common.aria(label=f"Card of {model.title}"),
        )
    ]
    if model.available:
        actions.append(
            dcc.Link("Use in Compare", href=f"/?model={quote(model.key, safe='')}", className="ev-button")
        )
    if not model.bundled:
        actions.append(
            html.Button(
                [common.icon("trash"), "Delete"],
                id={"type": "model-delete", "key": model.key},
                className="ev-button",
                n_clicks=0,
                **common.aria(label=f"Delete {model.title}"),
            )
        )
    reason = (
        [html.P(model.reason, className="ev-muted ev-small")] if model.reason and not model.available else []
    )
    return html.Li(
        [
            html.Div(
                [
                    html.Div(
                        [html.H2(model.title, className="ev-model-title"), state, *kinds],
                        className="ev-model-head",
                    ),
                    html.P(line, className="ev-muted ev-small"),
                    *reason,
                ]
            ),
            html.Div(actions, className="ev-model-actions"),
        ],
        className="ev-card ev-model",
    )


def fetch_form() -> Component:
    """A published network by name. Nothing is fetched before the button is pressed."""
    return common.card(
        "Fetch a published network",
        html.P(
            "Any convolutional network of timm or torchvision. Its weights are fetched from the internet once; nothing of yours is sent."
        ),
        _text("fetch-name", "Name", "timm:NAME or torchvision:NAME", "timm:resnet18"),
        html.Button("Fetch", id="fetch-model", className="ev-button", n_clicks=0),
        html.Div(id="fetch-note", role="status"),
        className="ev-upload-card",
    )


def fetch_words(job: Job) -> str:
    """How far the fetching is."""
    if job.state == "queued":
        return "Waiting for a worker."
    if job.progress.unit != "bytes" or not job.progress.total:
        return "Asking for the weights."
    return f"{words.megabytes(job.progress.done)} of {words.megabytes(job.progress.total)} fetched."


def upload_form(catalogue: Catalogue, limits: Mapping[str, Any]) -> Component:
    """Weights as safetensors for an architecture this server knows; nothing in the file is ever run."""
    known = ", ".join(catalogue.architectures)
    return common.card(
        "Bring a model",
        html.P(
            "Weights as .safetensors with the architecture they belong to. Only numbers are read from the file; it cannot carry a program. "
            "The network is tried once in a limited process before it is listed."
        ),
        html.Div(
            [
                _text(FIELDS["title"], "Title", "How it is listed", "My ResNet"),
                _text(
                    FIELDS["architecture"],
                    "Architecture",
                    f"{known + '; or ' if known else ''}timm:NAME or torchvision:NAME",
                    "timm:resnet18",
                ),
                dmc.Textarea(
                    id=FIELDS["labels"],
                    label="Labels",
                    description="One per line, in the order of the outputs",
                    autosize=True,
                    minRows=3,
                    maxRows=8,
                    size="xs",
                ),
            ],
            className="ev-form",
        ),
        widget(
            "upload",
            store="model-upload-store",
            endpoint="/models",
            file_field="weights",
            fields=FIELDS,
            accept=[".safetensors"],
            max_bytes=limits.get("model_bytes"),
            limits=dict(limits),
            word="Choose weights",
            className="ev-start-upload",
        ),
        html.P(
            f"Up to {words.megabytes(limits.get('model_bytes', 0))}. The file stays on this server until you delete the model.",
            className="ev-muted ev-small",
        ),
        html.Div(id="model-upload-note", role="status"),
        className="ev-upload-card",
    )


def _text(key: str, label: str, description: str, placeholder: str) -> Component:
    return dmc.TextInput(id=key, label=label, description=description, placeholder=placeholder, size="xs")


def register(app: Dash, client: Client) -> None:
    """List, card, upload, delete."""

    @app.callback(
        Output("models-body", "children"),
        Input("model-upload-store", "data"),
        Input("model-change-store", "data"),
    )
    async def show(_uploaded: Any, _changed: Any) -> Any:
        try:
            return body(*await asyncio.gather(client.catalogue(), client.limits()))
        except ApiProblem as refusal:
            return common.card(
                "", common.problem(refusal, html.A("Try again", href="/models", className="ev-button"))
            )

    progress = [
        Output("fetch-note", "children"),
        Output("fetch-store", "data"),
        Output("fetch-tick", "disabled"),
        Output("model-change-store", "data", allow_duplicate=True),
    ]

    @app.callback(
        *progress,
        Input("fetch-model", "n_clicks"),
        State("fetch-name", "value"),
        State("model-change-store", "data"),
        prevent_initial_call=True,
    )
    async def fetch(clicks: int | None, name: str | None, count: int | None) -> Any:
        if not clicks:
            raise PreventUpdate
        try:
            answer = await client.fetch_model((name or "").strip())
        except ApiProblem as refusal:
            return common.problem(refusal), None, True, no_update
        if isinstance(answer, ModelInfo):
            return f"{answer.title} is here.", None, True, (count or 0) + 1
        return fetch_words(answer), answer.id, False, no_update

    @app.callback(
        *(
            Output(output.component_id, output.component_property, allow_duplicate=True)
            for output in progress
        ),
        Input("fetch-tick", "n_intervals"),
        State("fetch-store", "data"),
        State("model-change-store", "data"),
        prevent_initial_call=True,
    )
    async def follow(_ticks: int | None, key: str | None, count: int | None) -> Any:
        if not key:
            raise PreventUpdate
        try:
            job = await client.job(key)
        except ApiProblem as refusal:
            return common.problem(refusal), None, True, no_update
        if job.state in ("queued", "running"):
            return fetch_words(job), key, False, no_update
        if job.error is not None:
            return common.problem(ApiProblem(job.error)), None, True, no_update
        return "It is here.", None, True, (count or 0) + 1

    card = [
        Output("model-drawer", "opened"),
        Output("model-drawer", "title"),
        Output("model-card", "children"),
    ]

    async def opened(key: str) -> tuple[bool, str, Component]:
        try:
            model = await client.model(key)
        except ApiProblem as refusal:
            return True, "Model card", common.problem(refusal)
        return True, model.title, model_card(model)

    # Two callbacks, because the buttons come after the address is read: as one, their arrival would
    # start it again, and an answer still on its way to the address would be thrown away as outdated.
    @app.callback(*card, Input("open-store", "data"))
    async def open_named(wanted: str | None) -> Any:
        if not wanted:
            raise PreventUpdate
        return await opened(wanted)

    @app.callback(
        *(Output(output.component_id, output.component_property, allow_duplicate=True) for output in card),
        Input({"type": "model-open", "key": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    async def open_chosen(_clicks: list[int]) -> Any:
        if not isinstance(ctx.triggered_id, dict) or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        return await opened(ctx.triggered_id["key"])

    @app.callback(
        Output("model-change-store", "data"),
        Output("notice", "children", allow_duplicate=True),
        Input({"type": "model-delete", "key": ALL}, "n_clicks"),
        State("model-change-store", "data"),
        prevent_initial_call=True,
    )
    async def delete(_clicks: list[int], count: int | None) -> Any:
        if not isinstance(ctx.triggered_id, dict) or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        try:
            await client.delete_model(ctx.triggered_id["key"])
        except ApiProblem as refusal:
            return no_update, common.problem(refusal)
        return (count or 0) + 1, None
