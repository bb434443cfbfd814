"""The conditions a map holds under and its numbers: what was run, on what, at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from app.core.schemas import Explanation, Record
from frontend.ui import figures, words
from frontend.ui.common import aria, facts, icon, note

DRAWN = ("coefficients", "band", "errors")
"""What a method may have kept beside its map that is drawn here."""


def receipt(
    explanation: Explanation, values: np.ndarray | None = None, arrays: Mapping[str, np.ndarray] | None = None
) -> Component:
    """Everything worth knowing about one map; while it grows, only how far it is. values: the map,
    `[H, W]`. arrays: by name, of `DRAWN`."""
    if explanation.record is None:
        progress = explanation.progress
        text = f"{explanation.state.capitalize()}: {progress.done:,} of {progress.total:,} {progress.unit}. The numbers follow when the map is finished."
        return note(text)
    record = explanation.record
    notes = [note(text) for text in record.notes]
    drawn = [
        chart(title, figure)
        for title, figure in [*figures.of_arrays(arrays or {}), *of_map(values, pieces=not arrays)]
    ]
    return html.Div(
        [
            *quality(record),
            facts(numbers(record)),
            *notes,
            *drawn,
            html.H3("Conditions", className="ev-card-title"),
            facts(conditions(record)),
        ]
    )


def quality(record: Record) -> list[Component]:
    """What the method measured about its map, each with what it means."""
    return [
        html.P(
            [
                html.Strong([icon(words.QUALITY_ICON[said.state]), f" {said.figure} {said.word}. "]),
                said.meaning,
            ],
            className="ev-remark ev-remark--warning" if said.state == "poor" else "ev-remark",
        )
        for said in record.quality
    ]


def of_map(values: np.ndarray | None, pieces: bool = True) -> list[tuple[str, go.Figure]]:
    """What the map itself says in numbers: its pieces, if it is made of pieces and they are wanted, and
    how concentrated it is."""
    if values is None or not values.any():
        return []
    made = figures.pieces(values) if pieces else None
    return [
        *([("Values of its pieces", made)] if made is not None else []),
        ("How concentrated the evidence is", figures.concentration(values)),
    ]


def chart(title: str, figure: go.Figure) -> Component:
    return html.Section(
        [html.H3(title, className="ev-card-title"), figures.graph(figure)],
        className="ev-chart",
        **aria(label=title),
    )


def numbers(record: Record) -> dict[str, Any]:
    """The result in numbers."""
    rows: dict[str, Any] = {
        "Explains": record.target_label,
        "Range": f"{words.number(record.vmin)} to {words.number(record.vmax)}",
        "Sign": "supports and speaks against" if record.signed else "supports only",
    }
    if record.gap is not None:
        rows["Gap: what the sum of the map misses"] = f"{100 * record.gap:.2g} % of what it must be"
    for name, value in record.extras.items():
        if isinstance(value, bool):
            rows[words.named(name)] = "yes" if value else "no"
        elif isinstance(value, (int, float)):
            rows[words.named(name)] = words.number(value)
        elif isinstance(value, str):
            rows[words.named(name)] = value
    return rows


def conditions(record: Record) -> dict[str, Any]:
    """What must be the same for the same map."""
    rows: dict[str, Any] = {
        "Method": record.method_title,
        "Model": record.model,
        "Weights (sha256)": html.Code(record.weights_sha256, className="ev-breaks"),
        "Layer": record.layer or "none",
        "Parameters": ", ".join(
            f"{words.sentence(name)} {value_words(value)}" for name, value in record.params.items()
        )
        or "none",
        "Seed": str(record.seed),
        "Grid": f"{record.shape[0]} × {record.shape[1]} cells, computed at {record.native[0]} × {record.native[1]}",
        "Cost": f"{words.seconds(record.seconds)}, {record.forwards:,} forward and {record.backwards:,} backward passes on {record.device} in {record.precision}",
        "Made": record.created,
        "Map (sha256)": html.Code(record.values_sha256, className="ev-breaks"),
    }
    if record.window:
        rows["Window"] = f"{record.window[0]:.2f} to {record.window[1]:.2f} s"
    if record.versions:
        rows["Versions"] = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return rows


def value_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return words.number(value) if isinstance(value, (int, float)) else str(value)
