"""The drawer of a method's parameters. It keeps only what differs from the defaults, and never starts anything."""

from __future__ import annotations

from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.compare import methods_card
from frontend.compare.maps import read_fits
from frontend.ui import common, forms


def register(app: Dash, client: Client) -> None:
    """Open, change, reset."""

    @app.callback(
        Output("params-drawer", "opened"),
        Output("params-drawer", "title"),
        Output("params-form", "children"),
        Output("params-store", "data", allow_duplicate=True),
        Input({"type": "tune", "method": ALL}, "n_clicks"),
        Input({"type": "reset", "method": ALL}, "n_clicks"),
        State("params-store", "data"),
        State("answer-store", "data"),
        State("input-store", "data"),
        prevent_initial_call=True,
    )
    async def show(
        _tune: list[int], _reset: list[int], params: dict[str, Any] | None, answer: dict[str, Any] | None, data: dict[str, Any] | None
    ) -> Any:
        trigger = ctx.triggered_id
        if not isinstance(trigger, dict) or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        kept = dict(params or {})
        if trigger["type"] == "reset":
            kept.pop(trigger["method"], None)
        try:
            method = next(found for found in (await client.catalogue()).methods if found.key == trigger["method"])
            needed = forms.lists_needed(method.schema_)
            lists = {name: await client.choices(name, data["modality"] if data else None) for name in needed}
        except ApiProblem as refusal:
            return True, "Parameters", common.problem(refusal), no_update
        drawn = methods_card.params_form(method, read_fits(answer).get(method.key), kept.get(method.key, {}), lists)
        return True, method.title, drawn, kept if trigger["type"] == "reset" else no_update

    @app.callback(
        Output("params-store", "data"),
        Input({"type": "param", "method": ALL, "name": ALL}, "value"),
        Input({"type": "flag", "method": ALL, "name": ALL}, "checked"),
        State("params-store", "data"),
        State("answer-store", "data"),
        prevent_initial_call=True,
    )
    async def change(_values: list[Any], _flags: list[bool], params: dict[str, Any] | None, answer: dict[str, Any] | None) -> Any:
        drawn = forms.given([part for group in ctx.inputs_list for part in group])
        if len(drawn) != 1:
            raise PreventUpdate
        [(key, given)] = drawn.items()
        try:
            method = next(found for found in (await client.catalogue()).methods if found.key == key)
        except ApiProblem:
            raise PreventUpdate from None
        fit = read_fits(answer).get(method.key)
        sent = forms.clean(method.schema_, fit.defaults if fit else None, given)
        kept = {other: values for other, values in (params or {}).items() if other != key} | ({key: sent} if sent else {})
        return no_update if kept == (params or {}) else kept
