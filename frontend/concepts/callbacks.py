"""The Concepts page at work: choosing, running, showing, making."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import (
    Catalogue,
    Concept,
    ConceptAnalysisRequest,
    ModelInfo,
    Prediction,
    PredictionRequest,
)
from frontend.client import ApiProblem, Client, href
from frontend.concepts import address as concept_link
from frontend.concepts import page, parts
from frontend.concepts.address import Link
from frontend.ui import common

LIBRARY = (
    Output("concept-library", "children", allow_duplicate=True),
    Output("concept-negatives", "data", allow_duplicate=True),
)
TICKS = (
    State({"type": "concept-tick", "ref": ALL}, "checked"),
    State({"type": "concept-tick", "ref": ALL}, "id"),
)


def register(app: Dash, client: Client) -> None:
    """Loading, choosing, running, showing, making."""
    _register_choice(app, client)
    _register_link(app)
    _register_run(app, client)
    _register_library(app, client)
    _register_examples(app, client)


def _register_choice(app: Dash, client: Client) -> None:
    @app.callback(
        Output("concepts-body", "children"),
        Output("concept-model-store", "data"),
        Output("concept-inputs", "data", allow_duplicate=True),
        Output("concept-job-store", "data", allow_duplicate=True),
        Output("concept-ended-store", "data"),
        Input("concept-query", "data"),
        prevent_initial_call="initial_duplicate",
    )
    async def load(query: dict[str, str]) -> Any:
        try:
            catalogue, concepts, samples, limits = await asyncio.gather(
                client.catalogue(), client.concepts(), client.samples(), client.limits()
            )
            model, link = await _opened(client, query, concepts, catalogue)
        except ApiProblem as refusal:
            return common.card("Concepts", common.problem(refusal)), None, no_update, no_update, no_update
        body = page.body(catalogue, concepts, samples, limits, model, link)
        # A finished analysis is shown at once; one that still runs is followed by the bar, which tells its
        # end.
        job, ended = (
            {"id": link.analysis} if link.analysis else None,
            {"id": link.analysis, "state": "done"} if link.done else None,
        )
        return body, model.key, [{"input": key} for key in link.inputs or ()], job, ended

    @app.callback(
        Output("concept-library", "children"),
        Output("concept-negatives", "data"),
        Output("concept-class", "data"),
        Output("concept-class", "value"),
        Output("concept-layers", "data"),
        Output("concept-layers", "value"),
        Output("concept-sample", "data"),
        Output("concept-model-store", "data", allow_duplicate=True),
        Input("concept-model", "value"),
        State("concept-model-store", "data"),
        prevent_initial_call=True,
    )
    async def switch(key: str, present: str | None) -> Any:
        if key == present:  # the select has just been drawn
            raise PreventUpdate
        try:
            model, concepts, samples = await asyncio.gather(
                client.model(key), client.concepts(), client.samples()
            )
        except ApiProblem:
            raise PreventUpdate from None
        mine = page.fitting(concepts, model)
        return (
            parts.library(mine, page.first_concepts(concepts, model)),
            page.negatives(concepts, model),
            page.class_options(model),
            "",
            page.layer_options(model),
            page.first_layers(model),
            page.sample_options(samples, model),
            key,
        )

    @app.callback(
        Output("concept-inputs", "data", allow_duplicate=True),
        Output("concept-sample", "value"),
        Input("concept-input-store", "data"),
        Input("concept-sample", "value"),
        State("concept-inputs", "data"),
        prevent_initial_call=True,
    )
    async def add(sent: dict[str, Any] | None, sample: str | None, inputs: list[dict[str, Any]]) -> Any:
        key = sample if ctx.triggered_id == "concept-sample" else (sent or {}).get("id")
        if not key or any(one["input"] == key for one in inputs):
            raise PreventUpdate
        return [*inputs, {"input": key}], None

    @app.callback(
        Output("concept-inputs-view", "children"),
        Output("concept-inputs", "data", allow_duplicate=True),
        Output("concept-problem", "children", allow_duplicate=True),
        Output("concept-maker", "data-display"),
        Output("concept-maker", "data-axes"),
        Output("concept-maker", "data-input"),
        Input("concept-inputs", "data"),
        Input("concept-model-store", "data"),
        Input("concept-shown-store", "data"),
        prevent_initial_call=True,
    )
    async def show_inputs(
        inputs: list[dict[str, Any]], model: str | None, shown: dict[str, Any] | None
    ) -> Any:
        if not model:
            raise PreventUpdate
        asked = (client.predict(PredictionRequest(input=one["input"], model=model)) for one in inputs)
        found, refusal = _answered(await asyncio.gather(*asked, return_exceptions=True))
        words = common.problem(refusal) if refusal else None
        if not found:
            return (
                common.note("No input yet: add a file or a sample."),
                no_update if refusal is None else [],
                words,
                None,
                None,
                None,
            )
        number = min((shown or {}).get("input", 0), len(found) - 1)
        drawn = [{"input": one.input, "display": one.display} for one in found]
        first = found[number]
        axes = f'{{"x_axis": {first.x_axis.model_dump_json()}, "y_axis": {first.y_axis.model_dump_json()}}}'
        kept: Any = no_update if refusal is None else [{"input": one.input} for one in found]
        return page.thumbs(drawn, number), kept, words, href(first.display), axes, first.input


def _register_link(app: Dash) -> None:
    """The address follows the choices, in the browser."""
    app.clientside_callback(
        ClientsideFunction("evident", "conceptsLink"),
        Output("concept-address", "data"),
        Input("concept-model-store", "data"),
        Input("concept-inputs", "data"),
        Input("concept-layers", "value"),
        Input("concept-class", "value"),
        Input("concept-negatives", "value"),
        Input("concept-shown-store", "data"),
        Input("concept-job-store", "data"),
        Input({"type": "concept-tick", "ref": ALL}, "checked"),
        State({"type": "concept-tick", "ref": ALL}, "id"),
        prevent_initial_call=True,
    )


def _register_run(app: Dash, client: Client) -> None:
    @app.callback(
        Output("concept-job-store", "data"),
        Output("concept-bar", "data-path"),
        Output("concept-bar", "data-press"),
        Output("concept-problem", "children", allow_duplicate=True),
        Output("concept-lost", "children"),
        Input("concept-run", "n_clicks"),
        State("concept-model", "value"),
        State("concept-inputs", "data"),
        *TICKS,
        State("concept-layers", "value"),
        State("concept-class", "value"),
        State("concept-negatives", "value"),
        prevent_initial_call=True,
    )
    async def run(
        clicks: int,
        model: str,
        inputs: list[dict[str, Any]],
        ticks: list[bool],
        ids: list[dict[str, str]],
        layers: list[str],
        target: str,
        against: str,
    ) -> Any:
        chosen = _ticked(ticks, ids)
        missing = (
            "an input" if not inputs else "a concept" if not chosen else "a layer" if not layers else None
        )
        if not clicks or missing:
            text = f"Choose {missing} first." if missing else ""
            return (
                no_update,
                no_update,
                no_update,
                common.note(text, "warning") if text else no_update,
                no_update,
            )
        request = ConceptAnalysisRequest(
            model=model,
            inputs=[one["input"] for one in inputs],
            concepts=chosen,
            layers=layers,
            classes=None if target == "" else [int(target)],
            negatives=against,
        )
        try:
            job = await client.analyse(request)
        except ApiProblem as refusal:
            return no_update, no_update, no_update, common.problem(refusal), no_update
        # The number of the press changes with every run, so that a finished analysis is shown again too.
        return {"id": job.id}, page.analysis_path(job.id), clicks, None, None

    @app.callback(
        Output("concept-table", "children"),
        Output("concept-overall", "children"),
        Output("concept-result-store", "data"),
        Input("concept-ended-store", "data"),
        Input("concept-shown-store", "data"),
        State("concept-model", "value"),
        prevent_initial_call=True,
    )
    async def show(ended: dict[str, Any] | None, shown: dict[str, Any] | None, model: str) -> Any:
        if not ended or ended["state"] != "done":
            raise PreventUpdate
        try:
            job, concepts = await asyncio.gather(client.analysis(ended["id"]), client.concepts())
            if job.result is None:
                raise PreventUpdate
            number = min((shown or {}).get("input", 0), len(job.result.inputs) - 1)
            prediction = await _still_there(client, job.result.inputs[number], job.request.model)
        except ApiProblem as refusal:
            return common.problem(refusal), no_update, no_update
        by_ref = {concept.ref: concept for concept in concepts}
        table = parts.table(job.result, job.id, number, prediction, by_ref)
        return [table, page.export(job.id)], page.overall(job.result), {"id": job.id}

    @app.callback(
        Output("concept-shown-store", "data"),
        Input({"type": "concept-pick", "index": ALL}, "n_clicks"),
        State("concept-shown-store", "data"),
        prevent_initial_call=True,
    )
    async def pick(_clicks: list[int], shown: dict[str, Any] | None) -> Any:
        number = _pressed()
        return {**(shown or {}), "input": number}


def _register_library(app: Dash, client: Client) -> None:
    @app.callback(
        Output("concept-detail", "children"),
        Output("concept-open", "data"),
        Input("concept-result-store", "data"),
        prevent_initial_call=True,
    )
    async def first(stored: dict[str, Any] | None) -> Any:
        return await detail(stored, None)

    @app.callback(
        Output("concept-detail", "children", allow_duplicate=True),
        Output("concept-open", "data", allow_duplicate=True),
        Input({"type": "concept-show", "id": ALL}, "n_clicks"),
        State("concept-result-store", "data"),
        prevent_initial_call=True,
    )
    async def chosen(_clicks: list[int], stored: dict[str, Any] | None) -> Any:
        return await detail(stored, _pressed("id"))

    async def detail(stored: dict[str, Any] | None, picked: str | None) -> Any:
        """The picked concept, or the first one that the result is about."""
        try:
            concepts = await client.concepts()
            job = await client.analysis(stored["id"]) if stored else None
        except ApiProblem as refusal:
            return common.problem(refusal), no_update
        result = job.result if job else None
        if picked is None and result:
            by_ref = {one.ref: one.id for one in concepts}
            picked = next((by_ref[ref] for ref in result.plan.concepts if ref in by_ref), None)
        concept = next((one for one in concepts if one.id == picked), None)
        if concept is None:
            raise PreventUpdate
        return parts.detail(concept, result), concept.id

    @app.callback(
        Output("concept-drawer", "opened"),
        Output("concept-maker", "data-concept"),
        Output("concept-maker", "data-name"),
        Input("concept-new", "n_clicks"),
        prevent_initial_call=True,
    )
    async def make(clicks: int) -> Any:
        return bool(clicks), None, None

    @app.callback(
        Output("concept-drawer", "opened", allow_duplicate=True),
        Output("concept-maker", "data-concept", allow_duplicate=True),
        Output("concept-maker", "data-name", allow_duplicate=True),
        Input("concept-extend", "n_clicks"),
        State("concept-open", "data"),
        State("concept-rename", "value"),
        prevent_initial_call=True,
    )
    async def extend(clicks: int, open: str, name: str) -> Any:
        if not clicks:
            raise PreventUpdate
        return True, open, name

    @app.callback(
        *LIBRARY,
        Output("concept-drawer", "opened", allow_duplicate=True),
        Input("concept-made-store", "data"),
        State("concept-model", "value"),
        *TICKS,
        prevent_initial_call=True,
    )
    async def made(
        concept: dict[str, Any] | None, key: str, ticks: list[bool], ids: list[dict[str, str]]
    ) -> Any:
        if not concept:
            raise PreventUpdate
        chosen = _ticked(ticks, ids)
        library, options = await _redrawn(client, key, [*chosen, concept["ref"]])
        return library, options, False

    @app.callback(
        *LIBRARY,
        Output("concept-detail", "children", allow_duplicate=True),
        Input("concept-rename-go", "n_clicks"),
        Input("concept-delete", "n_clicks"),
        State("concept-open", "data"),
        State("concept-rename", "value"),
        State("concept-model", "value"),
        prevent_initial_call=True,
    )
    async def change(_rename: int, _delete: int, open: str, name: str, key: str) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        try:
            if ctx.triggered_id == "concept-delete":
                await client.delete_concept(open)
            else:
                await client.change_concept(open, name)
        except ApiProblem as refusal:
            return no_update, no_update, common.problem(refusal)
        library, options = await _redrawn(client, key, [])
        return library, options, None


def _register_examples(app: Dash, client: Client) -> None:
    @app.callback(
        *LIBRARY,
        Output("concept-detail", "children", allow_duplicate=True),
        Input({"type": "concept-drop", "index": ALL}, "n_clicks"),
        State("concept-open", "data"),
        State("concept-model", "value"),
        prevent_initial_call=True,
    )
    async def take_out(_clicks: list[int], open: str, key: str) -> Any:
        number = _pressed()
        try:
            concept = await client.change_concept(open, remove=[number])
        except ApiProblem as refusal:
            return no_update, no_update, common.problem(refusal)
        library, options = await _redrawn(client, key, [concept.ref])
        return library, options, parts.detail(concept, None)


def _ticked(ticks: list[bool], ids: list[dict[str, str]]) -> list[str]:
    """References of the ticked concepts; for TICKS."""
    return [id["ref"] for id, on in zip(ids, ticks, strict=True) if on]


def _pressed(part: str = "index") -> Any:
    """Which button of a list was pressed: its number, or another part of its id. Raises PreventUpdate when
    the buttons have only just been drawn."""
    if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(ctx.triggered_id, dict):
        raise PreventUpdate
    return ctx.triggered_id[part]


async def _opened(
    client: Client, query: dict[str, str], concepts: list[Concept], catalogue: Catalogue
) -> tuple[ModelInfo, Link]:
    """What the address asks for and is still there. Raises ApiProblem when the API does not answer."""
    link, listed = concept_link.read(query), page.models_of(catalogue)
    if link.analysis:
        try:
            link = link.filled(await client.analysis(link.analysis))
        except ApiProblem as refusal:
            _must_be_gone(refusal)
            link = link.without("the analysis (deleted)", analysis=None)
    model = next((one for one in listed if one.key == link.model), None)
    if model is None and link.model:
        try:
            model = await client.model(link.model)
        except ApiProblem as refusal:
            _must_be_gone(refusal)
            link = link.without("the model", layers=None, target=None)
    model = model or listed[0]
    return model, link.fitted(model, concepts)


async def _still_there(client: Client, input: str, model: str) -> Prediction | None:
    """None once an input was deleted: an analysis keeps its numbers."""
    try:
        return await client.predict(PredictionRequest(input=input, model=model))
    except ApiProblem as refusal:
        _must_be_gone(refusal)
        return None


def _answered(answers: list[Prediction | BaseException]) -> tuple[list[Prediction], ApiProblem | None]:
    """What came, and the first refusal (an input that was deleted, or that this model does not take)."""
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ApiProblem):
            raise answer
    refusals = [answer for answer in answers if isinstance(answer, ApiProblem)]
    return [answer for answer in answers if not isinstance(answer, BaseException)], refusals[
        0
    ] if refusals else None


def _must_be_gone(refusal: ApiProblem) -> None:
    """A dead link is told from an API that is busy or silent."""
    if refusal.problem.status != 404:
        raise refusal


async def _redrawn(client: Client, key: str, chosen: list[str]) -> tuple[Any, Any]:
    try:
        model, concepts = await asyncio.gather(client.model(key), client.concepts())
    except ApiProblem as refusal:
        return common.problem(refusal), no_update
    return parts.library(page.fitting(concepts, model), chosen), page.negatives(concepts, model)
