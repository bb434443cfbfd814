"""Parts of the Concepts page: the library, the table of maps, what is known of one concept, the picture
over many inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from app.core.concept_results import (
    ConceptAnalysisResult,
    ConceptDirection,
    ConceptOverall,
    ConceptRow,
    Verdict,
)
from app.core.schemas import Concept, Prediction
from frontend.client import href
from frontend.compare.input_card import widget
from frontend.ui import common, figures

STRIP = 8
ALIKE = 0.9
"""Cosine from which two concepts count as one."""
FAINT = 0.1
"""Mean attributions below this never take the strong end of the scale."""
LAYER_COLOURS = ("#4a7bc8", "#b8741a", "#3c8f6b", "#9563b8", "#c2566f", "#7d7c78", "#2b8ea3", "#8f7d1c")
"""Each stands out from the light and from the dark ground (3:1)."""


def library(concepts: Sequence[Concept], chosen: Sequence[str]) -> Component:
    """A box to tick per concept; one's own can be shown, extended and deleted."""
    if not concepts:
        return common.note("There is no concept for this kind of input yet; make one.")
    return html.Div(
        [_entry(concept, concept.ref in chosen) for concept in concepts], className="ev-concept-list"
    )


def _entry(concept: Concept, ticked: bool) -> Component:
    kind = "built in" if concept.kind == "builtin" else ("from boxes" if concept.boxes else "yours")
    box = dmc.Checkbox(
        id={"type": "concept-tick", "ref": concept.ref},
        checked=ticked,
        disabled=not concept.usable,
        size="xs",
        **common.aria(label=f"Use {concept.name}"),
    )
    show = html.Button(
        [
            html.Img(src=example(concept, 0), alt="", className="ev-concept-thumb", width=40, height=40),
            html.Span(
                [
                    html.Strong(concept.name),
                    html.Span(f"{kind} · {concept.count}", className="ev-muted ev-small"),
                ],
                className="ev-concept-words",
            ),
        ],
        id={"type": "concept-show", "id": concept.id},
        className="ev-concept-button",
        n_clicks=0,
        type="button",
    )
    return html.Div([show, box], className="ev-concept-entry")


def example(concept: Concept, number: int, kind: str = "png") -> str:
    # The ref is part of the address so that a changed concept is not shown with its old pictures.
    return href(f"/concepts/{quote(concept.id, safe='')}/examples/{number}.{kind}?of={concept.ref[:12]}")


def strip(concept: Concept) -> Component:
    """The first examples, to look at or to listen to; one's own can be taken out."""
    shown = range(min(STRIP, concept.count))
    cells: list[Component] = [
        html.Img(src=example(concept, i), alt=f"Example {i + 1} of {concept.name}", width=60, height=60)
        for i in shown
    ]
    if concept.kind == "yours" and concept.count > 1:
        cells = [html.Div([cell, _drop(i)], className="ev-concept-own") for i, cell in enumerate(cells)]
    if concept.modality != "audio":
        return html.Div(cells, className="ev-concept-strip")
    heard = [
        html.Figure(
            [
                cell,
                html.Audio(
                    src=example(concept, i, "wav"),
                    controls=True,
                    preload="none",
                    **common.aria(label=f"Example {i + 1}"),
                ),
            ]
        )
        for i, cell in zip(range(3), cells, strict=False)
    ]
    return html.Div(heard, className="ev-concept-strip ev-concept-strip--sound")


def _drop(number: int) -> Component:
    return html.Button(
        [common.icon("close"), common.hidden(f"Take out example {number + 1}")],
        id={"type": "concept-drop", "index": number},
        className="ev-icon-button",
        title=f"Take out example {number + 1}",
        n_clicks=0,
    )


def detail(concept: Concept, result: ConceptAnalysisResult | None) -> Component:
    """Examples, and how real the concept is at each layer."""
    parts: list[Component] = [strip(concept), html.P(concept.description, className="ev-muted")]
    parts += [common.note(text, "warning") for text in concept.notes]
    known = [row for row in (result.directions if result else []) if row.concept == concept.ref]
    if known and result:
        parts.extend(_unlike(known))
        parts.append(
            html.P(
                f"Told apart from: {known[0].counter_name} · {known[0].counter_examples}.",
                className="ev-muted ev-small",
            )
        )
        parts.extend(_open_questions(result, concept.ref))
        parts.extend(_unclear(known))
        parts.extend(_twins(known, result.names))
        parts.append(_quality(known, result, concept.ref))
        parts.append(_curves(result, concept.ref))
    if concept.kind == "yours":
        parts.append(_own_actions(concept))
    return common.card(concept.name, *parts, className="ev-concept-detail", aside=_badge(result, concept.ref))


VERDICTS: dict[Verdict, tuple[str, str]] = {
    "counts": ("counts", "ok"),
    "undecided": ("undecided", "unknown"),
    "not_more_than_chance": ("not more than chance", "warning"),
}


def verdict(value: Verdict, because: str) -> Component:
    """The one word for it everywhere; why, or what would decide it, on pointing."""
    words, state = VERDICTS[value]
    return common.chip(words, state, because)


def _badge(result: ConceptAnalysisResult | None, ref: str) -> Component | None:
    if result is None or ref not in result.verdicts:
        return None
    value = result.verdicts[ref]
    row = min(
        (row for row in result.overall if row.concept == ref and row.verdict == value),
        key=lambda row: row.p_adjusted,
    )
    return verdict(
        value,
        f"For {result.labels[str(row.target)]} at {row.layer}, over its inputs: {row.because} Adjusted p {row.p_adjusted:.3f}.",
    )


def _unlike(rows: Sequence[ConceptDirection]) -> list[Component]:
    """Examples and counter-examples of different kinds, once."""
    return [
        common.note(words, "warning") for words in dict.fromkeys(row.unlike for row in rows if row.unlike)
    ][:1]


def _quality(rows: Sequence[ConceptDirection], result: ConceptAnalysisResult, ref: str) -> Component:
    names = result.names
    columns = [
        (row, _first(result.overall, ref, row.layer), _first(result.rows, ref, row.layer)) for row in rows
    ]
    body: list[list[Any]] = [
        ["told apart", *(_told(row) for row, _, _ in columns)],
        ["trained", *(_told(row, "trained_") for row, _, _ in columns)],
        ["length", *(f"{row.length_over_random:.1f} ×" for row, _, _ in columns)],
        [
            "TCAV",
            *(f"{over.tcav:.2f} ({_p(over.tcav_p_adjusted)})" if over else "" for _, over, _ in columns),
        ],
        [
            "nearest",
            *(
                f"{names[row.nearest]} {row.nearest_cosine:.2f}" if row.nearest else "none"
                for row, _, _ in columns
            ),
        ],
        ["against", *(f"{local.against:.2f}" if local else "" for _, _, local in columns)],
        [
            "without it",
            *(f"{local.probability:.2f} → {local.without:.2f}" if local else "" for _, _, local in columns),
        ],
        ["random erased", *(f"{local.without_random:.2f}" if local else "" for _, _, local in columns)],
    ]
    legend = (
        "Told apart: share of held-out examples on the right side of the concept's own direction, with its 95 % interval; an interval that reaches 0.5 "
        "means no. Trained: the same for a classifier trained for it: what the layer knows, whether or not the map can use it. Length: of the direction, over random ones. TCAV: share of inputs it pushes towards "
        "the class. Against: how much it speaks against the class. Without it: score of the first input with the concept erased, and with a "
        "random direction erased."
    )
    head = ["", *(row.layer for row, _, _ in columns)]
    return html.Div(
        [common.table(head, body, "How real the concept is"), html.P(legend, className="ev-muted ev-small")]
    )


def _open_questions(result: ConceptAnalysisResult, ref: str) -> list[Component]:
    """What would decide it, where nothing is decided."""
    unlike = {row.unlike for row in result.directions}
    reasons = dict.fromkeys(
        row.because
        for row in result.overall
        if row.concept == ref and row.verdict == "undecided" and row.because not in unlike
    )
    return [
        html.P(f"Undecided for the class. {because}", className="ev-muted ev-small")
        for because in list(reasons)[:1]
    ]


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.3f}"


def _curves(result: ConceptAnalysisResult, ref: str) -> Component:
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


def _told(row: ConceptDirection, lead: str = "") -> Component:
    """The share never stands alone: its interval below it, and a plain no where that reaches chance."""
    share, low, high, apart = (
        getattr(row, lead + name) for name in ("accuracy", "accuracy_low", "accuracy_high", "told_apart")
    )
    return html.Div(
        [
            html.Span(f"{share:.2f}" if apart else f"no: {share:.2f}"),
            html.Div(f"{low:.2f} to {high:.2f}", className="ev-muted"),
        ]
    )


def _unclear(rows: Sequence[ConceptDirection]) -> list[Component]:
    """Layers where the concept is nothing: what else is said of them there means little."""
    found = []
    for row in rows:
        if row.told_apart:
            continue
        words = f"At {row.layer}: {row.separability[0].lower()}{row.separability[1:]}"
        if row.trained_told_apart:
            words += f" A classifier trained for it tells them apart ({row.trained_accuracy:.2f}): the layer knows the concept, its own direction does not catch it."
        found.append(common.note(words, "warning"))
    return found


def _twins(rows: Sequence[ConceptDirection], names: Mapping[str, str]) -> list[Component]:
    """Two concepts with one direction get one another's credit: the experiment with planted evidence fails
    exactly there."""
    alike = [row for row in rows if row.nearest and (row.nearest_cosine or 0.0) > ALIKE]
    return [
        common.note(
            f"At {row.layer} its direction is nearly that of {names.get(row.nearest or '', '')} (cosine {row.nearest_cosine:.2f}): the two cannot be told apart there.",
            "warning",
        )
        for row in alike
    ]


Placed = TypeVar("Placed", ConceptRow, ConceptOverall)


def _first(rows: Sequence[Placed], ref: str, layer: str) -> Placed | None:
    return next((row for row in rows if row.concept == ref and row.layer == layer), None)


def _own_actions(concept: Concept) -> Component:
    return html.Div(
        [
            html.Label("Name", htmlFor="concept-rename", className="ev-visually-hidden"),
            dcc.Input(id="concept-rename", value=concept.name, maxLength=80, className="ev-text"),
            html.Button("Rename", id="concept-rename-go", className="ev-button", n_clicks=0),
            html.Button("Add examples", id="concept-extend", className="ev-button", n_clicks=0),
            html.A("Export", href=href(f"/concepts/{concept.id}/export.zip"), className="ev-button"),
            html.Button(
                [common.icon("trash"), "Delete"], id="concept-delete", className="ev-button", n_clicks=0
            ),
        ],
        className="ev-concept-actions",
    )


def table(
    result: ConceptAnalysisResult,
    job: str,
    number: int,
    prediction: Prediction | None,
    concepts: Mapping[str, Concept],
) -> Component:
    """A row per concept, a column per layer: where the network recognises it, and how much it adds to the
    class. prediction: None when the input was deleted since."""
    plan = result.plan
    rows = [row for row in result.rows if row.input == number]
    target = next((row.target for row in rows), 0)
    label = result.labels.get(str(target), "")
    head = html.Tr([html.Th("Concept", scope="col"), *(html.Th(layer, scope="col") for layer in plan.layers)])
    body = [
        _row(index, ref, result, job, number, target, prediction, concepts.get(ref))
        for index, ref in enumerate(plan.concepts)
    ]
    title = html.P(
        [
            "Where the network recognises it, and how much it adds to ",
            html.Strong(label),
            html.Span(_extent(prediction), className="ev-muted"),
        ]
    )
    scroll = html.Div(
        html.Table([html.Thead(head), html.Tbody(body)], className="ev-concept-table"),
        className="ev-table-box",
        tabIndex=0,
        role="region",
        **common.aria(label="Concept maps"),
    )
    gone = common.note(
        "This input was deleted since; its numbers are kept, its maps have nothing left to lie on.", "warning"
    )
    return html.Div([title, scroll] if prediction else [title, gone, scroll])


def _extent(prediction: Prediction | None) -> str:
    """What the sides of every map are: small maps carry no ticks of their own."""
    if prediction is None or prediction.x_axis.unit != "s":
        return ""
    times, hertz = prediction.x_axis.values, prediction.y_axis.values
    return (
        f" · each map {times[0]:.2f} to {times[-1]:.2f} s across, {hertz[0]:,.0f} to {hertz[-1]:,.0f} Hz up"
    )


def _row(
    index: int,
    ref: str,
    result: ConceptAnalysisResult,
    job: str,
    number: int,
    target: int,
    prediction: Prediction | None,
    concept: Concept | None,
) -> Component:
    name = result.names[ref]
    cells = []
    for layer in result.plan.layers:
        row = next(
            (
                one
                for one in result.rows
                if one.input == number and one.concept == ref and one.layer == layer and one.target == target
            ),
            None,
        )
        cells.append(html.Td(_cell(index, name, row, job, number, layer, prediction) if row else ""))
    thumbs = (
        [html.Img(src=example(concept, i), alt="", width=32, height=32) for i in range(4)] if concept else []
    )
    head = html.Th([html.Strong(name), html.Div(thumbs, className="ev-concept-thumbs")], scope="row")
    return html.Tr([head, *cells])


def _cell(
    index: int, name: str, row: ConceptRow, job: str, number: int, layer: str, prediction: Prediction | None
) -> Component:
    if not row.recognised:
        words = common.chip(
            "not recognised",
            "unknown",
            "Its examples light up no more than the counter-examples at this layer.",
        )
    else:
        words = verdict(row.verdict, f"{row.because} Adjusted {_p(row.p_adjusted)}.")
    alt = f"{name} at {layer}: recognised on {100 * row.coverage:.0f} % of the input, attribution {row.score:.3f}, {VERDICTS[row.verdict][0]}."
    return html.Div(
        [
            None
            if prediction is None
            else widget(
                "concept-map",
                maps=href(f"/concept-analyses/{job}/maps/{number}/{quote(layer, safe='')}.npy"),
                index=str(index),
                display=href(prediction.display),
                origin=prediction.y_axis.origin,
                alt=alt,
            ),
            html.Div([html.Strong(f"{row.score:.2f}"), words], className="ev-concept-score"),
        ],
        className="ev-concept-cell"
        if row.recognised and row.verdict == "counts"
        else "ev-concept-cell ev-concept-cell--weak",
    )


def overall_figure(result: ConceptAnalysisResult, target: int) -> go.Figure:
    """Mean attribution and 2 SE per concept and layer, a point per input, and what 95 % of random concepts
    stay below."""
    plan, names = result.plan, result.names
    figure = go.Figure()
    for place, layer in enumerate(plan.layers):
        colour = LAYER_COLOURS[place % len(LAYER_COLOURS)]
        rows = {row.concept: row for row in result.overall if row.layer == layer and row.target == target}
        shown = [ref for ref in plan.concepts if ref in rows]
        figure.add_bar(
            x=[names[ref] for ref in shown],
            y=[rows[ref].mean for ref in shown],
            name=layer,
            marker_color=colour,
            offsetgroup=layer,
            error_y={
                "type": "data",
                "array": [2 * rows[ref].se for ref in shown],
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
    lines = [row.value for row in result.random_95 if row.target == target]
    if lines:
        figure.add_hline(y=max(lines), line={"dash": "dash", "color": "#a3262a", "width": 1})
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
