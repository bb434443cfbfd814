"""From an input and a model to a prediction."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import Input as EvidentInput
from app.core.schemas import ModelInfo, Prediction, PredictionRequest, Sample
from frontend.client import ApiProblem, Client
from frontend.compare import input_card, methods_card, prediction_card
from frontend.ui import absent, common
from frontend.wiring import Trigger, wire

OPENED = Trigger()


def register(app: Dash, client: Client) -> None:
    """Samples, input card, choice of model, prediction."""
    notice = Output("notice", "children", allow_duplicate=True)
    wire(
        app,
        client,
        open_sample,
        prevent_initial_call=True,
        output={
            "data": Output("input-store", "data", allow_duplicate=True),
            "model": Output("model-select", "value", allow_duplicate=True),
            "beside": Output("beside-store", "data", allow_duplicate=True),
            "paired": Output("beside-paired", "checked"),
            "drawer": Output("samples-drawer", "opened", allow_duplicate=True),
            "notice": notice,
        },
        inputs={"pressed": Input("sample-store", "data")},
    )
    wire(
        app,
        client,
        delete_input,
        prevent_initial_call=True,
        output={"data": Output("input-store", "data", allow_duplicate=True), "notice": notice},
        inputs={"clicks": Input("input-delete", "n_clicks")},
        state={"data": State("input-store", "data")},
    )
    wire(
        app,
        client,
        delete_everything,
        prevent_initial_call=True,
        output={"data": Output("input-store", "data", allow_duplicate=True), "notice": notice},
        inputs={"clicks": Input("input-delete-all", "n_clicks")},
        state={"data": State("input-store", "data")},
    )
    wire(
        app,
        client,
        show_input,
        output=Output("input-view", "children"),
        inputs={"data": Input("input-store", "data")},
        prevent_initial_call=True,
    )
    wire(
        app,
        client,
        choose,
        output={
            "models": Output("model-select", "data"),
            "model": Output("model-select", "value"),
            "subject": Output("subject-store", "data"),
            "note": Output("model-note", "children"),
        },
        inputs={
            "data": Input("input-store", "data"),
            "model": Input("model-select", "value"),
            "window": Input("window-store", "data"),
        },
        state={"subject": State("subject-store", "data")},
    )
    wire(
        app,
        client,
        join,
        prevent_initial_call=True,
        output={
            "models": Output("model-select", "data", allow_duplicate=True),
            "absent": Output("compare-absent", "children"),
            "complete": Output("compare-again", "disabled"),
        },
        inputs={"ticks": Input("compare-again", "n_intervals")},
        state={"data": State("input-store", "data")},
    )
    wire(
        app,
        client,
        predict,
        output={"answer": Output("answer-store", "data"), "card": Output("prediction-card", "children")},
        inputs={"subject": Input("subject-store", "data")},
        state={
            "target": State("target-store", "data"),
            "data": State("input-store", "data"),
            "asked": State("asked-store", "data"),
        },
        running=[
            (Output("prediction-card", "aria-busy"), "true", "false"),
            (Output("panels", "aria-busy"), "true", "false"),
        ],
    )
    wire(
        app,
        client,
        show_score,
        output={
            "asked": Output("asked-store", "data"),
            "card": Output("prediction-card", "children", allow_duplicate=True),
        },
        inputs={"clicks": Input("score-ask", "n_clicks")},
        state={
            "answer": State("answer-store", "data"),
            "target": State("target-store", "data"),
            "data": State("input-store", "data"),
            "asked": State("asked-store", "data"),
        },
        prevent_initial_call=True,
    )


async def open_sample(client: Client, pressed: dict[str, Any] | None) -> dict[str, Any]:
    """A bundled input with the model it was made for; `pair`: with what belongs beside it."""
    if not pressed:
        raise PreventUpdate
    try:
        samples = await client.samples()
        sample = next((sample for sample in samples if sample.key == pressed.get("key")), None)
        if sample is None:
            raise PreventUpdate
        value = await client.input(sample.input)
    except ApiProblem as refusal:
        unchanged = dict.fromkeys(("data", "model", "beside", "paired"), no_update)
        return {**unchanged, "drawer": False, "notice": common.problem(refusal)}
    pair = sample.beside if pressed.get("pair") else None
    return {
        "data": {**value.model_dump(), "sample": sample.key},
        "model": sample.model,
        "beside": {"kind": pair.kind, "key": pair.key} if pair else None,
        "paired": True if pair else no_update,
        "drawer": False,
        "notice": None,
    }


async def delete_input(client: Client, clicks: int | None, data: dict[str, Any] | None) -> dict[str, Any]:
    """Deletes the open input from the server."""
    if not clicks or not data:
        raise PreventUpdate
    try:
        await client.delete_input(data["id"])
    except ApiProblem as refusal:
        offer = input_card.delete_all() if refusal.code == "in_use" else None
        return {"data": no_update, "notice": common.problem(refusal, offer)}
    return {"data": None, "notice": None}


async def delete_everything(
    client: Client, clicks: int | None, data: dict[str, Any] | None
) -> dict[str, Any]:
    """Deletes the open input with its part in concepts and analyses."""
    if not clicks or not data:
        raise PreventUpdate
    try:
        await client.delete_input(data["id"], everything=True)
    except ApiProblem as refusal:
        return {"data": no_update, "notice": common.problem(refusal)}
    return {"data": None, "notice": None}


async def show_input(client: Client, data: dict[str, Any] | None) -> Any:
    """The input card."""
    if not data:
        return input_card.nothing()
    value = EvidentInput.model_validate(data)
    try:
        samples = await client.samples() if value.sample else []
    except ApiProblem:
        samples = []
    return input_card.loaded(value, input_card.bundled(value, samples))


async def choose(
    client: Client,
    data: dict[str, Any] | None,
    model: str | None,
    window: dict[str, Any] | None,
    subject: dict[str, Any] | None,
    trigger: Trigger = OPENED,
) -> dict[str, Any]:
    """The models that take this input, the chosen one, and with it what is predicted. A file of one's own is not
    left to a model of generated inputs that a sample had brought along."""
    try:
        models = (await client.catalogue()).models
    except ApiProblem as refusal:
        return {
            "models": no_update,
            "model": no_update,
            "subject": no_update,
            "note": common.problem(refusal),
        }
    modality = data["modality"] if data else None
    if trigger.id == "input-store" and data and not data.get("sample"):
        model_asked = next((info.key for info in models if info.key == model and not made_up(info)), None)
    else:
        model_asked = model
    chosen = methods_card.choose_model(models, modality, model_asked)
    now = subject_of(data, chosen, window)
    return {
        "models": methods_card.model_options(models, modality),
        "model": no_update if chosen == model else chosen,
        "subject": no_update if now == subject else now,
        "note": methods_card.model_note(next((info for info in models if info.key == chosen), None)),
    }


async def join(client: Client, ticks: int | None, data: dict[str, Any] | None) -> dict[str, Any]:
    """Models that were still being looked at when the page was opened are offered as they come; the chosen one stays."""
    if not ticks:
        raise PreventUpdate
    try:
        catalogue = await client.catalogue()
    except ApiProblem:  # until the next look
        raise PreventUpdate from None
    return {
        "models": methods_card.model_options(catalogue.models, data["modality"] if data else None),
        "absent": absent.lines(catalogue.absent),
        "complete": not absent.pending(catalogue.absent),
    }


async def predict(
    client: Client,
    subject: dict[str, Any] | None,
    target: dict[str, Any] | None,
    data: dict[str, Any] | None,
    asked: list[str] | None = None,
) -> dict[str, Any]:
    """The prediction, which methods fit the model, and what is known about the input."""
    if not subject or not data:
        return {"answer": None, "card": common.skeleton(3)}
    try:
        prediction, fits, model, samples = await asyncio.gather(
            client.predict(PredictionRequest(**subject)),
            client.fits(subject["model"]),
            client.model(subject["model"]),
            client.samples(),
        )
    except ApiProblem as refusal:
        return {"answer": None, "card": common.problem(refusal)}
    value = EvidentInput.model_validate(data)
    sample = sample_of(samples, value, model)
    answer = {
        "subject": subject,
        "prediction": prediction.model_dump(mode="json"),
        "fits": {key: fit.model_dump() for key, fit in fits.items()},
        "known": known_evidence(sample),
        "classes": len(model.labels),
    }
    return {
        "answer": answer,
        "card": prediction_card.prediction_view(
            prediction,
            target_of(target, prediction, len(model.labels)),
            model,
            sample,
            value,
            value.id in (asked or []),
        ),
    }


async def show_score(
    client: Client,
    clicks: int | None,
    answer: dict[str, Any] | None,
    target: dict[str, Any] | None,
    data: dict[str, Any] | None,
    asked: list[str] | None,
) -> dict[str, Any]:
    """The score that the gate withheld; it is remembered that it was asked for, for this input."""
    if not clicks or not answer or not data:
        raise PreventUpdate
    prediction, value = Prediction.model_validate(answer["prediction"]), EvidentInput.model_validate(data)
    try:
        model, samples = await asyncio.gather(client.model(prediction.model), client.samples())
    except ApiProblem as refusal:
        return {"asked": no_update, "card": common.problem(refusal)}
    card = prediction_card.prediction_view(
        prediction,
        target_of(target, prediction, len(model.labels)),
        model,
        sample_of(samples, value, model),
        value,
        asked=True,
    )
    return {"asked": [*(asked or []), value.id], "card": card}


def made_up(model: ModelInfo) -> bool:
    """Trained on generated inputs: what it says about any other means nothing."""
    return bool(model.card.get("synthetic"))


def subject_of(
    data: dict[str, Any] | None, model: str | None, window: dict[str, Any] | None
) -> dict[str, Any] | None:
    """What is predicted. A window chosen for another input does not count."""
    if not data or not model:
        return None
    start = window.get("start") if window and window.get("input") == data["id"] else None
    return {"input": data["id"], "model": model, "start": start}


def target_of(target: dict[str, Any] | None, prediction: Prediction, classes: int) -> int:
    """The chosen class, if it was chosen for this input and model; else the predicted one."""
    chosen = (target or {}).get("target")
    same = (
        target is not None
        and target.get("input") == prediction.input
        and target.get("model") in {None, prediction.model}
    )
    return chosen if same and isinstance(chosen, int) and 0 <= chosen < classes else prediction.top


def sample_of(samples: list[Sample], value: EvidentInput, model: ModelInfo) -> Sample | None:
    """What is known is known about a sample *with its model*; with another model it would be a false
    promise."""
    return next(
        (sample for sample in samples if sample.input == value.id and sample.model == model.key), None
    )


def known_evidence(sample: Sample | None) -> dict[str, str] | None:
    """What the browser asks the API about: the sample, input and model whose evidence is known."""
    if sample is None or not any(sample.evidence.values()):
        return None
    return {"sample": sample.key, "input": sample.input, "model": sample.model}
