"""What the Inside page is about: the address opens it, a choice in the strip is another address."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import Catalogue, ModelInfo, PredictionRequest, Sample
from app.core.schemas import Input as EvidentInput
from frontend.client import ApiProblem, Client
from frontend.inside import address, page, training
from frontend.inside.address import INPUT, TRAINING, Link
from frontend.wiring import Trigger, wire


def register(app: Dash, client: Client) -> None:
    """Opening, choosing, and the address that follows."""
    wire(
        app,
        client,
        load,
        output={
            "body": Output("inside-body", "children"),
            "opened": Output("inside-opened", "data"),
            "shown": Output("inside-shown", "data"),
        },
        inputs={"query": Input("inside-query", "data")},
    )
    wire(
        app,
        client,
        choose,
        prevent_initial_call=True,
        output=Output("inside-query", "data"),
        inputs={
            "input": Input("inside-input", "value"),
            "model": Input("inside-model", "value"),
            "target": Input("inside-class", "value"),
        },
        state={"shown": State("inside-shown", "data")},
    )
    wire(
        app,
        client,
        bring,
        prevent_initial_call=True,
        output=Output("inside-query", "data", allow_duplicate=True),
        inputs={"uploaded": Input("inside-upload", "data"), "window": Input("inside-window", "data")},
        state={"shown": State("inside-shown", "data")},
    )
    wire(
        app,
        client,
        turn,
        prevent_initial_call=True,
        output=Output("inside-query", "data", allow_duplicate=True),
        inputs={"view": Input("inside-view", "value")},
        state={"shown": State("inside-shown", "data")},
    )
    wire(
        app,
        client,
        ask,
        prevent_initial_call=True,
        output=Output("inside-query", "data", allow_duplicate=True),
        inputs={"clicks": Input({"type": "inside-anyway", "key": ALL}, "n_clicks")},
        state={"shown": State("inside-shown", "data")},
    )
    app.clientside_callback(
        ClientsideFunction("evident", "insideLink"),
        Output("inside-address", "data"),
        Input("inside-opened", "data"),
        Input("inside-shown", "data"),
        Input("inside-place", "data"),
        prevent_initial_call=True,
    )


async def load(client: Client, query: dict[str, str] | None) -> dict[str, Any]:
    """The page for what the address says."""
    if query is None:
        raise PreventUpdate
    link = address.read(query)
    if link.view == TRAINING:
        shown = {**query, "view": TRAINING}
        return {"body": training.view(query, page.switch(TRAINING)), "opened": query, "shown": shown}
    try:
        opened = await open_link(client, link)
    except ApiProblem as refusal:
        return {"body": page.unreachable(refusal), "opened": query, "shown": no_update}
    return {"body": page.body(opened), "opened": query, "shown": shown_of(opened)}


async def open_link(client: Client, link: Link) -> page.Opened:
    """What the address asks for. Raises ApiProblem where there is no catalogue; any other refusal is told in the strip."""
    catalogue, limits, samples = await asyncio.gather(client.catalogue(), client.limits(), client.samples())
    model, value, prediction, trouble = None, None, None, None
    try:
        value = await client.input(link.input) if link.input else None
        model = await chosen_model(client, catalogue, samples, link, value)
        sample = None if value else first_sample(samples, model if link.model else None)
        if sample:
            value = await client.input(sample.input)
            model = model if link.model else await client.model(sample.model)
        if value:
            prediction = await client.predict(
                PredictionRequest(input=value.id, model=model.key, start=link.start)
            )
    except ApiProblem as refusal:
        trouble = refusal
    model = model or default_model(catalogue, value)
    return page.Opened(catalogue, samples, limits, model, value, prediction, trouble, link)


async def chosen_model(
    client: Client,
    catalogue: Catalogue,
    samples: list[Sample],
    link: Link,
    value: EvidentInput | None,
) -> ModelInfo:
    """The model of the address, also one of a person's own; else the one that the input was made for."""
    if link.model:
        listed = next((info for info in catalogue.models if info.key == link.model), None)
        return listed or await client.model(link.model)
    made_for = next((sample.model for sample in samples if value and sample.input == value.id), None)
    listed = next((info for info in catalogue.models if info.key == made_for), None)
    return listed or default_model(catalogue, value)


def default_model(catalogue: Catalogue, value: EvidentInput | None) -> ModelInfo:
    """The one that such inputs are given to."""
    available = [info for info in catalogue.models if info.available]
    fitting = [info for info in available if value and value.modality in info.modalities]
    preferred = [info for info in fitting if value and value.modality in info.default_for]
    return (preferred or fitting or available)[0]


def first_sample(samples: list[Sample], model: ModelInfo | None) -> Sample | None:
    """What the page opens with: a sample of that model; without one, a sound whose evidence is known."""
    if model is None:
        fitting = [sample for sample in samples if sample.group == "sounds" and any(sample.evidence.values())]
        return next(iter(fitting or samples), None)
    own = [sample for sample in samples if sample.model == model.key]
    fitting = [sample for sample in samples if sample.modality in model.modalities]
    return next(iter(own or fitting), None)


def shown_of(opened: page.Opened) -> dict[str, str]:
    """The address of what is shown, in full."""
    link, prediction = opened.link, opened.prediction
    shown = {"model": opened.model.key}
    if opened.value:
        shown["input"] = opened.value.id
    if prediction and not opened.withheld and opened.target != prediction.top:
        shown["class"] = str(opened.target)
    if link.start is not None:
        shown["start"] = f"{link.start:g}"
    if link.anyway:
        shown["anyway"] = "1"
    if link.layer:
        shown["layer"] = link.layer
    # What the strip was drawn with: a select that only arrives changes nothing.
    drawn = str(opened.target) if prediction and not opened.withheld else ""
    return {**shown, "drawn": drawn}


async def choose(
    client: Client,
    input: str | None,
    model: str | None,
    target: str | None,
    shown: dict[str, str] | None,
    trigger: Trigger,
) -> dict[str, str]:
    """Another input, model or class; a sample that is not for the open model brings its own."""
    if not shown or shown.get("view") == TRAINING:
        raise PreventUpdate
    query = without(shown, "drawn", "layer")
    if trigger.id == "inside-input" and input and input != shown.get("input"):
        return {
            **without(query, "class", "start", "anyway"),
            "input": input,
            "model": await model_for(client, input, query),
        }
    if trigger.id == "inside-model" and model and model != shown.get("model"):
        return await with_model(client, without(query, "class", "anyway"), model)
    if trigger.id == "inside-class" and target and target != shown.get("drawn"):
        return {**without(shown, "drawn"), "class": target}
    raise PreventUpdate


async def model_for(client: Client, input: str, query: dict[str, str]) -> str:
    """The open model where it takes the input, else the one of the sample."""
    try:
        catalogue, samples, value = await asyncio.gather(
            client.catalogue(), client.samples(), client.input(input)
        )
        present = await client.model(query["model"])
    except ApiProblem:
        return query["model"]
    made_for = [sample.model for sample in samples if sample.input == input]
    if made_for and present.key not in made_for:
        return made_for[0]
    return present.key if value.modality in present.modalities else default_model(catalogue, value).key


async def with_model(client: Client, query: dict[str, str], model: str) -> dict[str, str]:
    """The open input stays where the model takes it, else the model's first sample comes."""
    try:
        info, value = await asyncio.gather(client.model(model), client.input(query.get("input", "")))
    except ApiProblem:
        return {**query, "model": model}
    kept = query if value.modality in info.modalities else without(query, "input", "start")
    return {**kept, "model": model}


async def bring(
    client: Client,
    uploaded: dict[str, Any] | None,
    window: dict[str, Any] | None,
    shown: dict[str, str] | None,
    trigger: Trigger,
) -> dict[str, str]:
    """A file that has arrived, or another part of the recording."""
    if not shown:
        raise PreventUpdate
    query = without(shown, "drawn")
    if trigger.id == "inside-upload" and uploaded:
        kept = without(query, "class", "start", "anyway", "layer")
        return {**kept, "input": uploaded["id"], "model": await model_for(client, uploaded["id"], query)}
    if trigger.id == "inside-window" and window and window.get("input") == shown.get("input"):
        return {**query, "start": f"{window['start']:g}"}
    raise PreventUpdate


async def turn(client: Client, view: str, shown: dict[str, str] | None) -> dict[str, str]:
    """The other half of the page; what was open comes back with it."""
    query = without(shown or {}, "drawn")
    if view == query.get("view", INPUT):
        raise PreventUpdate
    return {**without(query, "view"), **({"view": TRAINING} if view == TRAINING else {})}


async def ask(
    client: Client, clicks: list[int], shown: dict[str, str] | None, trigger: Trigger
) -> dict[str, str]:
    """Somebody wants the score that the gate withholds."""
    if not trigger.pressed or not shown:
        raise PreventUpdate
    return {**without(shown, "drawn"), "anyway": "1"}


def without(query: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if name not in names}
