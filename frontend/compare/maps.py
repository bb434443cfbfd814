"""From a prediction to maps: which methods run, with which parameters, and the panels that follow them."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import Catalogue, ExplanationRequest, Fit, MethodInfo, ModelInfo, Prediction
from frontend.client import ApiProblem, Client
from frontend.compare import methods_card, panels, side
from frontend.compare.subject import target_of
from frontend.ui import common, forms

CHEAP = 2.0
"""Seconds below which a ticked method starts by itself on a new input."""

Runs = dict[str, Any]


def register(app: Dash, client: Client) -> None:
    """Layer list, method rows, runs, panels, downloads."""
    _register_lists(app, client)
    _register_run(app, client)

    @app.callback(
        Output("panels", "children"),
        Input("runs-store", "data"),
        Input("methods", "value"),
        Input("answer-store", "data"),
        State("params-store", "data"),
    )
    async def draw(runs: Runs | None, ticked: list[str] | None, answer: dict[str, Any] | None, params: dict[str, Any] | None) -> Any:
        if not answer:
            return []
        try:
            catalogue = await client.catalogue()
        except ApiProblem as refusal:
            return [common.problem(refusal)]
        shown = [method for method in catalogue.methods if method.key in set(ticked or ())]
        known = runs["runs"] if runs and runs.get("subject") == answer["subject"] else {}
        fits = read_fits(answer)
        shown = [method for method in shown if method.key not in fits or fits[method.key].ok]
        return panels.panels(shown, fits, known, params or {}, Prediction.model_validate(answer["prediction"]))

    @app.callback(Output("downloads", "children"), Input("panel-store", "data"), Input("runs-store", "data"))
    async def list_downloads(_panel: Any, runs: Runs | None) -> Any:
        posted = {key: run for key, run in ((runs or {}).get("runs") or {}).items() if "id" in run}
        try:
            catalogue = await client.catalogue()
            states = await asyncio.gather(*(client.explanation(run["id"]) for run in posted.values()))
        except ApiProblem:
            return no_update
        return side.downloads(catalogue.methods, posted, {key: found.state for key, found in zip(posted, states, strict=True)})


def _register_lists(app: Dash, client: Client) -> None:
    @app.callback(
        Output("methods-list", "children"), Input("answer-store", "data"), Input("params-store", "data"), prevent_initial_call=True
    )
    async def list_methods(answer: dict[str, Any] | None, params: dict[str, Any] | None) -> Any:
        try:
            return methods_card.method_rows((await client.catalogue()).methods, read_fits(answer), params or {})
        except ApiProblem as refusal:
            return common.problem(refusal)

    @app.callback(
        Output("layer-select", "data"),
        Output("layer-select", "value"),
        Input("subject-store", "data"),
        State("layer-select", "value"),
        State("wish-store", "data"),
    )
    async def list_layers(subject: dict[str, Any] | None, layer: str | None, wish: dict[str, Any] | None) -> Any:
        if not subject:
            return no_update
        try:
            model = await client.model(subject["model"])
        except ApiProblem:
            return no_update
        return methods_card.layer_options(model.layers), layer_of(model, layer, (wish or {}).get("layer"))


def layer_of(model: ModelInfo, *wishes: str | None) -> str | None:
    """The first wish that the model has, else its default layer."""
    names = {layer.name for layer in model.layers}
    return next((wish for wish in wishes if wish in names), model.default_layer)


def _register_run(app: Dash, client: Client) -> None:
    form = [
        State("methods", "value"),
        State("params-store", "data"),
        State("layer-select", "value"),
        State("wish-store", "data"),
        State("seed", "value"),
        State("target-store", "data"),
        State("runs-store", "data"),
        State({"type": "param", "method": ALL, "name": ALL}, "value"),
        State({"type": "flag", "method": ALL, "name": ALL}, "checked"),
    ]
    running = [(Output("run", "loading"), True, False)]

    @app.callback(
        Output("runs-store", "data"),
        Output("run-problem", "children"),
        Input("answer-store", "data"),
        Input("run", "n_clicks"),
        *form,
        running=running,
    )
    async def run(answer: dict[str, Any] | None, _run: int | None, *given: Any) -> Any:
        if not answer:
            return (no_update, no_update) if ctx.triggered_id is None else ({"subject": None, "runs": {}, "all": False}, None)
        return await started(answer, ctx.triggered_id, *given)

    # A callback of its own: its buttons come and go with the panels and the drawer, and each arrival
    # would start `run` again and throw away the answer to a run that is still being posted.
    @app.callback(
        Output("runs-store", "data", allow_duplicate=True),
        Output("run-problem", "children", allow_duplicate=True),
        Input({"type": "run-one", "method": ALL}, "n_clicks"),
        State("answer-store", "data"),
        *form,
        running=running,
        prevent_initial_call=True,
    )
    async def run_one(_clicks: list[int], answer: dict[str, Any] | None, *given: Any) -> Any:
        if not answer or not isinstance(ctx.triggered_id, dict) or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        return await started(answer, ctx.triggered_id, *given)

    async def started(
        answer: dict[str, Any],
        trigger: Any,
        ticked: list[str] | None,
        params: dict[str, Any] | None,
        layer: str | None,
        wish: dict[str, Any] | None,
        seed: Any,
        target: dict[str, Any] | None,
        runs: Runs | None,
        _values: list[Any],
        _flags: list[bool],
    ) -> Any:
        runs = runs or {"subject": None, "runs": {}, "all": False}
        try:
            catalogue, model = await asyncio.gather(client.catalogue(), client.model(answer["subject"]["model"]))
        except ApiProblem as refusal:
            return no_update, common.problem(refusal)
        chosen = wanted(catalogue, read_fits(answer), ticked or [], trigger, everything=bool(runs.get("all")))
        prediction = Prediction.model_validate(answer["prediction"])
        common_part = {
            **answer["subject"],
            "target": target_of(target, prediction),
            "seed": seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**31 else 0,
        }
        layer = layer_of(model, (wish or {}).get("layer") if runs.get("subject") is None else None, layer)
        # The open form speaks for itself: its last change may still be on its way to the store.
        values = {**(params or {}), **forms.given([part for group in ctx.states_list[-2:] for part in group])}
        # One after the other, so that the cheapest is also first in the queue.
        posted = [await post(client, method, common_part, layer, read_fits(answer), values) for method in chosen]
        known = runs["runs"] if runs.get("subject") == answer["subject"] else {}
        merged = {**known, **{method.key: done for method, done in zip(chosen, posted, strict=True)}}
        return {"subject": answer["subject"], "runs": merged, "all": False}, None


def read_fits(answer: dict[str, Any] | None) -> dict[str, Fit]:
    return {key: Fit.model_validate(fit) for key, fit in (answer or {}).get("fits", {}).items()}


def wanted(catalogue: Catalogue, fits: dict[str, Fit], ticked: list[str], trigger: Any, everything: bool) -> list[MethodInfo]:
    """Which methods start now, the cheapest first: the one asked for; all ticked ones on Run or on opening a link; the cheap ones on a new input."""
    fitting = sorted(methods_card.fitting(catalogue, fits), key=lambda method: _seconds(method, fits.get(method.key)))
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
    client: Client, method: MethodInfo, part: dict[str, Any], layer: str | None, fits: dict[str, Fit], params: dict[str, Any]
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
