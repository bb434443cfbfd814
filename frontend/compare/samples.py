"""The gallery of samples: what is listed, and again once the operator's own models have been looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dash import Dash, Input, Output
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.core.schemas import Input as EvidentInput
from app.core.schemas import Sample
from frontend.client import ApiProblem, Client
from frontend.compare import input_card
from frontend.wiring import wire


async def listed(client: Client) -> tuple[Sequence[Sample], Mapping[str, EvidentInput]]:
    """Samples, and the recordings among them with their waveforms, by id; nothing where the API does not answer."""
    try:
        samples = await client.samples()
    except ApiProblem:
        return [], {}
    sounds = [sample.input for sample in samples if sample.modality == "audio"]
    answers = await asyncio.gather(*(client.input(key) for key in sounds), return_exceptions=True)
    inputs = {
        key: value for key, value in zip(sounds, answers, strict=True) if isinstance(value, EvidentInput)
    }
    return samples, inputs


def register(app: Dash, client: Client) -> None:
    """The list of models becomes complete."""
    wire(
        app,
        client,
        list_again,
        prevent_initial_call=True,
        output={"start": Output("start-gallery", "children"), "drawer": Output("drawer-gallery", "children")},
        inputs={"complete": Input("compare-again", "disabled")},
    )


async def list_again(client: Client, complete: bool) -> dict[str, Component]:
    """The operator's own inputs are listed once the models that they are for have been looked at."""
    if not complete:
        raise PreventUpdate
    samples, inputs = await listed(client)
    if not samples:  # the API does not answer: what is listed stays
        raise PreventUpdate
    return {
        "start": input_card.gallery(samples, inputs),
        "drawer": input_card.drawer_list(samples, inputs),
    }
