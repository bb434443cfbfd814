"""About: what this is for and what not, the methods with their papers, keys, licences, versions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from app import __version__
from app.core.schemas import Catalogue, MethodInfo, Sample
from frontend.client import ApiProblem, Client
from frontend.pages import Page
from frontend.ui import common, words
from frontend.wiring import wire

KEYS = (
    ("Space", "play or pause the sound"),
    ("1 to 9", "go to a panel"),
    ("0, or hold O", "show the input without the map"),
    ("[ and ]", "less or more opacity"),
    ("- and =", "show less or more of the map"),
    ("S", "sign: for, both, against"),
    ("N", "scale: own, shared, raw"),
    ("Arrow keys", "move the crosshair"),
    ("A", "agreement map"),
    ("E", "outline the evidence where it is known"),
    ("B", "draw a region: what if it were not there"),
    ("G", "report of the view, and checking a report"),
    ("K", "copy the link to this view; on Cases the case before, J the next"),
    ("?", "keyboard help, and switching the keys off"),
)
PAPERS = (
    (
        "cnnexplain: a CNN for cough spectrograms and what its filters and maps show",
        "arXiv 2207.12958; journal form Healthcare Analytics 8 (2025) 100408",
    ),
    ("Grad-CAM fused with LRP to remove noise from heat maps", "arXiv 2405.12175"),
    (
        "Hybrid CNN-Interpreter: layer-wise predictions, feature correlation, filter importance",
        "arXiv 2211.00185",
    ),
    ("Visual-TCAV: concept maps and concept attribution", "arXiv 2411.05698"),
    ("Sound-based Covid models before and after matching on symptoms", "Coppock et al. 2024, 67,842 people"),
)
CALTECH = "https://doi.org/10.22002/D1.20086"
PARTS = (
    ("torch", "BSD-3-Clause"),
    ("captum", "BSD-3-Clause"),
    ("dash", "MIT"),
    ("dash-mantine-components", "MIT"),
    ("plotly", "MIT"),
    ("fastapi", "MIT"),
    ("librosa", "ISC"),
    ("scikit-image", "BSD-3-Clause"),
    ("numpy", "BSD-3-Clause"),
    ("timm", "Apache-2.0"),
    ("fpdf2", "LGPL-3.0"),
    ("segno", "BSD-3-Clause"),
)


def layout(**_query: str) -> Component:
    return html.Div(
        [
            html.Div(
                [
                    html.H1("About Evident"),
                    html.P(
                        "See why a CNN decided as it did: attribution maps side by side, on images, spectrograms and cough recordings.",
                        className="ev-muted",
                    ),
                ],
                className="ev-page-head",
            ),
            dcc.Store(id="about-store", data=0),
            html.Div([intended(), not_intended()], className="ev-two"),
            reports(),
            html.Div(common.card("Methods", common.skeleton(6)), id="about-methods"),
            html.Div([keyboard(), papers()], className="ev-two"),
            html.Div(common.card("Made by others", common.skeleton(4)), id="about-credits"),
            licences(),
            common.widget("users", id="users"),
            common.card("Who did what, and what stays", common.widget("audit"), id="who-did-what"),
        ],
        className="ev-page",
    )


def not_found(**_query: str) -> Component:
    """For an address that leads nowhere."""
    back = dcc.Link("Go to Compare", href="/", className="ev-button")
    return html.Div(
        common.card(
            "",
            html.H1("There is no such page"),
            html.P("The address may be mistyped or from another version."),
            back,
        ),
        className="ev-page ev-lost",
    )


def intended() -> Component:
    return common.card(
        "Intended use",
        html.P(
            "Research and teaching: to look at which parts of an input a network used, to compare explanation methods, and to find shortcuts that a network has learned."
        ),
        html.P(
            "A map answers the question: which parts of this input moved this score of this model? It says nothing about a person, and nothing about what would be true of another model."
        ),
        html.P("The score is the model's own number. It is not the chance of an illness."),
    )


def not_intended() -> Component:
    return common.card(
        "Not for",
        html.P(words.BANNER_FULL),
        html.P(
            "The bundled cough models are demonstrations. Their labels are confounded with the recording conditions: loudness, noise floor and length alone tell the classes apart better than the network does. Their cards show the figures next to each other."
        ),
        html.P("Everything you upload stays on the server that shows you this page. No request leaves it."),
    )


def reports() -> Component:
    opens: dict[str, Any] = {"data-report": "1"}
    button = html.Button(
        [common.icon("file"), "Check a report"], className="ev-button", type="button", **opens
    )
    return common.card(
        "Reports",
        html.P(
            "A report (PDF or HTML) holds every request behind it. Evident recomputes each score and map in it and says per item whether it is the same to the last bit, the same within a tolerance, or not. A report is not signed: this tells whether its figures are true here, not who made it."
        ),
        button,
    )


def method_table(catalogue: Catalogue) -> Component:
    return common.card(
        "Methods",
        html.Div([method_entry(method) for method in catalogue.methods], className="ev-method-list"),
    )


def method_entry(method: MethodInfo) -> Component:
    return html.Article(
        [
            html.H3(
                [
                    method.title,
                    html.Span(words.FAMILY.get(method.family, method.family), className="ev-muted"),
                ]
            ),
            html.P(method.summary),
            html.P(method.paper, className="ev-muted ev-small"),
        ]
    )


def credits_table(catalogue: Catalogue, samples: Sequence[Sample]) -> Component:
    """Weights and photographs that came along and were not made here."""
    weights = [
        [f"Weights of {model.title}", model.source, html.Span(model.licence, className="ev-breaks")]
        for model in catalogue.models
        if model.bundled and not model.source.startswith("trained by this project")
    ]
    photographs = [
        [
            f"Photograph: {sample.title}",
            html.A(sample.credit.author, href=sample.credit.page, target="_blank", rel="noreferrer"),
            sample.credit.licence,
        ]
        for sample in samples
        if sample.credit
    ]
    corpus = [
        "64 photographs, counter-examples of concepts",
        html.A("Li, Andreeto, Ranzato, Perona: Caltech 101", href=CALTECH, target="_blank", rel="noreferrer"),
        "CC-BY-4.0",
    ]
    return common.card(
        "Made by others",
        common.table(
            ["What", "By", "Licence"], [*weights, *photographs, corpus], "Weights and photographs of others"
        ),
        html.P(
            "The photographs were made smaller; what else was changed stands in the file of credits beside them.",
            className="ev-muted ev-small",
        ),
    )


def keyboard() -> Component:
    return common.card(
        "Keyboard",
        common.table(
            ["Key", "What it does"],
            [[html.Kbd(key), text] for key, text in KEYS],
            "Keyboard on the Compare page",
        ),
    )


def papers() -> Component:
    return common.card(
        "Papers",
        html.Ul(
            [
                html.Li([title, html.Br(), html.Span(source, className="ev-muted ev-small")])
                for title, source in PAPERS
            ],
            className="ev-plain-list",
        ),
        html.P(
            "Where a paper leaves something open, the method's own entry says what is our reading.",
            className="ev-muted ev-small",
        ),
    )


def licences() -> Component:
    return common.card(
        "Versions and licences",
        common.table(
            ["Part", "Version", "Licence"],
            [
                ["evident", __version__, "Apache-2.0"],
                *([name, version(name), licence] for name, licence in PARTS),
            ],
            "Software inside",
        ),
    )


def version(name: str) -> str:
    """Installed version, read without importing the package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed here"


def register(app: Dash, client: Client) -> None:
    """The list of methods; everything else is drawn at once."""
    wire(
        app,
        client,
        list_methods,
        output=Output("about-methods", "children"),
        inputs={"opened": Input("about-store", "data")},
    )
    wire(
        app,
        client,
        list_credits,
        output=Output("about-credits", "children"),
        inputs={"opened": Input("about-store", "data")},
    )


async def list_credits(client: Client, opened: Any) -> Any:
    """Whose weights and photographs came along."""
    try:
        return credits_table(*await asyncio.gather(client.catalogue(), client.samples()))
    except ApiProblem as refusal:
        return common.card("Made by others", common.problem(refusal))


async def list_methods(client: Client, opened: Any) -> Any:
    """What each method says, and its paper."""
    try:
        return method_table(await client.catalogue())
    except ApiProblem as refusal:
        return common.card("Methods", common.problem(refusal))


PAGE = Page("/about", "About", layout, (sys.modules[__name__],), order=70)
