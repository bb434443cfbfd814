"""From an input and a model to a prediction."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import Input as EvidentInput
from app.core.schemas import ModelInfo, Prediction, PredictionRequest, Sample
from frontend.client import ApiProblem, Client
from frontend.compare import input_card, methods_card, prediction_card
from frontend.ui import common


def register(app: Dash, client: Client) -> None:
    """Samples, input card, choice of model, prediction."""

    @app.callback(
        Output("input-store", "data", allow_duplicate=True),
        Output("model-select", "value", allow_duplicate=True),
        Output("samples-drawer", "opened", allow_duplicate=True),
        Output("notice", "children", allow_duplicate=True),
        Input({"type": "sample", "key": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    async def open_sample(_clicks: list[int]) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(ctx.triggered_id, dict):
            raise PreventUpdate
        key = ctx.triggered_id["key"].removeprefix("drawer:")
        try:
            sample = next((found for found in await client.samples() if found.key == key), None)
            if sample is None:
                raise PreventUpdate
            value = await client.input(sample.input)
        except ApiProblem as refusal:
            return no_update, no_update, False, common.problem(refusal)
        return {**value.model_dump(), "sample": sample.key}, sample.model, False, None

    @app.callback(Output("samples-drawer", "opened"), Input("samples-open", "n_clicks"), prevent_initial_call=True)
    async def show_samples(clicks: int | None) -> bool:
        return bool(clicks)

    @app.callback(
        Output("input-store", "data", allow_duplicate=True),
        Output("notice", "children", allow_duplicate=True),
        Input("input-delete", "n_clicks"),
        State("input-store", "data"),
        prevent_initial_call=True,
    )
    async def delete_input(clicks: int | None, data: dict[str, Any] | None) -> Any:
        if not clicks or not data:
            raise PreventUpdate
        try:
            await client.delete_input(data["id"])
        except ApiProblem as refusal:
            return no_update, common.problem(refusal)
        return None, None

    @app.callback(Output("input-view", "children"), Input("input-store", "data"), prevent_initial_call=True)
    async def show_input(data: dict[str, Any] | None) -> Any:
        if not data:
            return input_card.nothing()
        value = EvidentInput.model_validate(data)
        try:
            samples = await client.samples() if value.sample else []
        except ApiProblem:
            samples = []
        return input_card.loaded(value, input_card.title_of(value, samples))

    @app.callback(
        Output("model-select", "data"),
        Output("model-select", "value"),
        Output("subject-store", "data"),
        Output("model-note", "children"),
        Input("input-store", "data"),
        Input("model-select", "value"),
        Input("window-store", "data"),
        State("subject-store", "data"),
    )
    async def settle(data: dict[str, Any] | None, model: str | None, window: dict[str, Any] | None, subject: dict[str, Any] | None) -> Any:
        try:
            models = (await client.catalogue()).models
        except ApiProblem as refusal:
            return no_update, no_update, no_update, common.problem(refusal)
        modality = data["modality"] if data else None
        chosen = methods_card.choose_model(models, modality, model)
        now = subject_of(data, chosen, window)
        info = next((found for found in models if found.key == chosen), None)
        return (
            methods_card.model_options(models, modality),
            no_update if chosen == model else chosen,
            no_update if now == subject else now,
            methods_card.model_note(info),
        )

    _register_prediction(app, client)


def subject_of(data: dict[str, Any] | None, model: str | None, window: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is predicted. A window chosen for another input does not count."""
    if not data or not model:
        return None
    start = window.get("start") if window and window.get("input") == data["id"] else None
    return {"input": data["id"], "model": model, "start": start}


def target_of(target: dict[str, Any] | None, prediction: Prediction) -> int:
    """The chosen class, if it was chosen for this input and model; else the predicted one."""
    chosen = (target or {}).get("target")
    same = target is not None and target.get("input") == prediction.input and target.get("model") in {None, prediction.model}
    return chosen if same and isinstance(chosen, int) and any(score.index == chosen for score in prediction.classes) else prediction.top


def _register_prediction(app: Dash, client: Client) -> None:
    busy = [
        (Output("prediction-card", "aria-busy"), "true", "false"),
        (Output("panels", "aria-busy"), "true", "false"),
    ]

    @app.callback(
        Output("answer-store", "data"),
        Output("prediction-card", "children"),
        Input("subject-store", "data"),
        State("target-store", "data"),
        State("input-store", "data"),
        running=busy,
    )
    async def predict(subject: dict[str, Any] | None, target: dict[str, Any] | None, data: dict[str, Any] | None) -> Any:
        if not subject or not data:
            return None, common.skeleton(3)
        try:
            prediction, fits, model, samples = await asyncio.gather(
                client.predict(PredictionRequest(**subject)),
                client.fits(subject["model"]),
                client.model(subject["model"]),
                client.samples(),
            )
        except ApiProblem as refusal:
            return None, common.problem(refusal)
        value = EvidentInput.model_validate(data)
        sample = sample_of(samples, value, model)
        answer = {
            "subject": subject,
            "prediction": prediction.model_dump(mode="json"),
            "fits": {key: fit.model_dump() for key, fit in fits.items()},
            "known": known_evidence(sample),
        }
        drawn = prediction_card.prediction_view(prediction, target_of(target, prediction), model, sample, value)
        return answer, drawn


def sample_of(samples: list[Sample], value: EvidentInput, model: ModelInfo) -> Sample | None:
    """What is known is known about a sample *with its model*; with another model it would be a false promise."""
    return next((sample for sample in samples if sample.input == value.id and sample.model == model.key), None)


def known_evidence(sample: Sample | None) -> dict[str, str] | None:
    """What the browser asks the API about: the sample, input and model whose evidence is known."""
    if sample is None or not any(sample.evidence.values()):
        return None
    return {"sample": sample.key, "input": sample.input, "model": sample.model}
