"""The examples of one's own concept: more of them, or one fewer."""

from __future__ import annotations

from typing import Any

from dash import ALL, Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.concepts import detail_card
from frontend.concepts.library import LIBRARY, TICKS, redraw, ticked, unchanged
from frontend.wiring import Trigger, wire


def register(app: Dash, client: Client) -> None:
    """Add to the open concept, take out of it."""
    wire(
        app,
        client,
        extend,
        prevent_initial_call=True,
        output={
            "opened": Output("concept-drawer", "opened", allow_duplicate=True),
            "concept": Output("concept-maker", "data-concept", allow_duplicate=True),
            "name": Output("concept-maker", "data-name", allow_duplicate=True),
        },
        inputs={"clicks": Input("concept-extend", "n_clicks")},
        state={"concept": State("concept-open", "data"), "name": State("concept-rename", "value")},
    )
    wire(
        app,
        client,
        take_out,
        prevent_initial_call=True,
        output={**LIBRARY, "detail": Output("concept-detail", "children", allow_duplicate=True)},
        inputs={"clicks": Input({"type": "concept-drop", "index": ALL}, "n_clicks")},
        state={"concept": State("concept-open", "data"), "model": State("concept-model", "value"), **TICKS},
    )


async def extend(client: Client, clicks: int, concept: str, name: str) -> dict[str, Any]:
    """The maker, for more examples of the open concept."""
    if not clicks:
        raise PreventUpdate
    return {"opened": True, "concept": concept, "name": name}


async def take_out(
    client: Client,
    clicks: list[int],
    concept: str,
    model: str,
    ticks: list[bool],
    ids: list[dict[str, str]],
    trigger: Trigger,
) -> dict[str, Any]:
    """One example fewer. The concept's reference changes with its examples, so that it is ticked anew."""
    if not trigger.pressed:
        raise PreventUpdate
    try:
        changed = await client.change_concept(concept, remove=[int(trigger.of("index"))])
    except ApiProblem as refusal:
        return unchanged(refusal)
    return {
        **await redraw(client, model, [*ticked(ticks, ids), changed.ref]),
        "detail": detail_card.detail(changed, None),
    }
