"""The numbers under one map: its record, its series as charts."""

from __future__ import annotations

from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.components import common, receipt


def register(app: Dash, client: Client) -> None:
    """Open the drawer for the panel whose button was pressed."""

    @app.callback(
        Output("numbers-drawer", "opened"),
        Output("numbers-drawer", "title"),
        Output("numbers-body", "children"),
        Input({"type": "numbers", "method": ALL}, "n_clicks"),
        State("runs-store", "data"),
        prevent_initial_call=True,
    )
    async def show(_clicks: list[int], runs: dict[str, Any] | None) -> Any:
        trigger = ctx.triggered_id
        if not isinstance(trigger, dict) or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        run = ((runs or {}).get("runs") or {}).get(trigger["method"])
        if not run or "id" not in run:
            raise PreventUpdate
        try:
            explanation = await client.explanation(run["id"])
        except ApiProblem as refusal:
            return True, run["title"], common.problem(refusal)
        return True, run["title"], receipt.receipt(explanation)
