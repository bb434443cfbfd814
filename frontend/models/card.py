"""A model's card: where it comes from, its honest figures side by side, and everything else it says about
itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from app.core.schemas import ModelInfo
from frontend.ui import words
from frontend.ui.common import aria, facts, note, table

LONG = 12
"""Labels and layers shown before "and n more"."""


FIRST = ("caution", "confound", "limits")
"""Warnings come before everything else."""
ELSEWHERE = ("title", "labels", "sha256", "licence", "source", "default_for")
"""Said by the network's own part already."""


def model_card(model: ModelInfo) -> Component:
    """The whole card."""
    card = {name: value for name, value in model.card.items() if name not in ELSEWHERE}
    warnings = [
        note(value, "warning") for name, value in card.items() if name in FIRST and isinstance(value, str)
    ]
    rest = {name: value for name, value in card.items() if not (name in FIRST and isinstance(value, str))}
    measured = [
        part for name, value in rest.items() for part in figures(words.sentence(name), rows_of(value))
    ]
    told = [part for name, value in rest.items() for part in section(name, without_figures(value))]
    paper = [html.P(model.paper, className="ev-muted")] if model.paper else []
    return html.Div(
        [
            *paper,
            *warnings,
            *measured,
            *told,
            html.H3("Network", className="ev-card-title"),
            facts(network(model)),
        ],
        className="ev-model-card",
    )


def network(model: ModelInfo) -> dict[str, Any]:
    layers = [f"{layer.name} ({' × '.join(map(str, layer.shape))})" for layer in model.layers]
    return {
        "Key": html.Code(model.key),
        "Takes": ", ".join(words.MODALITY[name].lower() for name in model.modalities),
        "Input": ", ".join(
            f"{words.sentence(name).lower()} {_plain(value)}" for name, value in model.input.items()
        ),
        "Classes": _some(model.labels),
        "Layers": _some(layers),
        "Weights (sha256)": html.Code(model.digest or "fetched on first use", className="ev-breaks"),
        "Source": model.source or "not stated",
        "Licence": model.licence or "not stated",
    }


def _some(items: Sequence[str]) -> str:
    text = ", ".join(items[:LONG])
    return text if len(items) <= LONG else f"{text} and {len(items) - LONG:,} more"


def _is_figure(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("value"), (int, float))


def rows_of(value: Any, label: str = "") -> list[dict[str, Any]]:
    """Every figure in an entry: `{label, value, low?, high?, spread?, note?}` in a list, or the same as
    values of a mapping, however deep."""
    if _is_figure(value):
        return [{"label": label, **value}]
    if isinstance(value, Mapping):
        return [
            row
            for name, part in value.items()
            for row in rows_of(part, f"{label}, {name}" if label else words.sentence(str(name)))
        ]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [row for part in value if _is_figure(part) for row in rows_of(part)]
    return []


def without_figures(value: Any) -> Any:
    """What is left of an entry for words."""
    if isinstance(value, Mapping):
        return {name: part for name, part in value.items() if not rows_of(part)}
    return value if not rows_of(value) else None


def figures(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Component]:
    """Bars from 0 to 1 with the interval, for AUC with a line at chance; the numbers beside them say the
    same."""
    if rows:
        yield html.H3(title, className="ev-card-title")
        chance = "AUC" in title
        yield html.Div(
            [figure_row(row, chance or "AUC" in str(row["label"])) for row in rows], className="ev-measures"
        )


def figure_row(row: Mapping[str, Any], chance: bool) -> Component:
    value, low, high = float(row["value"]), row.get("low"), row.get("high")
    interval = (
        f"{low:.2f}–{high:.2f}"
        if low is not None and high is not None
        else (f"± {row['spread']:.2f}" if row.get("spread") is not None else "")
    )
    marks: list[Component] = [
        html.Span(className="ev-score-fill", style={"width": f"{100 * min(max(value, 0), 1):.1f}%"})
    ]
    if low is not None and high is not None:
        marks.append(
            html.Span(
                className="ev-score-interval",
                style={"left": f"{100 * low:.1f}%", "width": f"{100 * (high - low):.1f}%"},
            )
        )
    if chance:
        marks.append(html.Span(className="ev-score-chance", title="chance"))
    return html.Div(
        [
            html.Span(
                [
                    row["label"],
                    html.Span(f" {row['note']}", className="ev-muted") if row.get("note") else None,
                ],
                className="ev-measure-label",
            ),
            html.Span(
                marks,
                className="ev-score-track",
                role="img",
                **aria(label=f"{row['label']}: {value:.2f} {interval}"),
            ),
            html.Strong(f"{value:.2f}", className="ev-score-value"),
            html.Span(interval, className="ev-muted ev-score-range"),
        ],
        className="ev-measure",
    )


def section(name: str, value: Any) -> Iterator[Component]:
    """Any other entry: prose, list, table or names and values."""
    if value in (None, "", [], {}):
        return
    yield html.H3(words.sentence(name), className="ev-card-title")
    if isinstance(value, Mapping):
        yield facts({words.sentence(str(key)): _plain(part) for key, part in value.items()})
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(row, Mapping) for row in value):
            head = list(value[0])
            yield table(
                [words.sentence(column) for column in head],
                [[_plain(row.get(column)) for column in head] for row in value],
                words.sentence(name),
            )
        else:
            yield html.Ul([html.Li(_plain(part)) for part in value])
    else:
        yield html.P(_plain(value))


def _plain(value: Any) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return words.number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{words.sentence(str(key)).lower()} {_plain(part)}" for key, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (
            " × ".join(_plain(part) for part in value)
            if len(value) <= 4 and all(isinstance(part, int) for part in value)
            else ", ".join(_plain(part) for part in value)
        )
    return str(value)
