"""What stands beside: the way to it, its line under the prediction, its panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import Fit, Input, MethodInfo, ModelInfo, Prediction, Problem, Sample
from frontend import ids
from frontend.client import ApiProblem, href
from frontend.compare import methods_card, prediction_card
from frontend.compare.panels import axes_of, head, map_widget, nth
from frontend.ui.common import aria, drawer, hidden, icon, note, problem, sets, widget

LETTER = "B"
"""Of the second side; the first is A (beside.css, assets/evident/panel/panel.mjs)."""


def choice() -> Component:
    """Quiet: two words in the head of the card of the model."""

    def way(key: str, word: str) -> Component:
        return html.Button(
            word,
            id=key,
            className="ev-link",
            type="button",
            n_clicks=0,
            title=f"Put another {word} beside this one",
            **aria(label=f"Beside: another {word}"),
        )

    ways: list[str | Component] = [
        "Beside: ",
        way("beside-input-open", "input"),
        " | ",
        way("beside-model-open", "network"),
    ]
    return html.Span(ways, className="ev-beside-choice ev-muted ev-small ev-when-open")


def card(paired: bool) -> Component:
    """One line under the prediction; hidden until something is beside."""
    box = dmc.Checkbox(id="beside-paired", label="One colour scale per pair", checked=paired, size="xs")
    close = html.Button(
        [icon("close"), hidden("Close the second side")],
        id="beside-close",
        className="ev-icon-button",
        n_clicks=0,
        type="button",
        title="Close the second side",
    )
    return html.Section(
        [
            html.Div(id="beside-view", className="ev-beside-view"),
            html.Div(
                [widget("contrast", id="contrast", known="", scores=""), box], className="ev-beside-words"
            ),
            close,
        ],
        id="beside-card",
        className="ev-card ev-beside ev-when-open",
        **aria(label="Beside"),
    )


def choices_drawer() -> Component:
    return drawer(
        html.Div(id="beside-choices"), id="beside-drawer", title="Beside this one", position="left", size=420
    )


def inputs(
    samples: Sequence[Sample], model: ModelInfo, shown: str, limits: Mapping[str, Any]
) -> list[Component]:
    """Upload, recent ones and samples of a kind that the network takes, without the one on show."""
    own = [
        widget(
            "upload",
            store="beside-input-store",
            limits=dict(limits),
            **{"as": "auto"},
            compact="1",
            word="Upload",
        ),
        widget("recent", store="beside-input-store", className="ev-recents"),
    ]
    own_first = sorted(samples, key=lambda sample: sample.model != model.key)
    usable = {
        sample.input: sample
        for sample in own_first
        if sample.modality in model.modalities and sample.input != shown
    }
    listed = [
        _row(sample.title, sample.description, {"kind": "input", "key": sample.input}, _thumb(sample))
        for sample in usable.values()
    ]
    return [*own, html.Ul(listed, className="ev-gallery ev-gallery--narrow")]


def models(listed: Sequence[ModelInfo], modality: str, shown: str) -> list[Component]:
    """Networks that take the input, without the one on show."""
    usable = [model for model in listed if model.key != shown and not methods_card.why_not(model, modality)]
    if not usable:
        return [note("No other network here takes this kind of input. Models adds one.")]
    rows = [
        _row(model.title, f"{len(model.labels):,} classes", {"kind": "model", "key": model.key})
        for model in usable
    ]
    return [html.Ul(rows, className="ev-gallery ev-gallery--narrow")]


def _row(title: str, about: str, data: dict[str, str], picture: Component | None = None) -> Component:
    told = html.Span(
        [html.Span(title, className="ev-sample-title"), html.Span(about, className="ev-sample-text")],
        className="ev-sample-words",
    )
    parts = [picture, told] if picture else [told]
    return html.Li(
        html.Button(
            parts, className="ev-sample ev-sample--brief", type="button", **sets("beside-store", data)
        )
    )


def _thumb(sample: Sample) -> Component:
    picture: Any = icon("sound")
    if sample.modality != "audio":
        picture = html.Img(
            src=href(f"/inputs/{sample.input}/preview.png?size=192"), alt="", className="ev-thumb"
        )
    return html.Span(picture, className="ev-thumb-box")


def side(name: str, of: Input | ModelInfo, prediction: Prediction, withheld: bool) -> list[Component]:
    """Name and bars. of: what is other than above."""
    picture: list[Component] = []
    if isinstance(of, Input) and of.modality != "audio":
        src = href(f"/inputs/{of.id}/preview.png?size=192")
        picture = [html.Img(src=src, alt="", className="ev-beside-picture")]
    title = html.Strong(f"{LETTER} · {name}", className="ev-side-name", title=name)
    if withheld:
        said = [html.P(reason, className="ev-remark") for reason in prediction.gate.reasons]
        bars: Component = html.Div([html.Strong([icon("warning"), " Score withheld"]), *said])
    else:
        bars = prediction_card.bars(prediction)
    return [html.Div([*picture, title], className="ev-beside-name"), bars]


def panels(
    methods: Sequence[MethodInfo],
    fits: Mapping[str, Fit],
    runs: Mapping[str, Mapping[str, Any]],
    prediction: Prediction,
) -> list[Component]:
    """Each under its partner: the input, then the maps in the same order."""
    axes = axes_of(prediction)
    first = html.Div(
        widget(
            "input-map",
            display=prediction.display,
            input=prediction.input,
            title=f"{LETTER} · Input",
            axes=axes,
            side="beside",
        ),
        className="ev-card ev-panel ev-panel--input",
        style=nth(0),
    )
    rest = [
        html.Section(
            inside(method, fits.get(method.key), runs.get(method.key), prediction, axes),
            className=f"ev-card ev-panel {'ev-panel--map' if 'id' in runs.get(method.key, {}) else 'ev-panel--offer'}",
            style=nth(place),
            **aria(label=f"{LETTER} · {method.title}"),
        )
        for place, method in enumerate(methods, 1)
    ]
    return [first, *rest]


def inside(
    method: MethodInfo,
    fit: Fit | None,
    run: Mapping[str, Any] | None,
    prediction: Prediction,
    axes: dict[str, Any],
) -> list[Component]:
    """A map, or why there is none."""
    title = head(f"{LETTER} · {method.title}")
    if fit is not None and not fit.ok:
        return [
            title,
            html.Div([html.P("Does not fit this network."), html.P(fit.reason)], className="ev-offer"),
        ]
    if run is None:
        return [
            title,
            html.Div(html.P("Runs with the map above.", className="ev-muted"), className="ev-offer"),
        ]
    if "problem" in run:
        refusal = ApiProblem(Problem.model_validate(run["problem"]))
        return [title, problem(refusal)]
    return [
        map_widget(method, run["id"], prediction, id=ids.panel_beside(method.key), side="beside", axes=axes)
    ]
