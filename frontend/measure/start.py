"""The Measure page for an address."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output
from dash.exceptions import PreventUpdate

from app.core.schemas import Catalogue, ModelInfo
from frontend.client import ApiProblem, Client
from frontend.measure import page
from frontend.wiring import wire


def register(app: Dash, client: Client) -> None:
    """Opening, and the address that follows."""
    wire(
        app,
        client,
        load,
        output={"body": Output("measure-body", "children"), "opened": Output("measure-opened", "data")},
        inputs={"query": Input("measure-query", "data")},
    )
    app.clientside_callback(
        ClientsideFunction("evident", "measureLink"),
        Output("measure-address", "data"),
        Input("measure-opened", "data"),
        Input("measure-shown", "data"),
        prevent_initial_call=True,
    )


async def load(client: Client, query: dict[str, str] | None) -> dict[str, Any]:
    """The page for what the address says."""
    if query is None:
        raise PreventUpdate
    try:
        catalogue = await client.catalogue()
    except ApiProblem as refusal:
        return {"body": page.unreachable(refusal), "opened": query}
    model = await own_model(client, catalogue, query.get("model", ""))
    return {"body": page.body(catalogue, model, query), "opened": query}


async def own_model(client: Client, catalogue: Catalogue, key: str) -> ModelInfo | None:
    """A model that the catalogue does not list; None where there is no such model (any more): the page then opens with its first."""
    if not key or any(info.key == key for info in catalogue.models):
        return None
    try:
        return await client.model(key)
    except ApiProblem:
        return None
