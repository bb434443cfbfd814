"""Models: what can be explained, how well it really does, and a way to bring another one."""

from __future__ import annotations

from typing import Any

from dash import ALL, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.models.add import STORE, cards
from frontend.models.card import model_card
from frontend.models.listing import listing
from frontend.ui import absent, common
from frontend.wiring import Trigger, wire


def layout(open: str | None = None, **_query: str) -> Component:
    """`open`: key of the model whose card is shown at once."""
    return html.Div(
        [
            dcc.Store(id="open-store", data=open),
            dcc.Store(id=STORE),
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
            *absent.follower("models"),
            html.Div(common.skeleton(4), id="models-add"),
            common.drawer(
                html.Div(id="model-card"), id="model-drawer", title="Model card", position="right", size=560
            ),
        ],
        className="ev-page ev-page--wide",
    )


def register(app: Dash, client: Client) -> None:
    """The list, a model's card, deleting."""
    wire(
        app,
        client,
        list_models,
        output={
            "body": Output("models-body", "children"),
            "absent": Output("models-absent", "children"),
            "complete": Output("models-again", "disabled"),
        },
        inputs={"changes": Input(STORE, "data"), "ticks": Input("models-again", "n_intervals")},
    )
    wire(
        app,
        client,
        offer,
        output=Output("models-add", "children"),
        inputs={"key": Input("open-store", "data")},
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
            "changes": Output(STORE, "data"),
            "notice": Output("notice", "children", allow_duplicate=True),
        },
        inputs={"clicks": Input({"type": "model-delete", "key": ALL}, "n_clicks")},
        state={"changes": State(STORE, "data")},
    )


async def list_models(client: Client, changes: Any, ticks: int | None = None) -> dict[str, Any]:
    """The list, drawn again after each network that came or went, and until it is complete."""
    try:
        catalogue = await client.catalogue()
    except ApiProblem as refusal:
        again = html.A("Try again", href="/models", className="ev-button")
        return {"body": common.card("", common.problem(refusal, again)), "absent": None, "complete": True}
    told = absent.lines(catalogue.absent)
    complete = not absent.pending(catalogue.absent)
    return {"body": listing(catalogue.models), "absent": told, "complete": complete}


async def offer(client: Client, key: str | None) -> Any:
    """Ways to bring another network; drawn once, so that a change of the list leaves them as they are."""
    try:
        return cards(await client.limits())
    except ApiProblem:
        return None  # the list says so


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
