"""The gallery of samples: what is listed where it is seen, and again once the operator's own models have been
looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from dash import Dash, Input, Output, State, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.core.schemas import Input as EvidentInput
from app.core.schemas import Sample
from frontend.client import ApiProblem, Client
from frontend.compare import input_card
from frontend.ui import common
from frontend.wiring import wire

Listed = tuple[Sequence[Sample], Mapping[str, EvidentInput]]
"""Samples, and the recordings among them with their waveforms, by id."""


async def listed(client: Client) -> Listed:
    """Nothing where the API does not answer."""
    try:
        return await ask(client)
    except ApiProblem:
        return [], {}


async def ask(client: Client) -> Listed:
    samples = await client.samples()
    sounds = [sample.input for sample in samples if sample.modality == "audio"]
    answers = await asyncio.gather(*(client.input(key) for key in sounds), return_exceptions=True)
    inputs = {
        key: value for key, value in zip(sounds, answers, strict=True) if isinstance(value, EvidentInput)
    }
    return samples, inputs


def register(app: Dash, client: Client) -> None:
    """The drawer is opened, the first screen is seen, the list of models becomes complete."""
    wire(
        app,
        client,
        show_drawer,
        prevent_initial_call=True,
        output={"opened": Output("samples-drawer", "opened"), "drawer": Output("drawer-gallery", "children")},
        inputs={"clicks": Input("samples-open", "n_clicks")},
    )
    wire(
        app,
        client,
        show_start,
        prevent_initial_call=True,
        output=Output("start-gallery", "children"),
        inputs={"seen": Input("start-store", "data")},
    )
    wire(
        app,
        client,
        list_again,
        prevent_initial_call=True,
        output={
            "start": Output("start-gallery", "children", allow_duplicate=True),
            "drawer": Output("drawer-gallery", "children", allow_duplicate=True),
        },
        inputs={"complete": Input("compare-again", "disabled")},
        state={
            "seen": State("start-store", "data"),
            "opened": State("samples-drawer", "opened"),
        },
    )


async def show_drawer(client: Client, clicks: int | None) -> dict[str, Any]:
    """The samples, while an input is open."""
    if not clicks:
        raise PreventUpdate
    try:
        return {"opened": True, "drawer": input_card.drawer_list(*await ask(client))}
    except ApiProblem as refusal:
        return {"opened": True, "drawer": common.problem(refusal)}


async def show_start(client: Client, seen: bool) -> Component:
    """The samples on the first screen, when the input that a link had opened is closed."""
    try:
        return input_card.gallery(*await ask(client))
    except ApiProblem as refusal:
        return common.problem(refusal)


async def list_again(client: Client, complete: bool, seen: bool, opened: bool) -> dict[str, Any]:
    """The operator's own inputs are listed once the models that they are for have been looked at.
    seen: whether the first screen has its samples; else it gets them when it is seen."""
    if not complete:
        raise PreventUpdate
    samples, inputs = await listed(client)
    if not samples:  # the API does not answer: what is listed stays
        raise PreventUpdate
    return {
        "start": input_card.gallery(samples, inputs) if seen else no_update,
        "drawer": input_card.drawer_list(samples, inputs) if opened else no_update,
    }
