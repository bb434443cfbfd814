"""From a prediction to maps: which methods run, with which parameters, and the panels that follow them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dash import ALL, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import (
    Catalogue,
    EvaluationAdvice,
    ExplanationRequest,
    Fit,
    MethodInfo,
    ModelInfo,
    Prediction,
)
from frontend.client import ApiProblem, Client
from frontend.compare import methods_card, panels, side
from frontend.compare.subject import target_of
from frontend.ui import common, forms
from frontend.wiring import Trigger, wire

CHEAP = 2.0
"""Seconds below which a ticked method starts by itself on a new input."""

Runs = dict[str, Any]
NO_RUNS: Runs = {"subject": None, "runs": {}, "all": False, "clicks": 0}
"""What was posted for which subject. all: a link asks for every ticked method. clicks: presses of Run that are answered."""

FORM = {
    "ticked": State("methods", "value"),
    "params": State("params-store", "data"),
    "layer": State("layer-select", "value"),
    "wish": State("wish-store", "data"),
    "seed": State("seed", "value"),
    "target": State("target-store", "data"),
    "runs": State("runs-store", "data"),
    "fields": State({"type": "param", "method": ALL, "name": ALL}, "id"),
    "values": State({"type": "param", "method": ALL, "name": ALL}, "value"),
    "flags": State({"type": "flag", "method": ALL, "name": ALL}, "id"),
    "checks": State({"type": "flag", "method": ALL, "name": ALL}, "checked"),
}
"""What the page says about how to run."""


def register(app: Dash, client: Client) -> None:
    """Layer list, method rows, runs, panels, downloads."""
    wire(
        app,
        client,
        list_methods,
        output={"rows": Output("methods-list", "children"), "of": Output("methods-list", "data-of")},
        prevent_initial_call=True,
        inputs={"answer": Input("answer-store", "data"), "params": Input("params-store", "data")},
        state={"ticked": State("methods", "value"), "listed": State("methods-list", "data-of")},
    )
    wire(
        app,
        client,
        list_layers,
        output={"data": Output("layer-select", "data"), "value": Output("layer-select", "value")},
        inputs={"subject": Input("subject-store", "data")},
        state={"layer": State("layer-select", "value"), "wish": State("wish-store", "data")},
    )
    wire(
        app,
        client,
        renew_costs,
        prevent_initial_call=True,
        output={
            "rows": Output({"type": "cost-row", "method": ALL}, "children"),
            "offers": Output({"type": "cost-offer", "method": ALL}, "children"),
        },
        inputs={"ended": Input("panel-store", "data")},
        state={
            "answer": State("answer-store", "data"),
            "params": State("params-store", "data"),
            "rows": State({"type": "cost-row", "method": ALL}, "id"),
            "offers": State({"type": "cost-offer", "method": ALL}, "id"),
        },
    )
    running = [(Output("run", "loading"), True, False)]
    wire(
        app,
        client,
        run,
        output={"runs": Output("runs-store", "data"), "problem": Output("run-problem", "children")},
        inputs={"answer": Input("answer-store", "data"), "clicks": Input("run", "n_clicks")},
        state=FORM,
        running=running,
    )
    # A callback of its own: its buttons come and go with the panels and the drawer, and each arrival
    # would start `run` again and throw away the answer to a run that is still being posted.
    wire(
        app,
        client,
        run_one,
        running=running,
        prevent_initial_call=True,
        output={
            "runs": Output("runs-store", "data", allow_duplicate=True),
            "problem": Output("run-problem", "children", allow_duplicate=True),
        },
        inputs={"clicks": Input({"type": "run-one", "method": ALL}, "n_clicks")},
        state={"answer": State("answer-store", "data"), **FORM},
    )
    wire(
        app,
        client,
        draw,
        output=Output("panels", "children"),
        inputs={
            "runs": Input("runs-store", "data"),
            "ticked": Input("methods", "value"),
            "answer": Input("answer-store", "data"),
        },
        state={"params": State("params-store", "data")},
    )
    wire(
        app,
        client,
        list_downloads,
        output=Output("downloads", "children"),
        inputs={"ended": Input("panel-store", "data"), "runs": Input("runs-store", "data")},
    )


async def list_methods(
    client: Client,
    answer: dict[str, Any] | None,
    params: dict[str, Any] | None,
    ticked: list[str] | None,
    listed: str | None,
) -> dict[str, Any]:
    """The rows to tick. Those that are there stay while they are right: what is open or in focus stays with them."""
    model = answer["subject"]["model"] if answer else None
    advice = await advice_on(client, model) if model else None
    of = methods_card.listed_for(model, params or {}, advice)
    if of == listed:
        raise PreventUpdate
    try:
        catalogue, fits = await asyncio.gather(client.catalogue(), fits_now(client, answer))
    except ApiProblem as refusal:
        return {"rows": common.problem(refusal), "of": ""}
    rows = methods_card.method_rows(catalogue.methods, fits, params or {}, ticked or [], advice)
    return {"rows": rows, "of": of}


async def renew_costs(
    client: Client,
    ended: Any,
    answer: dict[str, Any] | None,
    params: dict[str, Any] | None,
    rows: list[dict[str, str]],
    offers: list[dict[str, str]],
) -> dict[str, list[str]]:
    """The expected seconds, after a run whose own are known now. Only the words change: what is open or in
    focus stays. ended: the panel that finished last."""
    if not answer or not ended:
        raise PreventUpdate
    try:
        catalogue, fits = await asyncio.gather(client.catalogue(), fits_now(client, answer))
    except ApiProblem:
        raise PreventUpdate from None
    methods = {method.key: method for method in catalogue.methods}

    def said(say: Callable[..., str], places: list[dict[str, str]]) -> list[str]:
        keys = [place["method"] for place in places]
        return [say(methods[key], fits.get(key), (params or {}).get(key, {})) for key in keys]

    return {"rows": said(methods_card.cost, rows), "offers": said(panels.price, offers)}


async def list_layers(
    client: Client, subject: dict[str, Any] | None, layer: str | None, wish: dict[str, Any] | None
) -> Any:
    """The model's layers, and which is chosen."""
    if not subject:
        raise PreventUpdate
    try:
        model = await client.model(subject["model"])
    except ApiProblem:
        raise PreventUpdate from None
    return {
        "data": methods_card.layer_options(model.layers),
        "value": layer_of(model, layer, (wish or {}).get("layer")),
    }


def layer_of(model: ModelInfo, *wishes: str | None) -> str | None:
    """The first wish that the model has, else its default layer."""
    names = {layer.name for layer in model.layers}
    return next((wish for wish in wishes if wish in names), model.default_layer)


async def run(
    client: Client, answer: dict[str, Any] | None, clicks: int | None, trigger: Trigger, **form: Any
) -> dict[str, Any]:
    """What starts by itself with a new prediction, and what Run starts."""
    if answer:
        return await start(client, answer, trigger, clicks=clicks or 0, **form)
    if trigger.id is None:
        raise PreventUpdate
    return {"runs": {**NO_RUNS, "clicks": clicks or 0}, "problem": None}


async def run_one(
    client: Client, answer: dict[str, Any] | None, clicks: list[int], trigger: Trigger, **form: Any
) -> dict[str, Any]:
    """One panel's own button."""
    if not answer or not trigger.pressed:
        raise PreventUpdate
    return await start(client, answer, trigger, **form)


async def start(
    client: Client,
    answer: dict[str, Any],
    trigger: Trigger,
    *,
    clicks: int | None = None,
    ticked: list[str] | None,
    params: dict[str, Any] | None,
    layer: str | None,
    wish: dict[str, Any] | None,
    seed: Any,
    target: dict[str, Any] | None,
    runs: Runs | None,
    fields: list[dict[str, str]],
    values: list[Any],
    flags: list[dict[str, str]],
    checks: list[bool],
) -> dict[str, Any]:
    """Posts the wanted methods, the cheapest first; what already runs for this prediction stays.

    clicks: of Run. When the prediction is told more while a press is being answered, Dash drops that answer for the
    newer one: a press that nothing answered yet counts for it.
    """
    runs = runs or NO_RUNS
    answered = runs.get("clicks", 0)
    pressed = (clicks or 0) > answered and runs.get("subject") in (None, answer["subject"])
    try:
        catalogue, model, fits = await asyncio.gather(
            client.catalogue(), client.model(answer["subject"]["model"]), fits_now(client, answer)
        )
    except ApiProblem as refusal:
        return {"runs": no_update, "problem": common.problem(refusal)}
    chosen = wanted(catalogue, fits, ticked or [], trigger.id, everything=pressed or bool(runs.get("all")))
    prediction = Prediction.model_validate(answer["prediction"])
    part = {
        **answer["subject"],
        "target": target_of(target, prediction, len(model.labels)),
        "seed": seed_of(seed),
    }
    layer = layer_of(model, (wish or {}).get("layer") if runs.get("subject") is None else None, layer)
    # The open form speaks for itself: its last change may still be on its way to the store.
    settings = {**(params or {}), **forms.read_controls([*fields, *flags], [*values, *checks])}
    # One after the other, so that the cheapest is also first in the queue.
    posted = [await post(client, method, part, layer, fits, settings) for method in chosen]
    known = runs["runs"] if runs.get("subject") == answer["subject"] else {}
    merged = {**known, **{method.key: sent for method, sent in zip(chosen, posted, strict=True)}}
    told = {
        "subject": answer["subject"],
        "runs": merged,
        "all": False,
        "clicks": answered if clicks is None else clicks,
    }
    return {"runs": told, "problem": None}


def seed_of(value: Any) -> int:
    """The seed field's number; 0 while it holds none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else 0


async def draw(
    client: Client,
    runs: Runs | None,
    ticked: list[str] | None,
    answer: dict[str, Any] | None,
    params: dict[str, Any] | None,
) -> Any:
    """One panel per ticked method that fits."""
    if not answer:
        return []
    try:
        catalogue, fits = await asyncio.gather(client.catalogue(), fits_now(client, answer))
    except ApiProblem as refusal:
        return [common.problem(refusal)]
    methods = shown(catalogue, fits, ticked)
    known = runs["runs"] if runs and runs.get("subject") == answer["subject"] else {}
    return panels.panels(methods, fits, known, params or {}, Prediction.model_validate(answer["prediction"]))


def shown(catalogue: Catalogue, fits: dict[str, Fit], ticked: list[str] | None) -> list[MethodInfo]:
    """Methods with a panel: ticked ones that fit."""
    return [method for method in methods_card.fitting(catalogue, fits) if method.key in set(ticked or ())]


async def list_downloads(client: Client, ended: Any, runs: Runs | None) -> Any:
    """What can be saved now. ended: the panel that finished last."""
    posted = {key: run for key, run in ((runs or {}).get("runs") or {}).items() if "id" in run}
    try:
        catalogue = await client.catalogue()
        states = await asyncio.gather(*(client.explanation(run["id"]) for run in posted.values()))
    except ApiProblem:
        raise PreventUpdate from None
    return side.downloads(
        catalogue.methods,
        posted,
        {key: explanation.state for key, explanation in zip(posted, states, strict=True)},
    )


def read_fits(answer: dict[str, Any] | None) -> dict[str, Fit]:
    return {key: Fit.model_validate(fit) for key, fit in (answer or {}).get("fits", {}).items()}


async def advice_on(client: Client, model: str) -> EvaluationAdvice | None:
    """What a study of this network says about the methods, if there is one."""
    try:
        return await client.advice(model)
    except ApiProblem:
        return None


async def fits_now(client: Client, answer: dict[str, Any] | None) -> dict[str, Fit]:
    """The fits with the seconds of the last runs; those that came with the prediction while the server does not
    answer."""
    try:
        return await client.fits(answer["subject"]["model"]) if answer else {}
    except ApiProblem:
        return read_fits(answer)


def wanted(
    catalogue: Catalogue, fits: dict[str, Fit], ticked: list[str], trigger: Any, everything: bool
) -> list[MethodInfo]:
    """Which methods start now, the cheapest first: the one asked for; all ticked ones on Run or on opening
    a link; the cheap ones on a new input."""
    fitting = sorted(
        methods_card.fitting(catalogue, fits), key=lambda method: _seconds(method, fits.get(method.key))
    )
    if isinstance(trigger, dict):
        return [method for method in fitting if method.key == trigger["method"].removeprefix("drawer:")]
    chosen = [method for method in fitting if method.key in ticked]
    if trigger == "run" or everything:
        return chosen
    return [method for method in chosen if is_cheap(method, fits.get(method.key))]


def _seconds(method: MethodInfo, fit: Fit | None) -> float:
    """Expected cost to sort by; what was never measured comes last if it asks the model hundreds of times."""
    if fit is not None and fit.seconds is not None:
        return fit.seconds
    return CHEAP if is_cheap(method, fit) else 1000.0


def is_cheap(method: MethodInfo, fit: Fit | None) -> bool:
    """Measured below the limit; unmeasured, anything but the methods that ask the model hundreds of times."""
    if fit is None or fit.seconds is None:
        return method.family != "perturbation"
    return fit.seconds < CHEAP


async def post(
    client: Client,
    method: MethodInfo,
    part: dict[str, Any],
    layer: str | None,
    fits: dict[str, Fit],
    params: dict[str, Any],
) -> dict[str, Any]:
    """Ask for one map; a refusal stays in its own panel."""
    fit = fits.get(method.key)
    sent = forms.clean(method.schema_, fit.defaults if fit else None, params.get(method.key, {}))
    body = {**part, "method": method.key, "layer": layer if method.uses_layer else None, "params": sent}
    try:
        explanation = await client.explain(ExplanationRequest(**body))
    except ApiProblem as refusal:
        return {"problem": refusal.problem.model_dump(), "request": body, "title": method.title}
    return {"id": explanation.id, "request": body, "title": method.title}
