"""All filters of a layer as large charts: hovered, zoomed, saved as a picture. The numbers are those of one study
(`GET /internals/{id}`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from frontend.client import href
from frontend.ui import common, figures, words

Study = Mapping[str, Any]
SAVING: Any = {
    **figures.CONFIG,
    "displayModeBar": True,
    "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
CURVES = (
    ("descending", "strongest first", figures.PLAIN, "solid"),
    ("random", "random", "#7b858f", "dot"),
    ("ascending", "weakest first", "#7b858f", "dash"),
)
MOST = 40
"""Filters with a bar or a row."""


def all_charts(study: Study, correlation: np.ndarray | None, target: int, key: str) -> Component:
    """Every chart that the study has numbers for. correlation: `[n, n]` in filter order."""
    parts: list[Component] = [html.P(said(study), className="ev-muted ev-small")]
    if correlation is not None:
        text = "Alike filters stand side by side. Red: they answer to the same; blue: where one answers the other does not."
        parts.append(chart("Which filters are alike", matrix(correlation, study["order"]), text))
    if drops := importance(study, target):
        text = f"Mean change of the logit of {label_of(study, target)} when the filter is replaced by its mean map. Red: the class loses without it."
        parts.append(chart("What each filter is worth", drops, text))
    if (study.get("removal") or {}).get("counts"):
        text = "Share of inputs that keep their answer. A ranking that means something falls fastest when the strongest go first."
        parts.append(chart("Answers kept while filters are removed", removal(study["removal"]), text))
    if len((study.get("cka") or {}).get("layers", [])) > 1:
        text = "Linear CKA: 1 where two layers tell the same inputs apart in the same way."
        parts.append(
            chart("How alike the layers are", square(study["cka"]["layers"], study["cka"]["matrix"], 0), text)
        )
    if len((study.get("agreement") or {}).get("names", [])) > 1:
        names = [words.sentence(name) for name in study["agreement"]["names"]]
        text = "Kendall's tau between the rankings of the filters by each method: 1 is the same order, 0 none in common."
        parts.append(chart("Do the rankings agree", square(names, study["agreement"]["matrix"], -1), text))
    if aucs := classes(study):
        text = "AUC of the filter alone, over these inputs: 0.5 tells nothing, above it the filter is louder for the class."
        parts.append(chart("Filter and class", aucs, text))
    everything = html.A(
        [common.icon("download"), "Everything (JSON)"],
        href=href(f"/internals/{key}"),
        className="ev-button",
        download="filters.json",
    )
    return html.Div([*parts, everything], className="ev-inside-large")


def said(study: Study) -> str:
    calibration = study.get("calibration") or {}
    over = f"Over {calibration.get('count', 0):,} inputs: {calibration.get('title', 'not named')}."
    return f"{study['layer']} of {study['model']}. {over}"


def chart(title: str, figure: go.Figure, text: str) -> Component:
    figure.update_layout(
        margin_t=34, modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#7b858f", "activecolor": figures.PLAIN}
    )
    graph = dcc.Graph(
        figure=figure,
        config=SAVING,
        className="ev-graph",
        style={"height": f"{figure.layout.height}px"},
    )
    return common.card(title, graph, html.P(text, className="ev-muted ev-small"))


def matrix(correlation: np.ndarray, order: Sequence[int]) -> go.Figure:
    """Rows and columns in the order of the clusters; every cell says which two filters."""
    sorted_ = correlation[np.ix_(list(order), list(order))]
    names = [str(number) for number in order]
    figure = go.Figure(
        go.Heatmap(
            z=np.round(sorted_, 3),
            x=names,
            y=names,
            zmin=-1,
            zmax=1,
            colorscale="RdBu_r",
            colorbar={"thickness": 10, "title": {"text": "r"}},
            hovertemplate="filters %{y} and %{x}: r %{z:.2f}<extra></extra>",
        )
    )
    figure = figures.plain(figure, 520, "filter, in the order of the clusters", "")
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def label_of(study: Study, target: int) -> str:
    at = place(study, target)
    return str(study["labels"][at])


def place(study: Study, target: int) -> int:
    """Where the class stands among those of the study; the first where it is not among them."""
    return study["classes"].index(target) if target in study["classes"] else 0


def importance(study: Study, target: int) -> go.Figure | None:
    """The logit drop of the class for the filters that move it most, with its sign."""
    at = place(study, target)
    rows = [entry for entry in study["filters"] if entry.get("drops") and entry["drops"][at] is not None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda entry: -abs(entry["drops"][at]))[:MOST]
    figure = figures.signed_bars(
        [str(entry["index"]) for entry in rows], [entry["drops"][at] for entry in rows]
    )
    figure.update_traces(hovertemplate="without filter %{x}: logit down by %{y:.3f}<extra></extra>")
    return figure.update_layout(xaxis_title="filter", yaxis_title="logit lost")


def removal(curves: Mapping[str, Any]) -> go.Figure:
    figure = go.Figure()
    counts = curves["counts"]
    if curves.get("random_low") and curves.get("random_high"):
        band = {"x": counts, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(y=curves["random_low"], **band)
        figure.add_scatter(y=curves["random_high"], fill="tonexty", fillcolor="rgba(123,133,143,0.2)", **band)
    for name, title, colour, dash in CURVES:
        if curves.get(name):
            figure.add_scatter(
                x=counts,
                y=curves[name],
                name=title,
                mode="lines",
                line={"color": colour, "dash": dash, "width": 2},
            )
    figure = figures.plain(figure, 280, "filters removed", "answers kept")
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.25})
    return figure.update_yaxes(rangemode="tozero", range=[0, 1.03])


def square(names: Sequence[str], values: Sequence[Sequence[float | None]], low: float) -> go.Figure:
    """A small matrix with its numbers in the cells. low: where its scale begins."""
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(names),
            y=list(names),
            zmin=low,
            zmax=1,
            colorscale="Cividis" if low == 0 else "RdBu_r",
            showscale=False,
            texttemplate="%{z:.2f}" if len(names) <= 10 else None,
            hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
        )
    )
    figure = figures.plain(figure, 120 + 26 * len(names), "", "")
    figure.update_layout(margin_l=130)
    return figure.update_yaxes(autorange="reversed")


def classes(study: Study) -> go.Figure | None:
    """Filters by classes: AUC, the filters that matter most first."""
    rows = [entry for entry in study["filters"] if entry.get("auc")]
    if not rows:
        return None
    rows = sorted(rows, key=lambda entry: -abs(entry.get("importance") or 0))[:MOST]
    figure = go.Figure(
        go.Heatmap(
            z=[[entry["auc"][at] for entry in rows] for at in range(len(study["labels"]))],
            x=[str(entry["index"]) for entry in rows],
            y=[str(label) for label in study["labels"]],
            zmin=0,
            zmax=1,
            colorscale="RdBu_r",
            colorbar={"thickness": 10, "title": {"text": "AUC"}},
            hovertemplate="filter %{x}, %{y}: AUC %{z:.2f}<extra></extra>",
        )
    )
    figure = figures.plain(figure, 150 + 24 * len(study["labels"]), "filter", "")
    figure.update_layout(margin_l=110)
    return figure.update_xaxes(type="category")
