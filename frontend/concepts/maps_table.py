"""The table of concept maps: a row per concept, a column per layer."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from app.core.concept_results import ConceptAnalysisResult, ConceptDirection, ConceptRow
from app.core.schemas import Concept, Prediction
from frontend.client import href
from frontend.concepts import findings
from frontend.concepts.library_card import example
from frontend.concepts.verdicts import VERDICTS, p_words, verdict
from frontend.ui import common
from frontend.ui.common import widget


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
        concept_row(plan.concepts.index(ref), ref, result, job, number, target, prediction, concepts.get(ref))
        for ref in findings.order(result, number)
    ]
    said = html.Div(
        [
            html.P(findings.sentence(result, number), className="ev-concept-finding"),
            html.P(
                f"{findings.extent(result, number)} {findings.knowledge(result)}",
                className="ev-muted ev-small",
            ),
        ],
        className="ev-concept-said",
    )
    title = html.P(
        [
            "Where the network recognises it, and how much it adds to ",
            html.Strong(label),
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
    return html.Div([said, title, scroll] if prediction else [said, title, gone, scroll])


def concept_row(
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
                row
                for row in result.rows
                if row.input == number and row.concept == ref and row.layer == layer and row.target == target
            ),
            None,
        )
        direction = next(
            (entry for entry in result.directions if entry.concept == ref and entry.layer == layer), None
        )
        cells.append(
            html.Td(map_cell(index, name, row, direction, job, number, layer, prediction) if row else "")
        )
    thumbs = (
        [html.Img(src=example(concept, i), alt="", width=32, height=32) for i in range(4)] if concept else []
    )
    head = html.Th([html.Strong(name), html.Div(thumbs, className="ev-concept-thumbs")], scope="row")
    return html.Tr([head, *cells])


def map_cell(
    index: int,
    name: str,
    row: ConceptRow,
    direction: ConceptDirection | None,
    job: str,
    number: int,
    layer: str,
    prediction: Prediction | None,
) -> Component:
    """Map, score and the one verdict; below it, apart, whether the layer knows the concept at all."""
    words = verdict(row.verdict, f"{row.because} Adjusted {p_words(row.p_adjusted)}.")
    alt = f"{name} at {layer}: recognised on {100 * row.coverage:.0f} % of the input, attribution {row.score:.3f}, {VERDICTS[row.verdict][0]}."
    return html.Div(
        [
            None
            if prediction is None
            else with_axes(
                prediction,
                widget(
                    "concept-map",
                    maps=href(f"/concept-analyses/{job}/maps/{number}/{quote(layer, safe='')}.npy"),
                    index=str(index),
                    display=href(prediction.display),
                    origin=prediction.y_axis.origin,
                    alt=alt,
                ),
            ),
            html.Div([html.Strong(f"{row.score:.2f}"), words], className="ev-concept-score"),
            known_here(row, direction),
        ],
        className="ev-concept-cell",
    )


def known_here(row: ConceptRow, direction: ConceptDirection | None) -> Component:
    """Whether the layer knows the concept, whatever the class."""
    if not row.recognised:
        words, why = (
            "no map: not known to this layer",
            "Its examples light up no more than the counter-examples at this layer.",
        )
    elif direction is None or direction.told_apart:
        words, why = "the layer knows it", direction.separability if direction else ""
    else:
        words, why = "the layer cannot tell it apart", direction.separability
    return html.Span(words, className="ev-muted ev-small", title=why or None)


def with_axes(prediction: Prediction, drawn: Component) -> Component:
    """A map of a sound with seconds below and kHz at its side."""
    if prediction.x_axis.unit != "s":
        return drawn
    times, hertz = prediction.x_axis.values, prediction.y_axis.values
    side = [html.Span(f"{value / 1000:.1f}") for value in (hertz[-1], hertz[0])]
    return html.Div(
        [
            html.Div([side[0], html.Span("kHz"), side[1]], className="ev-concept-side"),
            drawn,
            html.Div(
                [html.Span(f"{times[0]:.1f}"), html.Span("s"), html.Span(f"{times[-1]:.1f}")],
                className="ev-concept-foot",
            ),
        ],
        className="ev-concept-axes",
    )
