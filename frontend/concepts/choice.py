"""What is analysed: the model with its classes and layers, and the inputs."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import ALL, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import AxisInfo, Prediction, PredictionRequest
from frontend.client import ApiProblem, Client, href
from frontend.concepts import library_card, page
from frontend.concepts.link import open_link
from frontend.ui import common
from frontend.wiring import Trigger, wire

Inputs = list[dict[str, Any]]
"""`{"input": id}` per input, in the order in which they were added."""


def register(app: Dash, client: Client) -> None:
    """Opening the page, another model, inputs."""
    wire(
        app,
        client,
        load,
        prevent_initial_call="initial_duplicate",
        output={
            "body": Output("concepts-body", "children"),
            "model": Output("concept-model-store", "data"),
            "inputs": Output("concept-inputs", "data", allow_duplicate=True),
            "job": Output("concept-job-store", "data", allow_duplicate=True),
            "ended": Output("concept-ended-store", "data"),
            "shown": Output("concept-shown-store", "data", allow_duplicate=True),
            "opened": Output("concept-opened", "data"),
        },
        inputs={"query": Input("concept-query", "data")},
    )
    wire(
        app,
        client,
        switch_model,
        prevent_initial_call=True,
        output={
            "library": Output("concept-library", "children"),
            "negatives": Output("concept-negatives", "data"),
            "classes": Output("concept-class", "data"),
            "target": Output("concept-class", "value"),
            "layers": Output("concept-layers", "data"),
            "chosen_layers": Output("concept-layers", "value"),
            "samples": Output("concept-sample", "data"),
            "model": Output("concept-model-store", "data", allow_duplicate=True),
        },
        inputs={"key": Input("concept-model", "value")},
        state={"present": State("concept-model-store", "data")},
    )
    wire(
        app,
        client,
        add_input,
        prevent_initial_call=True,
        output={
            "inputs": Output("concept-inputs", "data", allow_duplicate=True),
            "sample": Output("concept-sample", "value"),
        },
        inputs={
            "uploaded": Input("concept-input-store", "data"),
            "sample": Input("concept-sample", "value"),
        },
        state={"inputs": State("concept-inputs", "data")},
    )
    wire(
        app,
        client,
        show_inputs,
        prevent_initial_call=True,
        output={
            "thumbs": Output("concept-inputs-view", "children"),
            "inputs": Output("concept-inputs", "data", allow_duplicate=True),
            "problem": Output("concept-problem", "children", allow_duplicate=True),
            "display": Output("concept-maker", "data-display"),
            "axes": Output("concept-maker", "data-axes"),
            "input": Output("concept-maker", "data-input"),
        },
        inputs={
            "inputs": Input("concept-inputs", "data"),
            "model": Input("concept-model-store", "data"),
            "shown": Input("concept-shown-store", "data"),
        },
    )
    wire(
        app,
        client,
        pick_input,
        output=Output("concept-shown-store", "data"),
        prevent_initial_call=True,
        inputs={"clicks": Input({"type": "concept-pick", "index": ALL}, "n_clicks")},
        state={"shown": State("concept-shown-store", "data")},
    )


async def load(client: Client, query: dict[str, str]) -> dict[str, Any]:
    """The page for what the address says."""
    try:
        catalogue, concepts, samples, limits = await asyncio.gather(
            client.catalogue(), client.concepts(), client.samples(), client.limits()
        )
        model, link = await open_link(client, query, concepts, catalogue)
    except ApiProblem as refusal:
        card = common.card("Concepts", common.problem(refusal))
        kept = dict.fromkeys(("inputs", "job", "ended", "shown", "opened"), no_update)
        return {"body": card, "model": None, **kept}
    return {
        "body": page.body(catalogue, concepts, samples, limits, model, link),
        "model": model.key,
        "inputs": [{"input": key} for key in link.inputs or ()],
        "job": {"id": link.analysis} if link.analysis else None,
        # A finished analysis is shown at once; one that still runs is followed by the bar, which tells
        # its end.
        "ended": {"id": link.analysis, "state": "done"} if link.done else None,
        "shown": {"input": link.shown},
        "opened": query,
    }


async def switch_model(client: Client, key: str, present: str | None) -> dict[str, Any]:
    """What can be chosen with another model. present: key of the model that the page is drawn for."""
    if key == present:  # the select has just been drawn
        raise PreventUpdate
    try:
        model, concepts, samples = await asyncio.gather(
            client.model(key), client.concepts(), client.samples()
        )
    except ApiProblem:
        raise PreventUpdate from None
    return {
        "library": library_card.library(page.fitting(concepts, model), page.first_concepts(concepts, model)),
        "negatives": page.negatives(concepts, model),
        "classes": page.class_options(model),
        "target": "",
        "layers": page.layer_options(model),
        "chosen_layers": page.first_layers(model),
        "samples": page.sample_options(samples, model),
        "model": key,
    }


async def add_input(
    client: Client, uploaded: dict[str, Any] | None, sample: str | None, inputs: Inputs, trigger: Trigger
) -> dict[str, Any]:
    """A file or a sample joins the inputs, once."""
    key = sample if trigger.id == "concept-sample" else (uploaded or {}).get("id")
    if not key or any(entry["input"] == key for entry in inputs):
        raise PreventUpdate
    return {"inputs": [*inputs, {"input": key}], "sample": None}


async def show_inputs(
    client: Client, inputs: Inputs, model: str | None, shown: dict[str, Any] | None
) -> dict[str, Any]:
    """Thumbnails of the inputs; one that the API refuses (deleted, or not for this model) is taken out with
    a word. shown: which input the table is about; the maker cuts examples out of it."""
    if not model:
        raise PreventUpdate
    requests = (PredictionRequest(input=entry["input"], model=model) for entry in inputs)
    answers = await asyncio.gather(*(client.predict(request) for request in requests), return_exceptions=True)
    predictions, refusal = sort_answers(answers)
    changes = {
        "inputs": [{"input": prediction.input} for prediction in predictions] if refusal else no_update,
        "problem": common.problem(refusal) if refusal else None,
    }
    if not predictions:
        empty = common.note("No input yet: add a file or a sample.")
        return {**changes, "thumbs": empty, "display": None, "axes": None, "input": None}
    number = min((shown or {}).get("input", 0), len(predictions) - 1)
    first = predictions[number]
    return {
        **changes,
        "thumbs": page.thumbs([prediction.display for prediction in predictions], number),
        "display": href(first.display),
        "axes": axes_json(first.x_axis, first.y_axis),
        "input": first.input,
    }


def axes_json(x_axis: AxisInfo, y_axis: AxisInfo) -> str:
    return f'{{"x_axis": {x_axis.model_dump_json()}, "y_axis": {y_axis.model_dump_json()}}}'


def sort_answers(answers: list[Prediction | BaseException]) -> tuple[list[Prediction], ApiProblem | None]:
    """The predictions, and the first refusal. Any other exception is raised."""
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ApiProblem):
            raise answer
    refusals = (answer for answer in answers if isinstance(answer, ApiProblem))
    return [answer for answer in answers if isinstance(answer, Prediction)], next(refusals, None)


async def pick_input(
    client: Client, clicks: list[int], shown: dict[str, Any] | None, trigger: Trigger
) -> dict[str, Any]:
    """Which input the table is about."""
    if not trigger.pressed:
        raise PreventUpdate
    return {**(shown or {}), "input": int(trigger.of("index"))}
