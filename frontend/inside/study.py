"""The drawer with all charts of a layer."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import Dash, Input, Output
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.inside import charts
from frontend.ui import common
from frontend.wiring import wire


def register(app: Dash, client: Client) -> None:
    """Opens when the widget asks for it."""
    wire(
        app,
        client,
        enlarge,
        prevent_initial_call=True,
        output={
            "opened": Output("inside-large", "opened"),
            "title": Output("inside-large", "title"),
            "body": Output("inside-large-body", "children"),
        },
        inputs={"asked": Input("inside-study", "data")},
    )


async def enlarge(client: Client, asked: dict[str, Any] | None) -> dict[str, Any]:
    """asked: `{id, target}` of a finished study."""
    if not asked or not asked.get("id"):
        raise PreventUpdate
    try:
        study, correlation = await asyncio.gather(
            client.internals(asked["id"]),
            client.internals_array(asked["id"], "correlation"),
            return_exceptions=True,
        )
        if isinstance(study, BaseException):
            raise study
    except ApiProblem as refusal:
        return {"opened": True, "title": "All filters", "body": common.problem(refusal)}
    result = study.get("result")
    if result is None:
        raise PreventUpdate
    known = None if isinstance(correlation, BaseException) else correlation
    body = charts.all_charts(result, known, int(asked.get("target") or 0), asked["id"])
    return {"opened": True, "title": f"All filters of {result['layer']}", "body": body}
