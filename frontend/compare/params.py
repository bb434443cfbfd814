"""The drawer of a method's parameters. It keeps only what differs from the defaults, and never starts
anything."""

from __future__ import annotations

from typing import Any

from dash import ALL, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.compare import methods_card
from frontend.compare.maps import read_fits
from frontend.ui import common, forms
from frontend.wiring import Trigger, wire

PARAM = {"type": "param", "method": ALL, "name": ALL}
FLAG = {"type": "flag", "method": ALL, "name": ALL}


def register(app: Dash, client: Client) -> None:
    """Open, change, reset."""
    wire(
        app,
        client,
        show,
        prevent_initial_call=True,
        output={
            "opened": Output("params-drawer", "opened"),
            "title": Output("params-drawer", "title"),
            "form": Output("params-form", "children"),
            "params": Output("params-store", "data", allow_duplicate=True),
        },
        inputs={
            "tune": Input({"type": "tune", "method": ALL}, "n_clicks"),
            "reset": Input({"type": "reset", "method": ALL}, "n_clicks"),
        },
        state={
            "params": State("params-store", "data"),
            "answer": State("answer-store", "data"),
            "data": State("input-store", "data"),
        },
    )
    wire(
        app,
        client,
        change,
        output=Output("params-store", "data"),
        prevent_initial_call=True,
        inputs={"values": Input(PARAM, "value"), "checks": Input(FLAG, "checked")},
        state={
            "fields": State(PARAM, "id"),
            "flags": State(FLAG, "id"),
            "params": State("params-store", "data"),
            "answer": State("answer-store", "data"),
        },
    )


async def show(
    client: Client,
    tune: list[int],
    reset: list[int],
    params: dict[str, Any] | None,
    answer: dict[str, Any] | None,
    data: dict[str, Any] | None,
    trigger: Trigger,
) -> dict[str, Any]:
    """A method's form; its reset button draws it again with the defaults."""
    if not trigger.pressed:
        raise PreventUpdate
    key, resets = trigger.of("method"), trigger.of("type") == "reset"
    settings = {method: values for method, values in (params or {}).items() if not (resets and method == key)}
    try:
        method = next(info for info in (await client.catalogue()).methods if info.key == key)
        lists = {
            name: await client.choices(name, data["modality"] if data else None)
            for name in forms.lists_needed(method.schema_)
        }
    except ApiProblem as refusal:
        return {"opened": True, "title": "Parameters", "form": common.problem(refusal), "params": no_update}
    form = methods_card.params_form(method, read_fits(answer).get(key), settings.get(key, {}), lists)
    return {"opened": True, "title": method.title, "form": form, "params": settings if resets else no_update}


async def change(
    client: Client,
    values: list[Any],
    checks: list[bool],
    fields: list[dict[str, str]],
    flags: list[dict[str, str]],
    params: dict[str, Any] | None,
    answer: dict[str, Any] | None,
) -> dict[str, Any]:
    """What the open form says, without what equals the defaults."""
    drawn = forms.read_controls([*fields, *flags], [*values, *checks])
    if len(drawn) != 1:
        raise PreventUpdate
    [(key, entered)] = drawn.items()
    try:
        method = next(info for info in (await client.catalogue()).methods if info.key == key)
    except ApiProblem:
        raise PreventUpdate from None
    fit = read_fits(answer).get(key)
    settings = forms.clean(method.schema_, fit.defaults if fit else None, entered)
    changed = {other: values for other, values in (params or {}).items() if other != key} | (
        {key: settings} if settings else {}
    )
    if changed == (params or {}):
        raise PreventUpdate
    return changed
