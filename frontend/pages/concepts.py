"""Concepts: what the network recognises, where, and how much it adds to each class, against chance.

address -> load -> body; concept-input-store (upload, sample, Compare) -> concept-inputs -> run -> concept-job-store -> job-bar ->
concept-ended-store -> show. Maps are drawn by the widget `concept-map`; concepts are made by `concept-maker`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.schemas import Catalogue, Concept, ConceptAnalysisRequest, ModelInfo, PredictionRequest, Sample
from frontend import figures
from frontend.client import ApiProblem, Client, href
from frontend.components import common
from frontend.components import concept_parts as parts
from frontend.components.input_card import widget

LAYERS = 3
"""Layers chosen to begin with: the model's last ones."""
TICKED = 4
"""Built-in concepts ticked to begin with."""


def layout(**query: str) -> Component:
    """Drawn at once; what needs the API follows."""
    return html.Div(
        [
            dcc.Store(id="concept-query", data=query),
            dcc.Store(id="concept-input-store"),
            dcc.Store(id="concept-record-store"),
            dcc.Store(id="concept-inputs", data=[{"input": query["input"]}] if query.get("input") else []),
            dcc.Store(id="concept-job-store"),
            dcc.Store(id="concept-model-store"),
            dcc.Store(id="concept-ended-store"),
            dcc.Store(id="concept-made-store"),
            dcc.Store(id="concept-result-store"),
            dcc.Store(id="concept-shown-store"),
            dcc.Store(id="concept-open"),
            html.H1("Concepts", className="ev-visually-hidden"),
            html.Div(common.card("Concepts", common.skeleton(8)), id="concepts-body", className="concepts-page"),
        ]
    )


def models_of(catalogue: Catalogue) -> list[ModelInfo]:
    return [model for model in catalogue.models if model.available]


def fitting(concepts: list[Concept], model: ModelInfo) -> list[Concept]:
    """Concepts made of what the model takes."""
    return [concept for concept in concepts if concept.modality in model.modalities]


def body(catalogue: Catalogue, concepts: list[Concept], samples: list[Sample], limits: dict[str, Any], model: ModelInfo) -> list[Component]:
    """Library left, analysis in the middle, what is known of one concept right."""
    ticked = [concept.ref for concept in fitting(concepts, model) if concept.kind == "builtin"][:TICKED]
    left = [
        common.card(
            "Concepts",
            html.Div(parts.library(fitting(concepts, model), ticked), id="concept-library"),
            aside=dmc.Button("New", id="concept-new", size="xs", n_clicks=0),
        ),
        common.card(
            "Counter-examples",
            dmc.Select(
                id="concept-negatives",
                data=negatives(concepts, model),
                value="random",
                size="xs",
                allowDeselect=False,
                **common.aria(label="Counter-examples"),
            ),
            html.P("What every concept is told apart from.", className="muted small"),
        ),
    ]
    centre = [
        common.card("", html.Div(controls(catalogue, samples, limits, model), className="concept-controls")),
        html.Div(widget("job-bar", id="concept-bar", store="concept-ended-store", word="inputs and layers")),
        html.Div(id="concept-problem"),
        common.card("", html.Div(empty(), id="concept-table"), className="concept-main"),
    ]
    right = [html.Div(id="concept-detail"), html.Div(id="concept-overall")]
    return [
        html.Div(left, className="column"),
        html.Div(centre, className="column"),
        html.Div(right, className="column"),
        dmc.Drawer(
            html.Div(
                [
                    widget("concept-maker", id="concept-maker", store="concept-made-store", limits=limits),
                    html.Div([html.Span("Or record an example: ", className="muted"), widget("record", store="concept-record-store", limits=limits, compact="1")], className="ev-row"),
                ],
                className="concept-making",
            ),
            id="concept-drawer",
            title="Make a concept",
            position="right",
            size=560,
            keepMounted=True,
        ),
    ]  # fmt: skip


def empty() -> Component:
    return common.note(
        "Choose an input, tick concepts and layers, and press Run. Each concept is compared with random ones of the same size."
    )


def negatives(concepts: list[Concept], model: ModelInfo) -> list[dict[str, str]]:
    drawn = "Random pictures · 100" if "image" in model.modalities else "Random rooms · 100"
    own = [concept for concept in fitting(concepts, model) if concept.kind == "yours" and concept.usable]
    return [{"value": "random", "label": drawn}, *({"value": one.ref, "label": f"{one.name} · {one.count}"} for one in own)]


def controls(catalogue: Catalogue, samples: list[Sample], limits: dict[str, Any], model: ModelInfo) -> list[Component]:
    options = [{"value": one.key, "label": one.title} for one in models_of(catalogue)]
    return [
        html.Div(id="concept-inputs-view", className="concept-inputs"),
        html.Div(
            [
                widget("upload", store="concept-input-store", limits=limits, **{"as": "auto"}, compact="1", word="Add input"),
                dmc.Select(id="concept-sample", data=sample_options(samples, model), placeholder="Sample", size="xs", clearable=True, **common.aria(label="Add a sample")),
            ],
            className="ev-row",
        ),
        html.Label(["Model", dmc.Select(id="concept-model", data=options, value=model.key, size="xs", allowDeselect=False)]),
        html.Label(["Class", dmc.Select(id="concept-class", data=class_options(model), value="", size="xs", searchable=True, allowDeselect=False)]),
        html.Label(["Layers", dmc.MultiSelect(id="concept-layers", data=layer_options(model), value=first_layers(model), size="xs", maxValues=8)]),
        dmc.Button("Run", id="concept-run", size="xs", n_clicks=0),
    ]  # fmt: skip


def sample_options(samples: list[Sample], model: ModelInfo) -> list[dict[str, str]]:
    titles = {one.input: one.title for one in reversed(samples) if one.modality in model.modalities}
    return [{"value": key, "label": title} for key, title in reversed(titles.items())]


def class_options(model: ModelInfo) -> list[dict[str, str]]:
    return [{"value": "", "label": "predicted"}, *({"value": str(i), "label": label} for i, label in enumerate(model.labels))]


def layer_options(model: ModelInfo) -> list[dict[str, str]]:
    return [{"value": layer.name, "label": f"{layer.name} · {layer.shape[1]} × {layer.shape[2]}"} for layer in model.layers]


def first_layers(model: ModelInfo) -> list[str]:
    """The last activations before the default layer, and it."""
    names = [layer.name for layer in model.layers]
    last = names.index(model.default_layer) if model.default_layer in names else len(names) - 1
    kinds = {layer.kind for layer in model.layers[last : last + 1]}
    alike = [layer.name for layer in model.layers[: last + 1] if layer.kind in kinds]
    return alike[-LAYERS:]


def thumbs(inputs: list[dict[str, Any]], shown: int) -> list[Component]:
    """The inputs that are analysed; the chosen one is shown."""
    return [
        html.Button(
            html.Img(src=href(one["display"]), alt=f"Input {number + 1}", width=56, height=56),
            id={"type": "concept-pick", "index": number},
            className="concept-pick",
            n_clicks=0,
            **common.aria(pressed=str(number == shown).lower(), label=f"Show input {number + 1}"),
        )
        for number, one in enumerate(inputs)
        if one.get("display")
    ]


def register(app: Dash, client: Client) -> None:
    """Loading, choosing, running, showing, making."""
    _register_choice(app, client)
    _register_run(app, client)
    _register_library(app, client)
    _register_examples(app, client)


def _register_choice(app: Dash, client: Client) -> None:
    @app.callback(Output("concepts-body", "children"), Output("concept-model-store", "data"), Input("concept-query", "data"))
    async def load(query: dict[str, str]) -> Any:
        try:
            catalogue, concepts, samples, limits = await asyncio.gather(
                client.catalogue(), client.concepts(), client.samples(), client.limits()
            )
            model = next((one for one in models_of(catalogue) if one.key == query.get("model")), models_of(catalogue)[0])
            if query.get("model") and model.key != query["model"]:
                model = await client.model(query["model"])
        except ApiProblem as refusal:
            return common.card("Concepts", common.problem(refusal)), None
        return body(catalogue, concepts, samples, limits, model), model.key

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
            model, concepts, samples = await asyncio.gather(client.model(key), client.concepts(), client.samples())
        except ApiProblem:
            raise PreventUpdate from None
        mine = fitting(concepts, model)
        ticked = [concept.ref for concept in mine if concept.kind == "builtin"][:TICKED]
        return (
            parts.library(mine, ticked), negatives(concepts, model), class_options(model), "", layer_options(model), first_layers(model),
            sample_options(samples, model), key,
        )  # fmt: skip

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
    async def show_inputs(inputs: list[dict[str, Any]], model: str | None, shown: dict[str, Any] | None) -> Any:
        if not model:
            raise PreventUpdate
        number = min((shown or {}).get("input", 0), max(len(inputs) - 1, 0))
        try:
            found = await asyncio.gather(*(client.predict(PredictionRequest(input=one["input"], model=model)) for one in inputs))
        except ApiProblem as refusal:
            kept = inputs[:-1]
            return thumbs(kept, number), kept, common.problem(refusal), no_update, no_update, no_update
        if not found:
            return common.note("No input yet: add a file or a sample."), no_update, None, None, None, None
        drawn = [{"input": one.input, "display": one.display} for one in found]
        first = found[number]
        axes = f'{{"x_axis": {first.x_axis.model_dump_json()}, "y_axis": {first.y_axis.model_dump_json()}}}'
        return thumbs(drawn, number), no_update, None, href(first.display), axes, first.input


def _register_run(app: Dash, client: Client) -> None:
    @app.callback(
        Output("concept-job-store", "data"),
        Output("concept-bar", "data-path"),
        Output("concept-bar", "data-press"),
        Output("concept-problem", "children", allow_duplicate=True),
        Input("concept-run", "n_clicks"),
        State("concept-model", "value"),
        State("concept-inputs", "data"),
        State({"type": "concept-tick", "ref": ALL}, "checked"),
        State({"type": "concept-tick", "ref": ALL}, "id"),
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
        chosen = [id["ref"] for id, on in zip(ids, ticks, strict=True) if on]
        missing = "an input" if not inputs else "a concept" if not chosen else "a layer" if not layers else None
        if not clicks or missing:
            text = f"Choose {missing} first." if missing else ""
            return no_update, no_update, no_update, common.note(text, "warning") if text else no_update
        request = ConceptAnalysisRequest(
            model=model, inputs=[one["input"] for one in inputs], concepts=chosen, layers=layers,
            classes=None if target == "" else [int(target)], negatives=against,
        )  # fmt: skip
        try:
            job = await client.analyse(request)
        except ApiProblem as refusal:
            return no_update, no_update, no_update, common.problem(refusal)
        # The number of the press changes with every run, so that a finished analysis is shown again too.
        return {"id": job.id}, f"/concept-analyses/{job.id}", clicks, None

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
            number = min((shown or {}).get("input", 0), len(job.result["inputs"]) - 1)
            prediction = await client.predict(PredictionRequest(input=job.result["inputs"][number], model=job.request.model))
        except ApiProblem as refusal:
            return common.problem(refusal), no_update, no_update
        by_ref = {concept.ref: concept for concept in concepts}
        table = parts.table(job.result, job.id, number, prediction, by_ref)
        return [table, export(job.id)], overall(job.result), {"id": job.id}

    @app.callback(
        Output("concept-shown-store", "data"),
        Input({"type": "concept-pick", "index": ALL}, "n_clicks"),
        State("concept-shown-store", "data"),
        prevent_initial_call=True,
    )
    async def pick(_clicks: list[int], shown: dict[str, Any] | None) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(ctx.triggered_id, dict):
            raise PreventUpdate
        return {**(shown or {}), "input": ctx.triggered_id["index"]}


def export(job: str) -> Component:
    return html.Div(
        [
            html.A([common.icon("download"), "Numbers (CSV)"], href=href(f"/concept-analyses/{job}/rows.csv"), className="ev-button"),
            html.A([common.icon("download"), "Everything (JSON)"], href=href(f"/concept-analyses/{job}"), className="ev-button", download="concepts.json"),
        ],
        className="ev-row",
    )  # fmt: skip


def overall(result: dict[str, Any]) -> Component:
    """The classes' global pictures."""
    cards = []
    for target in sorted({row["class"] for row in result["overall"]}):
        label = result["labels"][str(target)]
        n = max(row["n"] for row in result["overall"] if row["class"] == target)
        title = f"Over {n} input{'' if n == 1 else 's'} of {label}: mean and 2 SE, a dot per input"
        cards.append(
            common.card(
                title,
                figures.graph(parts.overall_figure(result, target)),
                html.P("Dashed: 95 % of random concepts stay below.", className="muted small"),
                figures.graph(parts.heat_figure(result, target)),
                html.P("* beats random concepts, adjusted over concepts and layers (Benjamini-Hochberg, 5 %).", className="muted small"),
            )
        )
    return html.Div(cards, className="column")


def _register_library(app: Dash, client: Client) -> None:
    @app.callback(
        Output("concept-detail", "children"),
        Output("concept-open", "data"),
        Input({"type": "concept-show", "id": ALL}, "n_clicks"),
        Input("concept-result-store", "data"),
        prevent_initial_call=True,
    )
    async def detail(_clicks: list[int], stored: dict[str, Any] | None) -> Any:
        picked = ctx.triggered_id["id"] if isinstance(ctx.triggered_id, dict) and ctx.triggered[0]["value"] else None
        try:
            concepts = await client.concepts()
            job = await client.analysis(stored["id"]) if stored else None
        except ApiProblem as refusal:
            return common.problem(refusal), no_update
        result = job.result if job else None
        if picked is None and result:
            picked = next((one.id for one in concepts if one.ref == result["plan"]["concepts"][0]), None)
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
        Output("concept-library", "children", allow_duplicate=True),
        Output("concept-negatives", "data", allow_duplicate=True),
        Output("concept-drawer", "opened", allow_duplicate=True),
        Input("concept-made-store", "data"),
        State("concept-model", "value"),
        State({"type": "concept-tick", "ref": ALL}, "checked"),
        State({"type": "concept-tick", "ref": ALL}, "id"),
        prevent_initial_call=True,
    )
    async def made(concept: dict[str, Any] | None, key: str, ticks: list[bool], ids: list[dict[str, str]]) -> Any:
        if not concept:
            raise PreventUpdate
        chosen = [id["ref"] for id, on in zip(ids, ticks, strict=True) if on]
        library, options = await _redrawn(client, key, [*chosen, concept["ref"]])
        return library, options, False

    @app.callback(
        Output("concept-library", "children", allow_duplicate=True),
        Output("concept-negatives", "data", allow_duplicate=True),
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
        Output("concept-library", "children", allow_duplicate=True),
        Output("concept-negatives", "data", allow_duplicate=True),
        Output("concept-detail", "children", allow_duplicate=True),
        Input({"type": "concept-drop", "index": ALL}, "n_clicks"),
        State("concept-open", "data"),
        State("concept-model", "value"),
        prevent_initial_call=True,
    )
    async def take_out(_clicks: list[int], open: str, key: str) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(ctx.triggered_id, dict):
            raise PreventUpdate
        try:
            concept = await client.change_concept(open, remove=[ctx.triggered_id["index"]])
        except ApiProblem as refusal:
            return no_update, no_update, common.problem(refusal)
        library, options = await _redrawn(client, key, [concept.ref])
        return library, options, parts.detail(concept, None)


async def _redrawn(client: Client, key: str, chosen: list[str]) -> tuple[Any, Any]:
    try:
        model, concepts = await asyncio.gather(client.model(key), client.concepts())
    except ApiProblem as refusal:
        return common.problem(refusal), no_update
    return parts.library(fitting(concepts, model), chosen), negatives(concepts, model)
