"""The library at work: looking at a concept, making one, renaming and deleting one's own."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import ALL, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from frontend.client import ApiProblem, Client
from frontend.concepts import detail_card, findings, library_card, page
from frontend.ui import common
from frontend.wiring import Trigger, wire

TICKS = {
    "ticks": State({"type": "concept-tick", "ref": ALL}, "checked"),
    "ids": State({"type": "concept-tick", "ref": ALL}, "id"),
}
"""Which concepts are ticked; read by `ticked`."""
LIBRARY = {
    "library": Output("concept-library", "children", allow_duplicate=True),
    "negatives": Output("concept-negatives", "data", allow_duplicate=True),
}
"""The concepts to tick and those to choose counter-examples from; filled by `redraw`."""


def register(app: Dash, client: Client) -> None:
    """Look at, make, rename, delete."""
    detail = Output("concept-detail", "children", allow_duplicate=True)
    wire(
        app,
        client,
        show_first,
        prevent_initial_call=True,
        output={"detail": Output("concept-detail", "children"), "open": Output("concept-open", "data")},
        inputs={"result": Input("concept-result-store", "data")},
    )
    wire(
        app,
        client,
        show_concept,
        prevent_initial_call=True,
        output={"detail": detail, "open": Output("concept-open", "data", allow_duplicate=True)},
        inputs={"clicks": Input({"type": "concept-show", "id": ALL}, "n_clicks")},
        state={"result": State("concept-result-store", "data")},
    )
    wire(
        app,
        client,
        make,
        prevent_initial_call=True,
        output={
            "opened": Output("concept-drawer", "opened"),
            "concept": Output("concept-maker", "data-concept"),
            "name": Output("concept-maker", "data-name"),
        },
        inputs={"clicks": Input("concept-new", "n_clicks")},
    )
    wire(
        app,
        client,
        list_made,
        prevent_initial_call=True,
        output={**LIBRARY, "opened": Output("concept-drawer", "opened", allow_duplicate=True)},
        inputs={"concept": Input("concept-made-store", "data")},
        state={"model": State("concept-model", "value"), **TICKS},
    )
    wire(
        app,
        client,
        rename,
        prevent_initial_call=True,
        output={**LIBRARY, "detail": detail},
        inputs={"clicks": Input("concept-rename-go", "n_clicks")},
        state={
            "concept": State("concept-open", "data"),
            "name": State("concept-rename", "value"),
            "model": State("concept-model", "value"),
            **TICKS,
        },
    )
    wire(
        app,
        client,
        delete,
        prevent_initial_call=True,
        output={**LIBRARY, "detail": detail},
        inputs={"clicks": Input("concept-delete", "n_clicks")},
        state={"concept": State("concept-open", "data"), "model": State("concept-model", "value"), **TICKS},
    )


def ticked(ticks: list[bool], ids: list[dict[str, str]]) -> list[str]:
    """References of the ticked concepts; for TICKS."""
    return [id["ref"] for id, on in zip(ids, ticks, strict=True) if on]


async def show_first(client: Client, result: dict[str, Any] | None) -> dict[str, Any]:
    """The first concept of a new result."""
    return await show_detail(client, result, None)


async def show_concept(
    client: Client, clicks: list[int], result: dict[str, Any] | None, trigger: Trigger
) -> dict[str, Any]:
    """The concept whose entry was pressed."""
    if not trigger.pressed:
        raise PreventUpdate
    return await show_detail(client, result, trigger.of("id"))


async def show_detail(client: Client, stored: dict[str, Any] | None, id: str | None) -> dict[str, Any]:
    """The concept of that id, or the strongest of the analysis. stored: id of the analysis, number of the shown input."""
    try:
        concepts = await client.concepts()
        analysis = await client.analysis(stored["id"]) if stored else None
    except ApiProblem as refusal:
        return {"detail": common.problem(refusal), "open": no_update}
    result = analysis.result if analysis else None
    if id is None and result:
        by_ref = {concept.ref: concept.id for concept in concepts}
        strongest = findings.order(result, stored.get("input", 0) if stored else 0)
        id = next((by_ref[ref] for ref in strongest if ref in by_ref), None)
    concept = next((concept for concept in concepts if concept.id == id), None)
    if concept is None:
        raise PreventUpdate
    return {"detail": detail_card.detail(concept, result, (stored or {}).get("input", 0)), "open": concept.id}


async def make(client: Client, clicks: int) -> dict[str, Any]:
    """The empty maker."""
    return {"opened": bool(clicks), "concept": None, "name": None}


async def list_made(
    client: Client,
    concept: dict[str, Any] | None,
    model: str,
    ticks: list[bool],
    ids: list[dict[str, str]],
) -> dict[str, Any]:
    """A concept that was just made stands in the list, ticked."""
    if not concept:
        raise PreventUpdate
    return {**await redraw(client, model, [*ticked(ticks, ids), concept["ref"]]), "opened": False}


async def rename(
    client: Client,
    clicks: int,
    concept: str,
    name: str,
    model: str,
    ticks: list[bool],
    ids: list[dict[str, str]],
) -> dict[str, Any]:
    """Another name for the open concept."""
    if not clicks:
        raise PreventUpdate
    try:
        await client.change_concept(concept, name)
    except ApiProblem as refusal:
        return unchanged(refusal)
    return {**await redraw(client, model, ticked(ticks, ids)), "detail": None}


async def delete(
    client: Client, clicks: int, concept: str, model: str, ticks: list[bool], ids: list[dict[str, str]]
) -> dict[str, Any]:
    """The open concept goes."""
    if not clicks:
        raise PreventUpdate
    try:
        await client.delete_concept(concept)
    except ApiProblem as refusal:
        return unchanged(refusal)
    return {**await redraw(client, model, ticked(ticks, ids)), "detail": None}


def unchanged(refusal: ApiProblem) -> dict[str, Any]:
    """The library as it stands, and why."""
    return {"library": no_update, "negatives": no_update, "detail": common.problem(refusal)}


async def redraw(client: Client, key: str, chosen: list[str]) -> dict[str, Any]:
    """The library as it is now, for LIBRARY. key: of the model; chosen: references to tick."""
    try:
        model, concepts = await asyncio.gather(client.model(key), client.concepts())
    except ApiProblem as refusal:
        return {"library": common.problem(refusal), "negatives": no_update}
    entries = library_card.library(page.fitting(concepts, model), chosen)
    return {"library": entries, "negatives": page.negatives(concepts, model)}
