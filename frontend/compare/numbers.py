"""The numbers under one map: its record, its series as charts."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.compare import receipt
from frontend.ui import common


def register(app: Dash, client: Client) -> None:
    """Open the drawer for the panel whose menu was asked."""

    @app.callback(
        Output("numbers-drawer", "opened"),
        Output("numbers-drawer", "title"),
        Output("numbers-body", "children"),
        Input("numbers-store", "data"),
        prevent_initial_call=True,
    )
    async def show(asked: dict[str, Any] | None) -> Any:
        if not asked or "id" not in asked:
            raise PreventUpdate
        title = asked.get("title", "Numbers")
        try:
            explanation = await client.explanation(asked["id"])
            values = await client.values(asked["id"]) if explanation.record else None
            return True, title, receipt.receipt(explanation, values)
        except ApiProblem as refusal:
            return True, title, common.problem(refusal)
