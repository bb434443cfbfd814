"""Charts where a chart library is right: curves and bars of a record's numbers. Maps are drawn in the
browser, not here.

Axis text and grid take their colours from theme.css, so that one figure serves both themes; only marks carry
a colour of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import dcc

CONFIG: Any = {"displaylogo": False, "showSendToCloud": False, "displayModeBar": False, "responsive": True}
FOR, AGAINST, PLAIN = "#b40426", "#3b4cc0", "#4a7bc8"
"""Ends of the coolwarm scale (supports, speaks against), and the accent for numbers without a sign."""
SHOWN = 40


def graph(figure: go.Figure, key: str | None = None) -> dcc.Graph:
    """A figure without the library's buttons: nothing on the page offers to send data anywhere."""
    named: dict[str, Any] = {"id": key} if key else {}
    return dcc.Graph(
        figure=figure,
        config=CONFIG,
        className="ev-graph",
        style={"height": f"{figure.layout.height}px"},
        **named,
    )


def plain(figure: go.Figure, height: int, x: str, y: str) -> go.Figure:
    """Sizes, fonts and grounds that every chart shares."""
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 12, "t": 10, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        font={"family": "system-ui, sans-serif", "size": 12},
        xaxis={"title": {"text": x, "font": {"size": 12}}, "zeroline": False},
        yaxis={"title": {"text": y, "font": {"size": 12}}, "zeroline": True},
        hoverlabel={"font_size": 12},
    )
    return figure


def curve(
    values: Sequence[float], name: str, x: Sequence[float] | None = None, x_name: str = "step"
) -> go.Figure:
    """A number against the step, e.g. how far a sum is from what it must reach."""
    figure = go.Figure(
        go.Scatter(
            x=list(x) if x is not None else list(range(1, len(values) + 1)),
            y=list(values),
            mode="lines",
            line={"color": PLAIN, "width": 2},
        )
    )
    return plain(figure, 220, x_name, name)


def signed_bars(
    names: Sequence[str],
    values: Sequence[float],
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
) -> go.Figure:
    """Largest first, what supports and what speaks against in the colours of the maps, the band as
    whiskers."""
    order = sorted(range(len(values)), key=lambda i: -abs(values[i]))[:SHOWN]
    taken = [values[i] for i in order]
    band = None
    if low is not None and high is not None:
        band = {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high[i] - values[i]) for i in order],
            "arrayminus": [max(0.0, values[i] - low[i]) for i in order],
            "thickness": 1,
            "width": 2,
            "color": "#7b858f",
        }
    figure = go.Figure(
        go.Bar(
            x=[names[i] for i in order],
            y=taken,
            error_y=band,
            marker_color=[FOR if value >= 0 else AGAINST for value in taken],
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        )
    )
    figure.update_xaxes(type="category")
    return plain(figure, 260, "", "weight")


def concentration(values: np.ndarray) -> go.Figure:
    """How much of the evidence lies in how little of the area: cells sorted by |value|, their running share
    of the sum of |value|.

    The dashed line is a map without any preference. values: `[H, W]`.
    """
    strength = np.sort(np.abs(values.astype(np.float64)).ravel())[::-1]
    total = strength.sum()
    share = np.r_[0, np.cumsum(strength) / total] if total else np.linspace(0, 1, strength.size + 1)
    area = np.linspace(0, 1, share.size)
    drawn = np.unique(np.round(np.linspace(0, share.size - 1, 201)).astype(int))
    figure = curve(
        (100 * share[drawn]).tolist(),
        "% of the evidence",
        (100 * area[drawn]).tolist(),
        "% of the area, strongest first",
    )
    figure.add_trace(
        go.Scatter(
            x=[0, 100],
            y=[0, 100],
            mode="lines",
            line={"color": "#7b858f", "width": 1, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    return figure


def pieces(values: np.ndarray, most: int = 200) -> go.Figure | None:
    """The values of a map made of pieces (segments, tiles), each once; None for a map that is not."""
    distinct, counts = np.unique(values, return_counts=True)
    if not 2 <= len(distinct) <= most or np.median(counts) < 4:
        return None
    order = np.argsort(-np.abs(distinct), kind="stable")[:SHOWN]
    names = [f"{i + 1}" for i in range(len(order))]
    return plain_bars(
        names, distinct[order].tolist(), f"pieces, the {len(order)} strongest of {len(distinct)}"
    )


def plain_bars(names: Sequence[str], values: Sequence[float], x: str) -> go.Figure:
    """Bars in the order given, in the colours of the maps."""
    figure = signed_bars(names, values)
    return figure.update_xaxes(title_text=x, showticklabels=False)


def of_arrays(arrays: Mapping[str, np.ndarray]) -> list[tuple[str, go.Figure]]:
    """The weights of a map's pieces with how sure each is, from what a method drawn beside its map; nothing
    for other methods.

    coefficients `[S]`; band `[2, S]`, lower and upper ends, or errors `[S]`, standard errors.
    """
    if "coefficients" not in arrays:
        return []
    values = arrays["coefficients"].astype(np.float64)
    title, low, high = "Weights of its pieces", None, None
    if "band" in arrays:
        title, (low, high) = "Weights of its pieces, with their 90 % bands", arrays["band"].tolist()
    elif "errors" in arrays and arrays["errors"].any():
        title, low, high = (
            "Weights of its pieces, with their standard errors",
            *(values + sign * arrays["errors"] for sign in (-1, 1)),
        )
    names = [str(piece) for piece in range(len(values))]
    figure = signed_bars(names, values.tolist(), low, high)
    return [
        (
            title,
            figure.update_xaxes(
                title_text=f"number of the piece, the {min(SHOWN, len(values))} strongest of {len(values)}"
            ),
        )
    ]
