"""The Cases page for an address, the address for what it shows, and the models for a new list."""

from __future__ import annotations

from dash import ClientsideFunction, Dash, Input, Output

from frontend.cases import page
from frontend.client import ApiProblem, Client
from frontend.wiring import wire


def register(app: Dash, client: Client) -> None:
    """The address passes in the browser: the server's Python has no part in a step through a list."""
    wire(
        app,
        client,
        load,
        output=Output("cases-widget", "data-models"),
        inputs={"begin": Input("cases-begin", "data")},
    )
    app.clientside_callback(
        ClientsideFunction("evident", "casesQuery"),
        Output("cases-widget", "data-query"),
        Input("cases-query", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("evident", "casesLink"),
        Output("cases-address", "data"),
        Input("cases-query", "data"),
        Input("cases-shown", "data"),
        prevent_initial_call=True,
    )


async def load(client: Client, begin: bool) -> str:
    """The models, as soon as a server that was just started knows them."""
    try:
        return page.models((await client.catalogue()).models)
    except ApiProblem as refusal:
        return page.no_models(refusal.problem)
