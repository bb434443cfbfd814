"""Compare, the front page: one input, one model, all maps side by side.

address -> load -> body with stores input-store, model-select, window-store -> choose -> subject-store ->
predict -> answer-store -> run -> runs-store -> panels look-*, stale, permalink, level, announcements: in the
browser (assets/evident: dash/callbacks.mjs and the widgets)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.core.schemas import Catalogue, EvaluationAdvice, Fit, Sample
from app.core.schemas import Input as EvidentInput
from frontend.client import ApiProblem, Client, catalogue_with
from frontend.compare import (
    beside_card,
    input_card,
    look_card,
    maps,
    methods_card,
    panels,
    side,
    welcome,
    whatif_card,
    wished_model,
)
from frontend.compare.address import View, read
from frontend.compare.samples import listed
from frontend.ui import absent, common
from frontend.wiring import wire

STORES = (
    "subject-store",
    "answer-store",
    "panel-store",
    "numbers-store",
    "sample-store",
    "beside-answer-store",
    "beside-runs-store",
    "beside-input-store",
)


def layout(**query: str) -> Component:
    """Drawn at once; what needs the API follows by `load`."""
    return html.Div(
        [
            dcc.Store(id="query-store", data=query),
            html.H1("Compare explanations", className="ev-visually-hidden"),
            html.Div(skeleton(), id="compare-body"),
        ]
    )


def skeleton() -> Component:
    """The page's shape while the server is asked; on a first start it is still reading the models."""
    return html.Div(
        [
            html.Div(
                [common.card("Input", common.skeleton(4)), common.card("Methods", common.skeleton(9))],
                className="ev-column ev-column--left",
            ),
            html.Div(
                [
                    html.Div(common.skeleton(3), className="ev-card ev-prediction"),
                    html.Div(panels.waiting(6), className="ev-panels"),
                ],
                className="ev-column ev-column--centre",
            ),
            html.Div(
                [common.card("Readout", common.skeleton(6)), common.card("Agreement", common.skeleton(4))],
                className="ev-column ev-column--right",
            ),
        ],
        className="ev-compare",
        **common.aria(busy="true"),
    )


@dataclass(frozen=True)
class Opened:
    """What the API said when the page was opened."""

    catalogue: Catalogue
    limits: Mapping[str, Any]
    samples: Sequence[Sample]
    inputs: Mapping[str, EvidentInput] = field(default_factory=dict)
    value: EvidentInput | None = None
    trouble: ApiProblem | None = None
    fits: Mapping[str, Fit] = field(default_factory=dict)
    advice: EvaluationAdvice | None = None

    def model(self, view: View) -> str | None:
        """The model of the address, if it takes the input."""
        modality = self.value.modality if self.value else None
        return methods_card.choose_model(self.catalogue.models, modality, view.model)


async def open_page(client: Client, view: View) -> Opened:
    """Catalogue, limits, samples with their waveforms, the input of the address, and how the methods fit its model.
    Raises ApiProblem when there is no catalogue."""
    catalogue, limits = await asyncio.gather(catalogue_with(client, view.model), client.limits())
    samples, inputs = await listed(client)
    value, trouble = inputs.get(view.input or ""), None
    if view.input and value is None:
        try:
            value = await client.input(view.input)
        except ApiProblem as refusal:
            trouble = refusal
    if view.along and not view.input:
        value = await taken_along(client, catalogue, view)
    if value and value.sample:
        # One recording may stand in two samples, each with its own model.
        named = next(
            (sample.key for sample in samples if sample.input == value.id and sample.model == view.model),
            value.sample,
        )
        value = value.model_copy(update={"sample": named})
    opened = Opened(catalogue, limits, samples, inputs, value, trouble)
    model = opened.model(view) if value else None
    if model is None:
        return opened
    try:
        fits, advice = await asyncio.gather(client.fits(model), maps.advice_on(client, model))
    except ApiProblem:  # the prediction says why
        return opened
    return replace(opened, fits=fits, advice=advice)


async def taken_along(client: Client, catalogue: Catalogue, view: View) -> EvidentInput | None:
    """The input that was open before a model was chosen elsewhere; None where it is gone, or nothing for that model."""
    takes = [kind for model in catalogue.models if model.key == view.model for kind in model.modalities]
    try:
        value = await client.input(view.along or "")
    except ApiProblem:
        return None
    return value if value.modality in takes else None


def body(opened: Opened, view: View, query: Mapping[str, str] | None = None) -> Component:
    """The whole page, its stores seeded from the address. query: the address, which the browser compares with its
    own before it writes another."""
    # With a model of the address the choice of models shows before there is an input.
    chosen: dict[str, Any] = {"data-chosen": "1" if view.model else "0"}
    return html.Div(
        [
            dcc.Store(id="opened-store", data=dict(query or {})),
            *stores(opened, view),
            html.Div(
                [
                    input_section(opened),
                    *model_and_methods(opened, view),
                    look_card.look_card(view.look, view.evidence),
                    side.keep_card(),
                ],
                className="ev-column ev-column--left",
            ),
            html.Div(
                [start_view(opened), *centre(view.paired)],
                className="ev-column ev-column--centre",
            ),
            html.Div(
                [whatif_card.card(), side.readout_card(), side.agreement_card()],
                className="ev-column ev-column--right",
            ),
            input_card.samples_drawer(),
            methods_card.params_drawer(),
            beside_card.choices_drawer(),
            numbers_drawer(),
        ],
        id="compare",
        **chosen,
        className="ev-compare" if opened.value else "ev-compare ev-compare--empty",
    )


def start_view(opened: Opened) -> Component:
    """The first screen. Behind an open input it is not seen, so its gallery follows when the input is closed."""
    gallery = None if opened.value else input_card.gallery(opened.samples, opened.inputs)
    return welcome.start(gallery, opened.limits)


def stores(opened: Opened, view: View) -> list[Component]:
    value = opened.value
    wished = (
        {"input": value.id, "model": view.model, "target": view.target}
        if value and view.target is not None
        else None
    )
    return [
        dcc.Store(id="input-store", data=value.model_dump() if value else None),
        dcc.Store(
            id="window-store",
            data={"input": value.id, "start": view.start} if value and view.start is not None else None,
        ),
        dcc.Store(id="target-store", data=wished),
        dcc.Store(id="params-store", data={method: dict(values) for method, values in view.params.items()}),
        dcc.Store(
            id="runs-store",
            data={"subject": None, "runs": {}, "all": bool(value and view.methods is not None), "clicks": 0},
        ),
        dcc.Store(id="wish-store", data={"layer": view.layer}),
        dcc.Store(id="start-store", data=value is None),
        dcc.Store(id="beside-store", data=asdict(view.beside) if view.beside else None),
        dcc.Store(id="asked-store", storage_type="session"),
        *(dcc.Store(id=name) for name in STORES),
    ]


def input_section(opened: Opened) -> Component:
    view = (
        input_card.loaded(opened.value, input_card.bundled(opened.value, opened.samples))
        if opened.value
        else input_card.nothing()
    )
    trouble = [common.problem(opened.trouble)] if opened.trouble else []
    return common.card(
        "",
        html.Div([*trouble, *view], id="input-view"),
        input_card.sources(opened.limits),
        className="ev-input-card",
        **common.aria(label="Input"),
    )


def model_and_methods(opened: Opened, view: View) -> list[Component]:
    ticked = [
        method.key
        for method in opened.catalogue.methods
        if (method.default_on if view.methods is None else method.key in view.methods)
    ]
    modality = opened.value.modality if opened.value else None
    model = opened.model(view)
    rows = methods_card.method_rows(opened.catalogue.methods, opened.fits, view.params, ticked, opened.advice)
    listed = methods_card.listed_for(model, view.params, opened.advice) if opened.fits else ""
    return [
        methods_card.model_card(
            methods_card.model_options(opened.catalogue.models, modality),
            model,
            beside_card.choice(),
            absent.follower("compare", opened.catalogue.absent),
        ),
        methods_card.methods_card(rows, ticked, view.seed, listed),
    ]


def centre(paired: bool) -> list[Component]:
    """Prediction and maps of the open input, and of what stands beside it."""
    prediction = html.Section(
        common.skeleton(3),
        id="prediction-card",
        className="ev-card ev-prediction ev-when-open",
        **common.aria(label="Prediction"),
    )
    return [
        html.Div([prediction, beside_card.card(paired)], className="ev-heads"),
        html.Div(
            [
                html.Div(panels.waiting(6), id="panels", className="ev-panels ev-when-open"),
                html.Div(id="panels-beside", className="ev-panels ev-when-open"),
            ],
            className="ev-sides",
        ),
    ]


def numbers_drawer() -> Component:

    return common.drawer(
        html.Div(id="numbers-body"), id="numbers-drawer", title="Numbers", position="right", size=560
    )


def unreachable(refusal: ApiProblem) -> Component:
    """The page when the computing side does not answer."""
    return html.Div(
        common.card("", common.problem(refusal, html.A("Try again", href="/", className="ev-button"))),
        className="ev-page",
    )


def register(app: Dash, client: Client) -> None:
    """The first step; the others stand in the files of this folder."""
    wire(
        app,
        client,
        load,
        output=Output("compare-body", "children"),
        inputs={"query": Input("query-store", "data")},
    )


async def load(client: Client, query: dict[str, str] | None) -> Any:
    """The page for what the address says."""
    if query is None:
        raise PreventUpdate
    view = read(query)
    try:
        opened = await open_page(client, view)
        told = await wished_model.stand_in(client, query, opened.catalogue.models, opened.value)
        return told or body(opened, view, query)
    except ApiProblem as refusal:
        return unreachable(refusal)
