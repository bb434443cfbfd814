"""Inside: from which layer on a decision stands, which filters carry it, and what happens without them.

address -> choice.load -> body (strip, and the widget `inside` that follows the jobs and draws) -> a choice in the strip
-> choice.choose -> another address -> choice.load. What moves with the layer is in the browser alone
(assets/evident/inside): no step of the scrubber asks the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from app.core.schemas import Catalogue, Input, ModelInfo, Prediction, Sample
from frontend.client import ApiProblem, href
from frontend.compare import prediction_card
from frontend.compare.subject import known_evidence, sample_of
from frontend.inside.address import INPUT, TRAINING, Link
from frontend.ui import common, forms, words
from frontend.ui.common import aria, icon, widget

BARS = 2
"""Classes with a bar in the strip."""
FEWEST = 10
"""Inputs without which nothing is said about filters."""


def layout(**query: str) -> Component:
    """Drawn at once; what needs the API follows."""
    return html.Div(
        [
            dcc.Store(id="inside-query", data=query),
            dcc.Store(id="inside-opened"),
            dcc.Store(id="inside-shown"),
            dcc.Store(id="inside-place"),
            dcc.Store(id="inside-address"),
            dcc.Store(id="inside-upload"),
            dcc.Store(id="inside-window"),
            dcc.Store(id="inside-study"),
            html.H1("Inside the network", className="ev-visually-hidden"),
            html.Div(skeleton(), id="inside-body"),
        ]
    )


def skeleton() -> Component:
    """The page's shape while the server is asked."""
    return html.Div(
        [
            html.Div(common.skeleton(2), className="ev-card ev-inside-strip"),
            common.card("Layers", common.skeleton(9), className="ev-inside-layers"),
        ],
        className="ev-inside",
        **aria(busy="true"),
    )


def switch(view: str) -> Component:
    """Between the page's two halves."""
    return dmc.SegmentedControl(
        id="inside-view",
        data=[{"value": INPUT, "label": "This input"}, {"value": TRAINING, "label": "Through training"}],
        value=view,
        size="xs",
        **aria(label="What is shown"),
    )


@dataclass(frozen=True)
class Opened:
    """What the address asks for, with what the API says about it. prediction: None where it was refused (`trouble`)."""

    catalogue: Catalogue
    samples: Sequence[Sample]
    limits: Mapping[str, Any]
    model: ModelInfo
    value: Input | None
    prediction: Prediction | None
    trouble: ApiProblem | None
    link: Link

    @property
    def target(self) -> int:
        """The class whose evidence is shown."""
        assert self.prediction
        wanted = self.link.target
        return wanted if wanted is not None and wanted < len(self.model.labels) else self.prediction.top

    @property
    def withheld(self) -> bool:
        prediction = self.prediction
        return prediction is not None and prediction.gate.state == "abstain" and not self.link.anyway


def body(opened: Opened) -> Component:
    """Strip and, below it, everything that follows from one input."""
    below = inside(opened) if opened.prediction and not opened.withheld else waiting(opened)
    return html.Div([strip(opened), below], className="ev-inside")


def strip(opened: Opened) -> Component:
    """What is looked at: input, prediction, class, model."""
    return html.Section(
        [
            switch(INPUT),
            html.Div(choose_input(opened), className="ev-inside-source"),
            html.Div(heard(opened), className="ev-inside-heard"),
            html.Div(scores(opened), className="ev-inside-scores"),
            html.Div(choose_class(opened), className="ev-inside-choices"),
        ],
        className="ev-card ev-inside-strip",
        **aria(label="Input, prediction and model"),
    )


def choose_input(opened: Opened) -> list[Component]:
    value = opened.value
    options = input_options(opened.samples, opened.model, value)
    return [
        dmc.Select(
            id="inside-input",
            data=options,
            value=value.id if value else None,
            placeholder="Choose a sample",
            size="xs",
            allowDeselect=False,
            maxDropdownHeight=420,
            comboboxProps={"width": 300, "position": "bottom-start"},
            **aria(label="Input"),
        ),
        widget(
            "upload",
            store="inside-upload",
            limits=dict(opened.limits),
            **{"as": "auto"},
            compact="1",
            word="Upload",
        ),
    ]


def input_options(samples: Sequence[Sample], model: ModelInfo, value: Input | None) -> list[dict[str, Any]]:
    """The model's own samples first, then the others; a file of one's own, when it is open, before all."""
    titles: dict[str, str] = {}
    for sample in sorted(samples, key=lambda sample: sample.model != model.key):
        titles.setdefault(sample.input, sample.title)
    own = [key for key in titles if any(s.input == key and s.model == model.key for s in samples)]
    groups = {
        f"For {model.title}": own,
        "Other samples, with their own model": [key for key in titles if key not in own],
    }
    listed = [
        {"group": group, "items": [{"value": key, "label": titles[key]} for key in keys]}
        for group, keys in groups.items()
        if keys
    ]
    if value and value.id not in titles:
        name = value.name or words.MODALITY[value.modality]
        listed.insert(0, {"group": "Yours", "items": [{"value": value.id, "label": name}]})
    return listed


def heard(opened: Opened) -> list[Component]:
    """The recording with its player, or the picture, small."""
    value, prediction = opened.value, opened.prediction
    if value is None:
        return []
    facts = html.Span(words.describe_input(value), className="ev-muted ev-small")
    if value.modality != "audio":
        picture = html.Img(
            src=href(f"/inputs/{value.id}/preview.png?size=192"), alt="The input", className="ev-inside-thumb"
        )
        return [picture, facts]
    window = prediction.window if prediction else None
    player = widget(
        "player",
        input=value.id,
        coughs=[cough.model_dump() for cough in value.coughs],
        waveform=value.waveform,
        seconds=value.seconds,
        window=list(window) if window else None,
        store="inside-window",
        className="ev-inside-player",
    )
    return [player, facts]


def scores(opened: Opened) -> list[Component]:
    """The model's own scores, or why there are none."""
    if opened.trouble:
        return [common.problem(opened.trouble)]
    prediction = opened.prediction
    if prediction is None:
        return []
    if opened.withheld:
        reasons = " ".join(prediction.gate.reasons)
        return [
            html.P(
                [icon("warning"), html.Strong(" Score withheld. "), reasons], className="ev-inside-withheld"
            ),
        ]
    decided = not prediction.undecided
    ranked = prediction_card.ranked(prediction)[:BARS]
    bars = [prediction_card.bar(score, None, decided and score.index == prediction.top) for score in ranked]
    return [
        html.Div(bars, className="ev-scores"),
        html.Span(words.SCORE.lower().replace(", ", ",\n"), className="ev-muted ev-small ev-inside-means"),
    ]


def choose_class(opened: Opened) -> list[Component]:
    models = [info for info in opened.catalogue.models if info.available]
    if opened.model.key not in {info.key for info in models}:
        models.append(opened.model)
    fields: list[Component] = []
    if opened.prediction and not opened.withheld:
        options = class_options(opened.prediction, opened.model)
        fields.append(
            dmc.Select(
                id="inside-class",
                data=options,
                value=str(opened.target),
                size="xs",
                allowDeselect=False,
                comboboxProps={"width": 280, "position": "bottom-end"},
                **(forms.SEARCH if len(options) > prediction_card.MANY else {}),
                **aria(label="Class to explain"),
            )
        )
    else:
        fields.append(html.Div(dmc.Select(id="inside-class", data=[], value=None), hidden=True))
    fields.append(
        dmc.Select(
            id="inside-model",
            data=[{"value": info.key, "label": info.title} for info in models],
            value=opened.model.key,
            size="xs",
            allowDeselect=False,
            maxDropdownHeight=420,
            comboboxProps={"width": 280, "position": "bottom-end"},
            **aria(label="Model"),
        )
    )
    return fields


def class_options(prediction: Prediction, model: ModelInfo) -> list[dict[str, str]]:
    """Likely classes first, then every other that the model has."""
    likely = sorted(prediction.classes, key=lambda score: -score.probability)
    names = {score.index: score.label for score in likely}
    names |= {index: label for index, label in enumerate(model.labels) if index not in names}
    return [{"value": str(index), "label": f"Explain {label}"} for index, label in names.items()]


def inside(opened: Opened) -> Component:
    """The widget that does all the rest."""
    value, prediction, link = opened.value, opened.prediction, opened.link
    assert value
    assert prediction
    sample = sample_of(list(opened.samples), value, opened.model)
    known = known_evidence(sample)
    subject = {
        "input": value.id,
        "model": opened.model.key,
        "title": opened.model.title,
        "target": opened.target,
        "top": prediction.top,
        "labels": dict(enumerate(opened.model.labels)),
        "start": link.start,
        "window": prediction.window,
        "sound": prediction.x_axis.unit == "s",
        "display": href(prediction.display),
        "axes": {"y_axis": prediction.y_axis.model_dump(), "x_axis": prediction.x_axis.model_dump()},
        "sets": own_sets(opened.samples, opened.model),
        "takes": opened.model.modalities,
    }
    return html.Div(
        [
            widget(
                "inside",
                id="inside-widget",
                subject=subject,
                layer=link.layer,
                filter=link.filter,
                known=known,
                className="ev-inside-cards",
            ),
            common.drawer(
                html.Div(id="inside-large-body"),
                id="inside-large",
                title="All filters of the layer",
                position="right",
                size=760,
            ),
        ]
    )


def own_sets(samples: Sequence[Sample], model: ModelInfo) -> list[dict[str, Any]]:
    """The operator's folder (`evident serve --inputs`) as inputs that the filters can be studied over, with its labels where all of
    them name classes of the model; none where it holds fewer than ten that the model takes."""
    own = [sample for sample in samples if sample.group == "own" and sample.modality in model.modalities]
    files = {sample.input: sample for sample in own}
    if len(files) < FEWEST:
        return []
    labels = [class_named(sample.label, model.labels) for sample in files.values()]
    labelled = None not in labels
    title = f"{len(files)} files of your folder" + ("" if labelled else ", by the model's answers")
    return [{"title": title, "inputs": list(files), "labels": labels if labelled else None}]


def class_named(label: str | None, labels: Sequence[str]) -> int | None:
    """The class that a folder's label names: by its name, capitals aside, or by its number."""
    if label is None:
        return None
    names = [name.casefold() for name in labels]
    if label.casefold() in names:
        return names.index(label.casefold())
    return int(label) if label.isascii() and label.isdigit() and int(label) < len(labels) else None


def waiting(opened: Opened) -> Component:
    """Where nothing can be shown: what the page is for and the way on."""
    about = (
        "This page opens the network on one input: from which layer on its answer stands, which filters carry "
        "it, and what happens when they are switched off."
    )
    if opened.withheld:
        ask = common.action(
            "Show the score and the layers anyway", id={"type": "inside-anyway", "key": "ask"}
        )
        return common.card("", html.P(about), ask)
    return common.card(
        "",
        html.P(about),
        html.P("Choose an input and a model that takes it in the strip above.", className="ev-muted"),
    )


def unreachable(refusal: ApiProblem) -> Component:
    """The page when the computing side does not answer."""
    retry = html.A("Try again", href="/inside", className="ev-button")
    return html.Div(common.card("", common.problem(refusal, retry)), className="ev-inside")
