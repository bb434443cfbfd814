"""A second side: another input under the same network, or the same input under another network. It follows the first:
what runs there runs here, with the same parameters and, where the labels agree, for the same class.

subject-store, beside-store -> predict -> beside-answer-store; with runs-store -> follow -> beside-runs-store -> draw
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from dash import Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from app.core.schemas import Input as EvidentInput
from app.core.schemas import ModelInfo, Prediction, PredictionRequest, Sample
from frontend.client import ApiProblem, Client
from frontend.compare import beside_card, maps
from frontend.compare.subject import known_evidence, sample_of
from frontend.ui import common
from frontend.wiring import Trigger, wire

SAME = "This stands above already: choose something else, or close this side."


def register(app: Dash, client: Client) -> None:
    """The list to choose from, the second prediction, its runs, its panels."""
    wire(
        app,
        client,
        offer,
        prevent_initial_call=True,
        output={
            "opened": Output("beside-drawer", "opened"),
            "title": Output("beside-drawer", "title"),
            "children": Output("beside-choices", "children"),
        },
        inputs={
            "inputs": Input("beside-input-open", "n_clicks"),
            "models": Input("beside-model-open", "n_clicks"),
        },
        state={"subject": State("subject-store", "data")},
    )
    wire(
        app,
        client,
        predict,
        output={
            "answer": Output("beside-answer-store", "data"),
            "view": Output("beside-view", "children"),
            "known": Output("contrast", "data-known"),
            "first": Output("prediction-card", "data-first"),
        },
        inputs={
            "subject": Input("subject-store", "data"),
            "beside": Input("beside-store", "data"),
            "asked": Input("asked-store", "data"),
        },
        running=[(Output("beside-card", "aria-busy"), "true", "false")],
    )
    wire(
        app,
        client,
        follow,
        prevent_initial_call=True,
        output={"runs": Output("beside-runs-store", "data"), "scores": Output("contrast", "data-scores")},
        inputs={"runs": Input("runs-store", "data"), "answer": Input("beside-answer-store", "data")},
        state={
            "first": State("answer-store", "data"),
            "before": State("beside-runs-store", "data"),
            "asked": State("asked-store", "data"),
        },
    )
    wire(
        app,
        client,
        draw,
        prevent_initial_call=True,
        output=Output("panels-beside", "children"),
        inputs={
            "runs": Input("beside-runs-store", "data"),
            "answer": Input("beside-answer-store", "data"),
            "ticked": Input("methods", "value"),
            "first": Input("answer-store", "data"),
        },
    )


async def offer(
    client: Client,
    inputs: int | None,
    models: int | None,
    subject: dict[str, Any] | None,
    trigger: Trigger,
) -> dict[str, Any]:
    """The drawer with what can stand beside: inputs of a kind that the network takes, or networks that take the input."""
    if not subject or not (inputs or models):
        raise PreventUpdate
    another_input = trigger.id == "beside-input-open"
    try:
        if another_input:
            samples, model, limits = await asyncio.gather(
                client.samples(), client.model(subject["model"]), client.limits()
            )
            listed = beside_card.inputs(samples, model, subject["input"], limits)
        else:
            catalogue, value = await asyncio.gather(client.catalogue(), client.input(subject["input"]))
            listed = beside_card.models(catalogue.models, value.modality, subject["model"])
    except ApiProblem as refusal:
        listed = [common.problem(refusal)]
    title = "Another input beside this one" if another_input else "Another network beside this one"
    return {"opened": True, "title": title, "children": listed}


def subject_beside(subject: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any] | None:
    """What is predicted on the second side; None where it is what the first side shows. Another recording has its own
    window, its loudest event; another network looks at the same one."""
    kind, key = beside["kind"], beside["key"]
    if subject[kind] == key:
        return None
    start = None if kind == "input" else subject.get("start")
    return {**subject, kind: key, "start": start}


async def predict(
    client: Client,
    subject: dict[str, Any] | None,
    beside: dict[str, Any] | None,
    asked: list[str] | None = None,
) -> dict[str, Any]:
    """The second prediction, and which methods fit its network."""
    nothing = {"answer": None, "view": None, "known": "", "first": ""}
    if not subject or not beside:
        return nothing
    other = subject_beside(subject, beside)
    if other is None:
        return {**nothing, "view": common.note(SAME)}
    try:
        prediction, fits, model, value, samples = await asyncio.gather(
            client.predict(PredictionRequest(**other)),
            client.fits(other["model"]),
            client.model(other["model"]),
            client.input(other["input"]),
            client.samples(),
        )
        first: EvidentInput | ModelInfo = (
            await client.model(subject["model"])
            if beside["kind"] == "model"
            else await client.input(subject["input"])
        )
    except ApiProblem as refusal:
        return {**nothing, "view": common.problem(refusal)}
    answer = {
        "base": subject,
        "subject": other,
        "prediction": prediction.model_dump(mode="json"),
        "fits": {key: fit.model_dump() for key, fit in fits.items()},
    }
    second = model if beside["kind"] == "model" else value
    return {
        "answer": answer,
        "view": beside_card.side(name_of(second, samples), second, prediction, withheld(prediction, asked)),
        "known": json.dumps(known_of(samples, value, model)),
        "first": name_of(first, samples),
    }


def known_of(samples: list[Sample], value: EvidentInput, model: ModelInfo) -> dict[str, Any] | None:
    """Whose evidence is known; `foreign`: with another network, so that only what the input holds is."""
    own = known_evidence(sample_of(samples, value, model))
    if own:
        return {**own, "foreign": False}
    other = known_evidence(next((sample for sample in samples if sample.input == value.id), None))
    return {**other, "model": model.key, "foreign": True} if other else None


def name_of(of: EvidentInput | ModelInfo, samples: list[Sample]) -> str:
    """What tells a side from the other: the network's title, or that of the sample, or the name of the file."""
    if isinstance(of, ModelInfo):
        return of.title
    sample = next((sample for sample in samples if sample.input == of.id), None)
    return sample.title if sample else of.name or "unnamed"


def withheld(prediction: Prediction, asked: list[str] | None) -> bool:
    """The gate stands before the score, and nobody asked for it."""
    return prediction.gate.state == "abstain" and prediction.input not in (asked or [])


def same_class(first: ModelInfo, second: ModelInfo, target: int) -> int | None:
    """Where the second network has the class `target` of the first: the same place if it is called the same there, else
    the one class of that name, else nowhere."""
    label = first.labels[target]
    if second.labels[target : target + 1] == [label]:
        return target
    places = [index for index, name in enumerate(second.labels) if name == label]
    return places[0] if len(places) == 1 else None


async def follow(
    client: Client,
    runs: maps.Runs | None,
    answer: dict[str, Any] | None,
    first: dict[str, Any] | None,
    before: dict[str, Any] | None,
    asked: list[str] | None = None,
) -> dict[str, Any]:
    """Posts here what was posted there. A map whose model above is still the same is left as it is, stopped or not."""
    nothing = {"runs": None, "scores": ""}
    if not answer or not first or not runs or runs.get("subject") != answer["base"] or not runs["runs"]:
        return nothing
    subject = answer["subject"]
    try:
        catalogue, one, other, fits = await asyncio.gather(
            client.catalogue(),
            client.model(answer["base"]["model"]),
            client.model(subject["model"]),
            client.fits(answer["base"]["model"]),
        )
    except ApiProblem:
        raise PreventUpdate from None
    prediction = Prediction.model_validate(answer["prediction"])
    fits_here = maps.read_fits(answer)
    made = before["runs"] if before and before["subject"] == subject else {}
    posted: dict[str, Any] = {}
    for method in catalogue.methods:
        run = runs["runs"].get(method.key)
        fit = fits_here.get(method.key)
        if not run or "request" not in run or (fit and not fit.ok):
            continue
        if "id" in run and made.get(method.key, {}).get("of") == run["id"]:
            posted[method.key] = made[method.key]
            continue
        asked_there = run["request"]
        there = fits.get(method.key)
        target = same_class(one, other, asked_there["target"])
        part = {
            **subject,
            "target": prediction.top if target is None else target,
            "seed": asked_there["seed"],
        }
        # Defaults may depend on the network: the values in force above are what is compared.
        params = {method.key: {**(there.defaults if there else {}), **asked_there["params"]}}
        layer = maps.layer_of(other, asked_there["layer"])
        sent = await maps.post(client, method, part, layer, fits_here, params)
        posted[method.key] = {**sent, "of": run.get("id")}
    newest = next(run["request"]["target"] for run in reversed(runs["runs"].values()) if "request" in run)
    return {
        "runs": {"subject": subject, "runs": posted},
        "scores": json.dumps(
            scores(one, other, Prediction.model_validate(first["prediction"]), prediction, newest, asked)
        ),
    }


def scores(
    one: ModelInfo,
    other: ModelInfo,
    first: Prediction,
    second: Prediction,
    target: int,
    asked: list[str] | None,
) -> dict[str, Any]:
    """What the sentence of comparison is about: per side the class that its maps explain and its score, null for a class
    that is not among the first."""
    matched = same_class(one, other, target)
    there = second.top if matched is None else matched
    return {
        "withheld": withheld(first, asked) or withheld(second, asked),
        "sides": [
            {
                "label": model.labels[index],
                "score": score_of(prediction, index),
                "says": None
                if index == prediction.top
                else (model.labels[prediction.top], score_of(prediction, prediction.top)),
            }
            for model, prediction, index in ((one, first, target), (other, second, there))
        ],
        "same": matched is not None,
    }


def score_of(prediction: Prediction, index: int) -> float | None:
    return next((score.probability for score in prediction.classes if score.index == index), None)


async def draw(
    client: Client,
    runs: dict[str, Any] | None,
    answer: dict[str, Any] | None,
    ticked: list[str] | None,
    first: dict[str, Any] | None,
) -> Any:
    """One panel under each panel of the first side."""
    if not answer or not first or answer["base"] != first["subject"]:
        return []
    try:
        catalogue = await client.catalogue()
    except ApiProblem as refusal:
        return [common.problem(refusal)]
    methods = maps.shown(catalogue, maps.read_fits(first), ticked)
    made = runs["runs"] if runs and runs["subject"] == answer["subject"] else {}
    return beside_card.panels(
        methods, maps.read_fits(answer), made, Prediction.model_validate(answer["prediction"])
    )
