"""The numbers under one map: its record, its series as charts."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.compare import receipt
from frontend.ui import common
from frontend.wiring import wire

DRAWER = {
    "opened": Output("numbers-drawer", "opened"),
    "title": Output("numbers-drawer", "title"),
    "body": Output("numbers-body", "children"),
}


def register(app: Dash, client: Client) -> None:
    """Open the drawer for the panel whose menu was asked."""
    wire(
        app,
        client,
        show,
        output=DRAWER,
        inputs={"asked": Input("numbers-store", "data")},
        prevent_initial_call=True,
    )


async def show(client: Client, asked: dict[str, Any] | None) -> dict[str, Any]:
    """asked: the panel's title and the id of its explanation."""
    if not asked or "id" not in asked:
        raise PreventUpdate
    try:
        explanation = await client.explanation(asked["id"])
        values = await client.values(asked["id"]) if explanation.record else None
        listed = [array.name for array in explanation.record.arrays] if explanation.record else []
        arrays = {name: await client.array(asked["id"], name) for name in receipt.DRAWN if name in listed}
        body: Any = receipt.receipt(explanation, values, arrays)
    except ApiProblem as refusal:
        body = common.problem(refusal)
    return {"opened": True, "title": asked.get("title", "Numbers"), "body": body}
