"""From the choices to an analysis, and from a finished analysis to its table and pictures."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import ConceptAnalysisRequest, Prediction, PredictionRequest
from frontend.client import ApiProblem, Client
from frontend.concepts import charts, findings, maps_table, page
from frontend.concepts.choice import Inputs
from frontend.concepts.library import TICKS, ticked
from frontend.ui import common
from frontend.wiring import wire


def register(app: Dash, client: Client) -> None:
    """Run, and what a finished analysis shows."""
    wire(
        app,
        client,
        run,
        prevent_initial_call=True,
        output={
            "job": Output("concept-job-store", "data"),
            "path": Output("concept-bar", "data-path"),
            "press": Output("concept-bar", "data-press"),
            "names": Output("concept-bar", "data-names"),
            "problem": Output("concept-problem", "children", allow_duplicate=True),
            "lost": Output("concept-lost", "children"),
        },
        inputs={"clicks": Input("concept-run", "n_clicks")},
        state={
            "model": State("concept-model", "value"),
            "inputs": State("concept-inputs", "data"),
            "layers": State("concept-layers", "value"),
            "target": State("concept-class", "value"),
            "negatives": State("concept-negatives", "value"),
            **TICKS,
        },
    )
    wire(
        app,
        client,
        show,
        prevent_initial_call=True,
        output={
            "table": Output("concept-table", "children"),
            "overall": Output("concept-overall", "children"),
            "result": Output("concept-result-store", "data"),
        },
        inputs={
            "ended": Input("concept-ended-store", "data"),
            "shown": Input("concept-shown-store", "data"),
        },
    )


async def run(
    client: Client,
    clicks: int,
    model: str,
    inputs: Inputs,
    layers: list[str],
    target: str,
    negatives: str,
    ticks: list[bool],
    ids: list[dict[str, str]],
) -> dict[str, Any]:
    """Posts the analysis. target: "" is the class predicted for each input."""
    if not clicks:
        raise PreventUpdate
    concepts = ticked(ticks, ids)
    choices = {"an input": inputs, "a concept": concepts, "a layer": layers}
    if missing := [name for name, chosen in choices.items() if not chosen]:
        return refused(common.note(f"Choose {missing[0]} first.", "warning"))
    request = ConceptAnalysisRequest(
        model=model,
        inputs=[entry["input"] for entry in inputs],
        concepts=concepts,
        layers=layers,
        classes=None if target == "" else [int(target)],
        negatives=negatives,
    )
    try:
        job, known = await asyncio.gather(client.analyse(request), client.concepts())
    except ApiProblem as refusal:
        return refused(common.problem(refusal))
    # The number of the press changes with every run, so that a finished analysis is shown again too.
    path = page.analysis_path(job.id)
    titles = {concept.ref: concept.name for concept in known}
    names = json.dumps({"concepts": [titles.get(ref, "") for ref in concepts], "layers": layers})
    return {
        "job": {"id": job.id},
        "path": path,
        "press": clicks,
        "names": names,
        "problem": None,
        "lost": None,
    }


def refused(why: Any) -> dict[str, Any]:
    """Nothing was started; what stands stays."""
    unchanged = dict.fromkeys(("job", "path", "press", "names", "lost"), no_update)
    return {**unchanged, "problem": why}


async def show(client: Client, ended: dict[str, Any] | None, shown: dict[str, Any] | None) -> dict[str, Any]:
    """Table and pictures of a finished analysis. shown: which of its inputs the table is about."""
    if not ended or ended["state"] != "done":
        raise PreventUpdate
    try:
        analysis, concepts = await asyncio.gather(client.analysis(ended["id"]), client.concepts())
        if analysis.result is None:
            raise PreventUpdate
        number = min((shown or {}).get("input", 0), len(analysis.result.inputs) - 1)
        prediction = await predict_if_there(client, analysis.result.inputs[number], analysis.request.model)
    except ApiProblem as refusal:
        return {"table": common.problem(refusal), "overall": no_update, "result": no_update}
    by_ref = {concept.ref: concept for concept in concepts}
    table = maps_table.table(analysis.result, analysis.id, number, prediction, by_ref)
    return {
        "table": [table, page.export(analysis.id)],
        "overall": charts.overall(analysis.result, findings.order(analysis.result, number)),
        "result": {"id": analysis.id, "input": number},
    }


async def predict_if_there(client: Client, input: str, model: str) -> Prediction | None:
    """None once an input was deleted: an analysis keeps its numbers."""
    try:
        return await client.predict(PredictionRequest(input=input, model=model))
    except ApiProblem as refusal:
        if not refusal.gone:
            raise
        return None
