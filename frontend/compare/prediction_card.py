"""Scores with their interval, the class to explain, and what is known about the input or the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import ClassScore, Input, ModelInfo, Prediction, Sample
from frontend.ui import forms, words
from frontend.ui.common import action, aria, checks, hidden, icon, widget

SHOWN, MANY = 3, 12
"""Bars; classes from which on the list to choose from is searched. That list holds every class of the model."""


def prediction_view(
    prediction: Prediction,
    target: int,
    model: ModelInfo,
    sample: Sample | None,
    value: Input | None,
    asked: bool = False,
) -> list[Component]:
    """Left the bars and the class picker, right the words. asked: somebody wants the score that the gate
    withholds."""
    withheld = prediction.gate.state == "abstain" and not asked
    if withheld:
        left = [withheld_score(prediction)]
    else:
        left = [bars(prediction), *beside(prediction, model), picker(prediction, target, model.labels)]
    right = remarks(prediction, model, sample, value, withheld)
    summary = html.Section(widget("summary"), className="ev-summary-card", **aria(label="In words"))
    return [
        html.Div(left, className="ev-prediction-bars"),
        html.Div([summary, *right], className="ev-prediction-words"),
    ]


def withheld_score(prediction: Prediction) -> Component:
    """In place of the bars and the class: why there are none, and the way to them."""
    return html.Div(
        [
            html.Strong([icon("warning"), " Score withheld"]),
            *(html.P(reason, className="ev-remark") for reason in prediction.gate.reasons),
            action("Show the score anyway", id="score-ask"),
        ],
        className="ev-withheld",
    )


def beside(prediction: Prediction, model: ModelInfo) -> list[Component]:
    """What belongs to the bars: whether they decide, the coughs one by one, and how good the model is at all."""
    lines: list[Component] = []
    if prediction.undecided:
        meets = (
            "its interval reaches the middle"
            if len(prediction.classes) == 2
            else "the intervals of the first classes meet"
        )
        lines.append(html.P([icon("help"), f" Undecided: {meets}."], className="ev-small"))
    if len(prediction.coughs) > 1:
        lines.append(cough_by_cough(prediction))
    figure = own_auc(model.card)
    if figure is not None:
        low, high = figure.get("low"), figure.get("high")
        within = f" ({low:.2f}–{high:.2f})" if low is not None and high is not None else ""
        said = f"The model's own AUC {figure['value']:.2f}{within}; 0.5 is a coin toss"
        lines.append(html.P(said, className="ev-muted ev-small", title=figure["label"]))
    return lines


def cough_by_cough(prediction: Prediction) -> Component:
    """One score per cough, heard alone, and one for the recording. A press on one marks it in the recording and plays
    it alone."""
    top = prediction.top
    scores = [
        html.Button(
            [html.Span(f"{number} ", className="ev-muted"), f"{cough.scores[top]:.2f}"],
            className="ev-cough-score",
            type="button",
            title=f"Cough {number}, {cough.start:.2f} to {cough.end:.2f} s: press to hear it. The score is the model's for this cough alone.",
            **{
                **aria(
                    label=f"Hear cough {number}, {cough.start:.2f} to {cough.end:.2f} s, score {cough.scores[top]:.2f}",
                    pressed="false",
                ),
                "data-start": f"{cough.start:.4f}",
                "data-end": f"{cough.end:.4f}",
            },
        )
        for number, cough in enumerate(prediction.coughs, 1)
    ]
    mean = prediction.recording.get(top)
    whole = [] if mean is None else [html.Span(f"all together {mean:.2f}", className="ev-cough-score")]
    return html.Div(
        [html.Span(f"{label_of(prediction, top)}, cough by cough: ", className="ev-muted"), *scores, *whole],
        className="ev-small ev-cough-scores",
        role="group",
        **aria(label="Cough by cough"),
    )


def own_auc(card: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first AUC that the card states, as {label, value, low, high}."""
    for title, rows in card.items():
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and "value" in row and "AUC" in f"{title} {row.get('label', '')}":
                return row
    return None


def ranked(prediction: Prediction) -> list[ClassScore]:
    """The classes with a bar, highest scores first."""
    return sorted(prediction.classes, key=lambda score: -score.probability)[:SHOWN]


def bars(prediction: Prediction) -> Component:
    """One row per class: name, bar with interval, score. No class stands out of an undecided prediction, nor of
    one that was shown on request only."""
    decided = not prediction.undecided and prediction.gate.state != "abstain"
    rows = [
        bar(score, prediction.interval.get(score.index), decided and score.index == prediction.top)
        for score in ranked(prediction)
    ]
    return html.Div(rows, className="ev-scores")


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
            html.Span(f"{score.probability:.2f}", className="ev-score-value"),
            html.Span(
                f"{interval[0]:.2f}–{interval[1]:.2f}" if interval else "",
                className="ev-muted ev-score-range",
            ),
        ],
        className="ev-score ev-score--top" if top else "ev-score",
    )


def picker(prediction: Prediction, target: int, labels: Sequence[str]) -> Component:
    """Which class the maps explain: those with a score first, then every other that the model has."""
    scored = len(prediction.classes) > SHOWN
    likely = sorted(prediction.classes, key=lambda score: -score.probability)
    names = {score.index: score.label + (f" · {score.probability:.2f}" if scored else "") for score in likely}
    names |= {index: label for index, label in enumerate(labels) if index not in names}
    options = [{"value": str(index), "label": name} for index, name in names.items()]
    return html.Div(
        [
            html.Label("Explain", htmlFor="target-select", className="ev-muted"),
            dmc.Select(
                id="target-select",
                data=options,
                value=str(target),
                size="xs",
                allowDeselect=False,
                comboboxProps={"width": 300, "position": "bottom-end"},
                **(forms.SEARCH if len(options) > MANY else {}),
                **aria(label="Class to explain"),
            ),
            how_made(prediction),
        ],
        className="ev-picker",
    )


def how_made(prediction: Prediction) -> Component:
    """What the number is, and unfolded what its interval is over."""
    means = prediction.interval_means
    return html.Details(
        [
            html.Summary(words.SCORE, title=f"Interval: {means}" if means else None),
            html.P(f"Interval: {means}." if means else "It has no interval."),
        ],
        className="ev-muted ev-small ev-how",
    )


def remarks(
    prediction: Prediction,
    model: ModelInfo,
    sample: Sample | None,
    value: Input | None,
    withheld: bool = False,
) -> list[Component]:
    """What is known: about the sample, the fit of the input to the model, and the model itself."""
    lines: list[Component] = []
    if sample is not None:
        role = html.Strong(f" {words.ROLE[sample.role]}. ")
        lines.append(remark(icon(words.ROLE_ICON[sample.role]), role, sample.known))
    seen = {(check.key, check.state) for check in (value.checks if value else [])}
    new = [check for check in prediction.quality if (check.key, check.state) not in seen]
    if new:
        lines.append(checks(new))
    lines += [
        remark(icon("warning"), f" {check.label}: {check.detail}", kind="ev-remark--warning")
        for check in new
        if check.state in {"warning", "bad"} and not (withheld and check.detail in prediction.gate.reasons)
    ]
    caution, limits = model.card.get("caution") or model.card.get("confound"), model.card.get("limits")
    if isinstance(caution, str) and caution:
        lines.append(remark(icon("warning"), f" {caution}", kind="ev-remark--warning"))
    elif isinstance(limits, str) and limits:
        lines.append(remark(icon("info"), f" {limits}", kind="ev-muted"))
    if not lines:
        highest = (
            f"The model {model.title} gives its highest score to {label_of(prediction, prediction.top)}. "
        )
        told = "" if withheld or prediction.undecided else highest
        sentence = f"{told}Maps show which parts of the input spoke for or against the class above."
        lines.append(html.P([sentence, hidden(value.name) if value else ""], className="ev-remark"))
    return lines


def remark(*parts: Component | str, kind: str = "") -> Component:
    """A sentence that takes little room until it is opened."""
    return html.Details(html.Summary(html.Span(list(parts))), className=f"ev-remark {kind}".strip())


def label_of(prediction: Prediction, index: int) -> str:
    return next((score.label for score in prediction.classes if score.index == index), str(index))
