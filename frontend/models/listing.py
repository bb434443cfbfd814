"""The list of models: what each takes, how well it really does, and what can be done with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from dash import dcc, html
from dash.development.base_component import Component

from app.core.schemas import ModelInfo
from frontend.models.card import rows_of
from frontend.ui import common, words

COLUMNS = (
    "On this machine",
    "Takes",
    "Tells apart",
    "How well, on what it never saw",
    "Parameters",
    "Weights, licence",
)


def listing(models: Sequence[ModelInfo]) -> Component:
    head = html.Div(
        [html.Span(word) for word in (*COLUMNS, "")],
        className="ev-model-columns",
        **common.aria(hidden="true"),
    )
    return html.Section(
        [head, html.Ul([model_row(model) for model in models], className="ev-models")],
        className="ev-card ev-models-card",
        **common.aria(label="Models on this machine"),
    )


def model_row(model: ModelInfo) -> Component:
    """One model: what it takes, where it comes from, whether it can be used now."""
    kinds = [
        html.Span(
            [common.icon("sound" if name == "audio" else "image"), words.MODALITY[name]],
            className="ev-model-kind",
        )
        for name in model.modalities
        if name != "spectrogram" or len(model.modalities) == 1
    ]
    digest = (
        html.Code(model.digest[:8], title=f"sha256 {model.digest}") if model.digest else "not on this machine"
    )
    licence = model.licence or "licence not stated"
    parameters = "" if model.parameters is None else words.millions(model.parameters)
    return html.Li(
        [
            html.H2(model.title, className="ev-model-title"),
            html.Span(kinds, className="ev-model-kinds"),
            html.Span(f"{len(model.labels):,} classes"),
            how_well(model),
            html.Span(parameters, className="ev-muted"),
            html.Span(
                [digest, " · ", licence],
                className="ev-model-weights",
                title=f"{licence}. Source: {model.source or 'not stated'}",
            ),
            html.Div(actions(model), className="ev-model-actions"),
        ],
        className="ev-model",
    )


def how_well(model: ModelInfo) -> Component:
    """Its first figure, with a mark where the card warns of it."""
    if not model.available:
        return html.Span(
            [common.icon("warning"), model.reason or "not available"],
            className="ev-model-well ev-model-well--warned",
        )
    found = next(((name, rows) for name, value in model.card.items() if (rows := rows_of(value))), None)
    if found is None:
        return html.Span("not measured here", className="ev-model-well ev-muted")
    title, row = found[0], found[1][0]
    low, high, label = row.get("low"), row.get("high"), str(row["label"])
    if title.upper().startswith("AUC") and "AUC" not in label:
        label = f"AUC, {label[:1].lower()}{label[1:]}"
    interval = "" if low is None or high is None else f" ({low:.2f}–{high:.2f})"
    text = f"{label} {float(row['value']):.2f}{interval}"
    caution = model.card.get("caution")
    if caution:
        return html.Span(
            [
                common.icon("warning"),
                html.Span([text, html.Span(first_clause(str(caution)), className="ev-model-why")]),
            ],
            className="ev-model-well ev-model-well--warned",
            title=str(caution),
        )
    return html.Span(text, className="ev-model-well")


def first_clause(text: str) -> str:
    """`A demonstration, not a diagnosis: on these ...` -> `A demonstration, not a diagnosis.`"""
    return re.split(r"[.:;](?:\s|$)", text, maxsplit=1)[0] + "."


def actions(model: ModelInfo) -> list[Component]:
    parts: list[Component] = [
        html.Button(
            "Card",
            id={"type": "model-open", "key": model.key},
            className="ev-button",
            n_clicks=0,
            **common.aria(label=f"Card of {model.title}"),
        )
    ]
    if model.available:
        parts.append(
            dcc.Link(
                ["Use", common.hidden(f" {model.title} in Compare")],
                href=f"/?model={quote(model.key, safe='')}",
                className="ev-button",
            )
        )
    if not model.bundled:
        parts.append(
            html.Button(
                [common.icon("trash"), common.hidden(f"Delete {model.title}")],
                id={"type": "model-delete", "key": model.key},
                className="ev-button",
                title="Delete",
                n_clicks=0,
                **common.confirm(
                    f"{model.title} goes from this server. To use it again it has to be brought again. This cannot be undone."
                ),
            )
        )
    return parts
