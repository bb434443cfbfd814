"""Scores with their interval, the class to explain, and what is known about the input or the model."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import ClassScore, Input, ModelInfo, Prediction, Sample
from frontend.ui import words
from frontend.ui.common import aria, checks, hidden, icon

SHOWN, SHOWN_OF_MANY, MANY = 3, 5, 12
"""Bars, of a few classes and of many; the list of classes to explain holds more."""


def prediction_view(
    prediction: Prediction, target: int, model: ModelInfo, sample: Sample | None, value: Input | None
) -> list[Component]:
    """Left the bars and the class picker, right the words."""
    left = html.Div([bars(prediction), picker(prediction, target)], className="ev-prediction-bars")
    return [left, html.Div(remarks(prediction, model, sample, value), className="ev-prediction-words")]


def ranked(prediction: Prediction) -> list[ClassScore]:
    """The classes with a bar, highest scores first."""
    most = SHOWN_OF_MANY if len(prediction.classes) > MANY else SHOWN
    return sorted(prediction.classes, key=lambda score: -score.probability)[:most]


def bars(prediction: Prediction) -> Component:
    """One row per class: name, bar with interval, score."""
    rows = [
        bar(score, prediction.interval.get(score.index), score.index == prediction.top)
        for score in ranked(prediction)
    ]
    return html.Div(rows, className="ev-scores ev-scores--many" if len(rows) > SHOWN else "ev-scores")


def bar(score: ClassScore, interval: tuple[float, float] | None, top: bool) -> Component:
    """The bracket over the bar is the interval; the numbers say the same."""
    parts: list[Component] = [
        html.Span(className="ev-score-fill", style={"width": f"{100 * score.probability:.1f}%"})
    ]
    spoken = f"{score.label}: score {score.probability:.2f}"
    if interval:
        low, high = interval
        parts.append(
            html.Span(
                className="ev-score-interval",
                style={"left": f"{100 * low:.1f}%", "width": f"{100 * (high - low):.1f}%"},
            )
        )
        spoken += f", interval {low:.2f} to {high:.2f}"
    return html.Div(
        [
            html.Span(score.label, className="ev-score-label", title=score.label),
            html.Span(parts, className="ev-score-track", role="img", **aria(label=spoken)),
            html.Strong(f"{score.probability:.2f}", className="ev-score-value"),
            html.Span(
                f"{interval[0]:.2f}–{interval[1]:.2f}" if interval else "",
                className="ev-muted ev-score-range",
            ),
        ],
        className="ev-score ev-score--top" if top else "ev-score",
    )


def picker(prediction: Prediction, target: int) -> Component:
    """Which class the maps explain."""
    scored = len(prediction.classes) > SHOWN
    options = [
        {
            "value": str(score.index),
            "label": f"Explain {score.label}" + (f" · {score.probability:.2f}" if scored else ""),
        }
        for score in sorted(prediction.classes, key=lambda score: -score.probability)
    ]
    return html.Div(
        [
            html.Span(
                [words.SCORE, hidden(f". Interval: {prediction.interval_means}")],
                className="ev-muted ev-small",
                title=f"Interval: {prediction.interval_means}" if prediction.interval_means else None,
            ),
            dmc.Select(
                id="target-select",
                data=options,
                value=str(target),
                size="xs",
                allowDeselect=False,
                searchable=len(options) > MANY,
                limit=200,
                comboboxProps={"width": 240, "position": "bottom-end"},
                **aria(label="Class to explain"),
            ),
        ],
        className="ev-picker",
    )


def remarks(
    prediction: Prediction, model: ModelInfo, sample: Sample | None, value: Input | None
) -> list[Component]:
    """What is known: about the sample, the fit of the input to the model, and the model itself."""
    lines: list[Component] = []
    if sample is not None:
        lines.append(
            html.P(
                [
                    icon(words.ROLE_ICON[sample.role]),
                    html.Strong(f" {words.ROLE[sample.role]}. "),
                    sample.known,
                ],
                className="ev-remark",
            )
        )
    seen = {(check.key, check.state) for check in (value.checks if value else [])}
    new = [check for check in prediction.quality if (check.key, check.state) not in seen]
    if new:
        lines.append(checks(new))
    lines += [
        html.P([icon("warning"), f" {check.label}: {check.detail}"], className="ev-remark ev-remark--warning")
        for check in new
        if check.state in {"warning", "bad"}
    ]
    caution = model.card.get("caution") or model.card.get("confound") or model.card.get("limits")
    if isinstance(caution, str) and caution:
        lines.append(html.P([icon("warning"), f" {caution}"], className="ev-remark ev-remark--warning"))
    if not lines:
        sentence = f"The model {model.title} gives its highest score to {label_of(prediction, prediction.top)}. Maps show which parts of the input spoke for or against the class above."
        lines.append(html.P([sentence, hidden(value.name) if value else ""], className="ev-remark"))
    return lines


def label_of(prediction: Prediction, index: int) -> str:
    return next((score.label for score in prediction.classes if score.index == index), str(index))
