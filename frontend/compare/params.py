"""The drawer of a method's parameters. It keeps only what differs from the defaults, and never starts
anything."""

from __future__ import annotations

from typing import Any

from dash import ALL, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import MethodInfo
from frontend.client import ApiProblem, Client
from frontend.compare import methods_card
from frontend.compare.maps import read_fits
from frontend.ui import common, forms
from frontend.wiring import Trigger, wire

PARAM = {"type": "param", "method": ALL, "name": ALL}
FLAG = {"type": "flag", "method": ALL, "name": ALL}


def register(app: Dash, client: Client) -> None:
    """Open, change, reset."""
    known = {
        "params": State("params-store", "data"),
        "answer": State("answer-store", "data"),
        "data": State("input-store", "data"),
    }
    wire(
        app,
        client,
        show,
        prevent_initial_call=True,
        output={
            "opened": Output("params-drawer", "opened"),
            "title": Output("params-drawer", "title"),
            "form": Output("params-form", "children"),
        },
        inputs={"tune": Input({"type": "tune", "method": ALL}, "n_clicks")},
        state=known,
    )
    # A callback of its own: every change of a parameter draws the rows with their buttons anew, and each arrival would
    # start `show` again and throw away the answer to a reset.
    wire(
        app,
        client,
        reset,
        prevent_initial_call=True,
        output={
            "form": Output("params-form", "children", allow_duplicate=True),
            "params": Output("params-store", "data", allow_duplicate=True),
        },
        inputs={"clicks": Input({"type": "reset", "method": ALL}, "n_clicks")},
        state=known,
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
    params: dict[str, Any] | None,
    answer: dict[str, Any] | None,
    data: dict[str, Any] | None,
    trigger: Trigger,
) -> dict[str, Any]:
    """A method's form."""
    if not trigger.pressed:
        raise PreventUpdate
    key = trigger.of("method")
    try:
        method, form = await _form(client, key, (params or {}).get(key, {}), answer, data)
    except ApiProblem as refusal:
        return {"opened": True, "title": "Parameters", "form": common.problem(refusal)}
    return {"opened": True, "title": method.title, "form": form}


async def reset(
    client: Client,
    clicks: list[int],
    params: dict[str, Any] | None,
    answer: dict[str, Any] | None,
    data: dict[str, Any] | None,
    trigger: Trigger,
) -> dict[str, Any]:
    """The open form again, with the defaults."""
    if not trigger.pressed:
        raise PreventUpdate
    key = trigger.of("method")
    try:
        _, form = await _form(client, key, {}, answer, data)
    except ApiProblem as refusal:
        return {"form": common.problem(refusal), "params": no_update}
    return {
        "form": form,
        "params": {other: values for other, values in (params or {}).items() if other != key},
    }


async def _form(
    client: Client,
    key: str,
    settings: dict[str, Any],
    answer: dict[str, Any] | None,
    data: dict[str, Any] | None,
) -> tuple[MethodInfo, Any]:
    method = next(info for info in (await client.catalogue()).methods if info.key == key)
    lists = {
        name: await client.choices(name, data["modality"] if data else None)
        for name in forms.lists_needed(method.schema_)
    }
    return method, methods_card.params_form(method, read_fits(answer).get(key), settings, lists)


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
