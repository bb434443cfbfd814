"""Charts of an analysis: a class over all its inputs, and one input with a concept erased step by step."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from app.core.concept_results import ConceptAnalysisResult
from frontend.ui import common, figures

FAINT = 0.1
"""Mean attributions below this never take the strong end of the scale."""
LAYER_COLOURS = ("#4a7bc8", "#b8741a", "#3c8f6b", "#9563b8", "#c2566f", "#7d7c78", "#2b8ea3", "#8f7d1c")
"""Each stands out from the light and from the dark ground (3:1)."""


def overall(result: ConceptAnalysisResult, refs: Sequence[str]) -> Component:
    """A card per class: what each concept adds to it over all inputs. refs: the concepts, strongest first."""
    cards = []
    for target in sorted({row.target for row in result.overall}):
        label = result.labels[str(target)]
        n = max(row.n for row in result.overall if row.target == target)
        title = (
            f"How much each adds to {label}"
            if n == 1
            else f"Over {n} inputs of {label}: mean and 2 SE, a dot per input"
        )
        cards.append(
            common.card(
                title,
                figures.graph(overall_figure(result, target, refs)),
                html.P(
                    "Dashed, in the colour of each layer: 95 % of random concepts stay below.",
                    className="ev-muted ev-small",
                ),
                html.Details(
                    [
                        html.Summary("As a table, and how it was tested"),
                        figures.graph(heat_figure(result, target)),
                        html.P(
                            f"* counts: more than {result.plan.n_random:,} random concepts of the same size give, adjusted for {result.plan.tests} tests (Benjamini-Hochberg, 5 %).",
                            className="ev-muted ev-small",
                        ),
                    ]
                ),
            )
        )
    return html.Div(cards, className="ev-column")


def overall_figure(result: ConceptAnalysisResult, target: int, order: Sequence[str]) -> go.Figure:
    """Mean attribution and 2 SE per concept and layer, a point per input, and per layer what 95 % of random concepts
    stay below."""
    plan, names = result.plan, result.names
    figure = go.Figure()
    for place, layer in enumerate(plan.layers):
        colour = LAYER_COLOURS[place % len(LAYER_COLOURS)]
        rows = {row.concept: row for row in result.overall if row.layer == layer and row.target == target}
        refs = [ref for ref in order if ref in rows]
        figure.add_bar(
            x=[names[ref] for ref in refs],
            y=[rows[ref].mean for ref in refs],
            name=layer,
            marker_color=colour,
            offsetgroup=layer,
            error_y={
                "type": "data",
                "array": [2 * rows[ref].se for ref in refs],
                "thickness": 1,
                "width": 2,
            },
            hovertemplate="%{x}, " + layer + ": %{y:.3f}<extra></extra>",
        )
        points = [row for row in result.rows if row.layer == layer and row.target == target]
        figure.add_scatter(
            x=[names[row.concept] for row in points],
            y=[row.score for row in points],
            mode="markers",
            offsetgroup=layer,
            marker={"size": 3, "color": "#7b858f"},
            hoverinfo="skip",
            showlegend=False,
            xaxis="x",
            yaxis="y",
        )
        for row in result.random_95:
            if row.target == target and row.layer == layer:
                figure.add_hline(y=row.value, line={"dash": "dash", "color": colour, "width": 1.5})
    figure = figures.plain(figure, 260, "", "adds to the class")
    figure.update_layout(
        barmode="group", scattermode="group", showlegend=True, legend={"orientation": "h", "y": -0.25}
    )
    return figure


def heat_figure(result: ConceptAnalysisResult, target: int) -> go.Figure:
    """Concepts by layers: mean attribution, with a star where it counts."""
    plan, names = result.plan, result.names
    rows = {(row.concept, row.layer): row for row in result.overall if row.target == target}
    z = [
        [rows[ref, layer].mean if (ref, layer) in rows else None for layer in plan.layers]
        for ref in plan.concepts
    ]
    text = [
        [
            f"{rows[ref, layer].mean:.2f}{' *' if rows[ref, layer].verdict == 'counts' else ''}"
            if (ref, layer) in rows
            else ""
            for layer in plan.layers
        ]
        for ref in plan.concepts
    ]
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=plan.layers,
            y=[names[ref] for ref in plan.concepts],
            text=text,
            texttemplate="%{text}",
            colorscale="Cividis",
            showscale=False,
            zmin=0,
            zmax=max([FAINT, *(row.mean for row in rows.values())]),
        )
    )
    figure = figures.plain(figure, 60 + 34 * len(plan.concepts), "", "")
    figure.update_yaxes(autorange="reversed")
    return figure


def erasing_chart(result: ConceptAnalysisResult, ref: str) -> Component:
    """What the first input's score does when the concept is taken away, or shown alone."""
    figure = go.Figure()
    for place, row in enumerate(row for row in result.curves if row.concept == ref):
        colour = LAYER_COLOURS[place % len(LAYER_COLOURS)]
        figure.add_scatter(
            x=row.share, y=row.erasing, name=f"{row.layer} erased", line={"color": colour, "width": 2}
        )
        figure.add_scatter(
            x=row.share,
            y=row.control,
            name=f"{row.layer} random",
            line={"color": colour, "width": 1, "dash": "dash"},
        )
        figure.add_scatter(
            x=row.share,
            y=row.insertion,
            name=f"{row.layer} shown",
            line={"color": colour, "width": 1, "dash": "dot"},
        )
    figure = figures.plain(figure, 200, "share", "score")
    figure.update_yaxes(range=[0, 1.02])
    words = "Solid: the concept erased step by step. Dashed: random directions erased. Dotted: only the places where it is recognised, strongest first."
    return html.Div([figures.graph(figure), html.P(words, className="ev-muted ev-small")])
