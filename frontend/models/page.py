"""Models: what can be explained, how well it really does, and a way to bring another one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.core.schemas import Catalogue, ModelInfo
from frontend.client import ApiProblem, Client
from frontend.models import fetch
from frontend.models.card import model_card
from frontend.ui import common, words
from frontend.ui.common import text_field, widget
from frontend.wiring import Trigger, wire

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
            html.Div([fetch.form(), upload_form(catalogue, limits)], className="ev-column"),
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
                text_field(FIELDS["title"], "Title", "How it is listed", "My ResNet"),
                text_field(
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


def register(app: Dash, client: Client) -> None:
    """The list, a model's card, deleting."""
    wire(
        app,
        client,
        list_models,
        output=Output("models-body", "children"),
        inputs={
            "uploaded": Input("model-upload-store", "data"),
            "changes": Input("model-change-store", "data"),
        },
    )
    # Two callbacks, because the buttons come after the address is read: as one, their arrival would
    # start it again, and an answer still on its way to the address would be thrown away as outdated.
    wire(
        app,
        client,
        open_named,
        output={
            "opened": Output("model-drawer", "opened"),
            "title": Output("model-drawer", "title"),
            "card": Output("model-card", "children"),
        },
        inputs={"key": Input("open-store", "data")},
    )
    wire(
        app,
        client,
        open_chosen,
        prevent_initial_call=True,
        output={
            "opened": Output("model-drawer", "opened", allow_duplicate=True),
            "title": Output("model-drawer", "title", allow_duplicate=True),
            "card": Output("model-card", "children", allow_duplicate=True),
        },
        inputs={"clicks": Input({"type": "model-open", "key": ALL}, "n_clicks")},
    )
    wire(
        app,
        client,
        delete,
        prevent_initial_call=True,
        output={
            "changes": Output("model-change-store", "data"),
            "notice": Output("notice", "children", allow_duplicate=True),
        },
        inputs={"clicks": Input({"type": "model-delete", "key": ALL}, "n_clicks")},
        state={"changes": State("model-change-store", "data")},
    )


async def list_models(client: Client, uploaded: Any, changes: Any) -> Any:
    """The page's body, drawn again after each upload, fetch and deletion."""
    try:
        return body(*await asyncio.gather(client.catalogue(), client.limits()))
    except ApiProblem as refusal:
        again = html.A("Try again", href="/models", className="ev-button")
        return common.card("", common.problem(refusal, again))


async def open_named(client: Client, key: str | None) -> dict[str, Any]:
    """The card of the model that the address names."""
    if not key:
        raise PreventUpdate
    return await open_card(client, key)


async def open_chosen(client: Client, clicks: list[int], trigger: Trigger) -> dict[str, Any]:
    """The card of the model whose button was pressed."""
    if not trigger.pressed:
        raise PreventUpdate
    return await open_card(client, trigger.of("key"))


async def open_card(client: Client, key: str) -> dict[str, Any]:
    try:
        model = await client.model(key)
    except ApiProblem as refusal:
        return {"opened": True, "title": "Model card", "card": common.problem(refusal)}
    return {"opened": True, "title": model.title, "card": model_card(model)}


async def delete(client: Client, clicks: list[int], changes: int | None, trigger: Trigger) -> dict[str, Any]:
    """The uploaded model whose button was pressed. changes: how often the list changed since it was
    opened."""
    if not trigger.pressed:
        raise PreventUpdate
    try:
        await client.delete_model(trigger.of("key"))
    except ApiProblem as refusal:
        return {"changes": no_update, "notice": common.problem(refusal)}
    return {"changes": (changes or 0) + 1, "notice": None}
