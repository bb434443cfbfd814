"""Concepts: what the network recognises, where, and how much it adds to each class, against chance.

address -> choice.load -> body and the choices the address names (address.py, link.py)
upload, sample -> concept-inputs -> run.run -> concept-job-store -> the widget `job-bar` ->
concept-ended-store -> run.show -> concept-result-store -> library.show_first
Maps are drawn by the widget `concept-map`; concepts are made by `concept-maker`.
"""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from app.core.schemas import Catalogue, Concept, ModelInfo, Sample
from frontend.client import href
from frontend.concepts import address, library_card
from frontend.concepts.address import Link
from frontend.ui import common
from frontend.ui.common import widget

LAYERS = 3
"""Layers chosen to begin with: the model's last ones."""
TICKED = 4
"""Built-in concepts ticked to begin with."""


def layout(**query: str) -> Component:
    """Drawn at once; what needs the API follows."""
    link = address.read(query)
    return html.Div(
        [
            dcc.Store(id="concept-query", data=query),
            dcc.Store(id="concept-opened"),
            dcc.Store(id="concept-input-store"),
            dcc.Store(id="concept-record-store"),
            dcc.Store(id="concept-inputs", data=[{"input": key} for key in link.inputs or ()]),
            dcc.Store(id="concept-job-store"),
            dcc.Store(id="concept-model-store"),
            dcc.Store(id="concept-ended-store"),
            dcc.Store(id="concept-made-store"),
            dcc.Store(id="concept-result-store"),
            dcc.Store(id="concept-shown-store", data={"input": link.shown}),
            dcc.Store(id="concept-open"),
            dcc.Store(id="concept-address"),
            html.H1("Concepts", className="ev-visually-hidden"),
            html.Div(
                common.card("Concepts", common.skeleton(8)), id="concepts-body", className="ev-concepts-page"
            ),
        ]
    )


def models_of(catalogue: Catalogue) -> list[ModelInfo]:
    return [model for model in catalogue.models if model.available]


def fitting(concepts: list[Concept], model: ModelInfo) -> list[Concept]:
    """Concepts made of what the model takes."""
    return [concept for concept in concepts if concept.modality in model.modalities]


def body(
    catalogue: Catalogue,
    concepts: list[Concept],
    samples: list[Sample],
    limits: dict[str, Any],
    model: ModelInfo,
    link: Link | None = None,
) -> list[Component]:
    """Library left, analysis in the middle, what is known of one concept right. link: what the address
    asks for, as far as it is there."""
    link = link or Link()
    ticked = first_concepts(concepts, model) if link.concepts is None else link.concepts
    left = [
        common.card(
            "Concepts",
            html.Div(library_card.library(fitting(concepts, model), ticked), id="concept-library"),
            aside=dmc.Button("New", id="concept-new", size="xs", n_clicks=0),
        ),
        common.card(
            "Counter-examples",
            dmc.Select(
                id="concept-negatives",
                data=negatives(concepts, model),
                value=link.negatives or "random",
                size="xs",
                allowDeselect=False,
                **common.aria(label="Counter-examples"),
            ),
            html.P(
                "What a concept is told apart from. Take them from the same source as its examples.",
                className="ev-muted ev-small",
            ),
        ),
    ]
    centre = [
        common.card(
            "", html.Div(controls(catalogue, samples, limits, model, link), className="ev-concept-controls")
        ),
        html.Div(
            widget(
                "job-bar",
                id="concept-bar",
                store="concept-ended-store",
                word="inputs and layers",
                names=analysed_names(link, concepts),
                path=analysis_path(link.analysis) if link.analysis and not link.done else None,
            )
        ),
        html.Div(common.note(link.words, "warning") if link.words else None, id="concept-lost"),
        html.Div(id="concept-problem"),
        common.card("", html.Div(empty(), id="concept-table"), className="ev-concept-main"),
        trust(),
    ]
    right = [html.Div(id="concept-detail"), html.Div(id="concept-overall")]
    return [
        html.Div(left, className="ev-column"),
        html.Div(centre, className="ev-column"),
        html.Div(right, className="ev-column ev-concept-results"),
        common.drawer(
            html.Div(
                [
                    widget("concept-maker", id="concept-maker", store="concept-made-store", limits=limits),
                    html.Div(
                        [
                            html.Span("Or record an example: ", className="ev-muted"),
                            widget("record", store="concept-record-store", limits=limits, compact="1"),
                        ],
                        className="ev-row",
                    ),
                ],
                className="ev-concept-making",
            ),
            id="concept-drawer",
            title="Make a concept",
            position="right",
            size=560,
            keepMounted=True,
        ),
    ]


def trust() -> Component:
    """What the experiment with planted evidence says (docs/concepts.md, `evident concepts experiment`)."""
    words = (
        "Networks were trained in pairs: in one a sticker or a hum gives the class away, in the other it says nothing, so the truth is known. "
        "The bars show the share of inputs that each method ranks rightly at the default layer, with 95 % intervals. At the middle layers concept "
        "maps are right for 90 to 100 of 100 inputs. At the last layer of the sound network they fail: hum and wheeze share one direction there. "
        "Compare layers, and heed the warnings about shared directions, before you believe a map."
    )
    return common.experiment(
        "How far can this be trusted? An experiment with planted evidence",
        words,
        "planted_ranking.png",
        "Share of inputs ranked rightly per method, pictures and recordings",
    )


def analysed_names(link: Link, concepts: list[Concept]) -> dict[str, list[str]]:
    """Heads of the table that grows while an analysis runs."""
    titles = {concept.ref: concept.name for concept in concepts}
    return {
        "concepts": [titles.get(ref, "") for ref in link.concepts or ()],
        "layers": list(link.layers or ()),
    }


def empty() -> Component:
    return common.note(
        "Choose an input, tick concepts and layers, and press Run. Each concept is compared with random ones of the same size."
    )


def first_concepts(concepts: list[Concept], model: ModelInfo) -> list[str]:
    """Ticked to begin with."""
    return [concept.ref for concept in fitting(concepts, model) if concept.kind == "builtin"][:TICKED]


def analysis_path(job: str) -> str:
    return f"/concept-analyses/{job}"


def negatives(concepts: list[Concept], model: ModelInfo) -> list[dict[str, str]]:
    """First those of each concept's own kind, then one's own."""
    bundled = [("random", "Of each concept's own kind")]
    bundled += (
        [("photographs", "Photographs · 64"), ("random_pictures", "Drawn pictures · 100")]
        if "image" in model.modalities
        else [("random_rooms", "Generated rooms · 100")]
    )
    own = [concept for concept in fitting(concepts, model) if concept.kind == "yours" and concept.usable]
    return [
        {"value": value, "label": label}
        for value, label in (
            *bundled,
            *((concept.ref, f"{concept.name} · {concept.count}") for concept in own),
        )
    ]


def controls(
    catalogue: Catalogue, samples: list[Sample], limits: dict[str, Any], model: ModelInfo, link: Link
) -> list[Component]:
    options = [{"value": listed.key, "label": listed.title} for listed in models_of(catalogue)]
    return [
        html.Div(id="concept-inputs-view", className="ev-concept-inputs"),
        html.Div(
            [
                widget(
                    "upload",
                    store="concept-input-store",
                    limits=limits,
                    **{"as": "auto"},
                    compact="1",
                    word="Add input",
                ),
                dmc.Select(
                    id="concept-sample",
                    data=sample_options(samples, model),
                    placeholder="Sample",
                    size="xs",
                    clearable=True,
                    **common.aria(label="Add a sample"),
                ),
            ],
            className="ev-row",
        ),
        html.Label(
            [
                "Model",
                dmc.Select(id="concept-model", data=options, value=model.key, size="xs", allowDeselect=False),
            ]
        ),
        html.Label(
            [
                "Class",
                dmc.Select(
                    id="concept-class",
                    data=class_options(model),
                    value=link.target or "",
                    size="xs",
                    searchable=True,
                    allowDeselect=False,
                ),
            ]
        ),
        html.Label(
            [
                "Layers",
                dmc.MultiSelect(
                    id="concept-layers",
                    data=layer_options(model),
                    value=list(link.layers or first_layers(model)),
                    size="xs",
                    maxValues=8,
                ),
            ]
        ),
        html.Div(
            [
                dmc.Button("Run", id="concept-run", size="xs", n_clicks=0),
                widget("copy-link"),
            ],
            className="ev-row",
            title="The link holds model, inputs, concepts, layers, class and the analysis",
        ),
        html.P(id="concept-price", className="ev-muted ev-small", role="status"),
    ]


def sample_options(samples: list[Sample], model: ModelInfo) -> list[dict[str, str]]:
    """Those of the model's own first."""
    ordered = sorted(samples, key=lambda sample: sample.model != model.key)
    titles = {
        sample.input: sample.title for sample in reversed(ordered) if sample.modality in model.modalities
    }
    return [{"value": key, "label": title} for key, title in reversed(titles.items())]


def class_options(model: ModelInfo) -> list[dict[str, str]]:
    return [
        {"value": "", "label": "predicted"},
        *({"value": str(i), "label": label} for i, label in enumerate(model.labels)),
    ]


def layer_options(model: ModelInfo) -> list[dict[str, str]]:
    return [
        {"value": layer.name, "label": f"{layer.name} · {layer.shape[1]} × {layer.shape[2]}"}
        for layer in model.layers
    ]


def first_layers(model: ModelInfo) -> list[str]:
    """The last activations before the default layer, and it."""
    names = [layer.name for layer in model.layers]
    last = names.index(model.default_layer) if model.default_layer in names else len(names) - 1
    kinds = {layer.kind for layer in model.layers[last : last + 1]}
    alike = [layer.name for layer in model.layers[: last + 1] if layer.kind in kinds]
    return alike[-LAYERS:]


def thumbs(displays: list[str], shown: int) -> list[Component]:
    """The inputs that are analysed, by the addresses of their pictures; the shown one is pressed."""
    return [
        html.Button(
            html.Img(src=href(display), alt=f"Input {number + 1}", width=56, height=56),
            id={"type": "concept-pick", "index": number},
            className="ev-concept-pick",
            n_clicks=0,
            **common.aria(pressed=str(number == shown).lower(), label=f"Show input {number + 1}"),
        )
        for number, display in enumerate(displays)
    ]


def export(job: str) -> Component:
    return html.Div(
        [
            html.A(
                [common.icon("download"), "Numbers (CSV)"],
                href=href(f"/concept-analyses/{job}/rows.csv"),
                className="ev-button",
            ),
            html.A(
                [common.icon("download"), "Everything (JSON)"],
                href=href(f"/concept-analyses/{job}"),
                className="ev-button",
                download="concepts.json",
            ),
        ],
        className="ev-row",
    )
