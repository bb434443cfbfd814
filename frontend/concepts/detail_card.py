"""All that is known of one concept: its examples, and how real it is at each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from dash import dcc, html
from dash.development.base_component import Component

from app.core.concept_results import ConceptAnalysisResult, ConceptDirection, ConceptOverall, ConceptRow
from app.core.schemas import Concept
from frontend.client import href
from frontend.concepts import charts, findings
from frontend.concepts.library_card import example
from frontend.concepts.verdicts import p_words, verdict
from frontend.ui import common

STRIP = 8
"""Examples shown of a concept."""
ALIKE = 0.9
"""Cosine from which two concepts count as one."""

Row = TypeVar("Row", ConceptRow, ConceptOverall)


def detail(concept: Concept, result: ConceptAnalysisResult | None, number: int = 0) -> Component:
    """Examples, and how real the concept is at each layer. number: of the shown input."""
    parts: list[Component] = [strip(concept), html.P(concept.description, className="ev-muted")]
    parts += [common.note(text, "warning") for text in concept.notes]
    known = [row for row in (result.directions if result else []) if row.concept == concept.ref]
    if known and result:
        parts.extend(unlike_sets(known))
        parts.append(
            html.P(
                f"Told apart from: {known[0].counter_name} · {known[0].counter_examples}.",
                className="ev-muted ev-small",
            )
        )
        parts.extend(open_questions(result, concept.ref))
        parts.extend(not_told_apart(known))
        parts.extend(shared_directions(known, result.names))
        parts.append(
            html.Details(
                [
                    html.Summary("Numbers per layer"),
                    evidence_table(known, result, concept.ref),
                    charts.erasing_chart(result, concept.ref),
                ]
            )
        )
    if concept.kind == "yours":
        parts.append(own_actions(concept))
    return common.card(
        concept.name, *parts, className="ev-concept-detail", aside=badge(result, concept.ref, number)
    )


def strip(concept: Concept) -> Component:
    """The first examples, to look at or to listen to; one's own can be taken out."""
    cells: list[Component] = [
        html.Img(src=example(concept, i), alt=f"Example {i + 1} of {concept.name}", width=60, height=60)
        for i in range(min(STRIP, concept.count))
    ]
    if concept.kind == "yours" and concept.count > 1:
        cells = [
            html.Div([cell, take_out_button(i)], className="ev-concept-own") for i, cell in enumerate(cells)
        ]
    if concept.modality != "audio":
        return html.Div(cells, className="ev-concept-strip")
    sounds = [
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
    return html.Div(sounds, className="ev-concept-strip ev-concept-strip--sound")


def take_out_button(number: int) -> Component:
    return html.Button(
        [common.icon("close"), common.hidden(f"Take out example {number + 1}")],
        id={"type": "concept-drop", "index": number},
        className="ev-icon-button",
        title=f"Take out example {number + 1}",
        n_clicks=0,
        **common.confirm(
            f"Example {number + 1} goes from the concept. To have it back, its file must be added again."
        ),
    )


def badge(result: ConceptAnalysisResult | None, ref: str, number: int = 0) -> Component | None:
    """The verdict on its strongest cell: the same word as in the table for one input, else over the inputs."""
    strongest = findings.cells(result, number) if result else []
    cell = next((cell for cell in strongest if cell.concept == ref), None)
    if result is None or cell is None:
        return None
    about = "over its inputs" if len(result.inputs) > 1 else "in this input"
    return verdict(
        cell.verdict,
        f"For {result.labels[str(cell.target)]} at {cell.layer}, {about}: {cell.because} Adjusted {p_words(cell.p_adjusted)}.",
    )


def unlike_sets(rows: Sequence[ConceptDirection]) -> list[Component]:
    """Examples and counter-examples of different kinds, once."""
    return [
        common.note(words, "warning") for words in dict.fromkeys(row.unlike for row in rows if row.unlike)
    ][:1]


def evidence_table(rows: Sequence[ConceptDirection], result: ConceptAnalysisResult, ref: str) -> Component:
    names = result.names
    columns = [
        (row, row_at(result.overall, ref, row.layer), row_at(result.rows, ref, row.layer)) for row in rows
    ]
    body: list[list[Any]] = [
        ["told apart", *(accuracy_cell(row) for row, _, _ in columns)],
        ["trained", *(accuracy_cell(row, "trained_") for row, _, _ in columns)],
        ["length", *(f"{row.length_over_random:.1f} ×" for row, _, _ in columns)],
        [
            "TCAV",
            *(f"{over.tcav:.2f} ({p_words(over.tcav_p_adjusted)})" if over else "" for _, over, _ in columns),
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


def accuracy_cell(row: ConceptDirection, lead: str = "") -> Component:
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


def open_questions(result: ConceptAnalysisResult, ref: str) -> list[Component]:
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


def not_told_apart(rows: Sequence[ConceptDirection]) -> list[Component]:
    """A warning for each layer where the concept is nothing: other numbers of that layer mean little."""
    warnings = []
    for row in rows:
        if row.told_apart:
            continue
        words = f"At {row.layer}: {row.separability[0].lower()}{row.separability[1:]}"
        if row.trained_told_apart:
            words += f" A classifier trained for it tells them apart ({row.trained_accuracy:.2f}): the layer knows the concept, its own direction does not catch it."
        warnings.append(common.note(words, "warning"))
    return warnings


def shared_directions(rows: Sequence[ConceptDirection], names: Mapping[str, str]) -> list[Component]:
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


def row_at(rows: Sequence[Row], ref: str, layer: str) -> Row | None:
    return next((row for row in rows if row.concept == ref and row.layer == layer), None)


def own_actions(concept: Concept) -> Component:
    return html.Div(
        [
            html.Label("Name", htmlFor="concept-rename", className="ev-visually-hidden"),
            dcc.Input(id="concept-rename", value=concept.name, maxLength=80, className="ev-text"),
            html.Button("Rename", id="concept-rename-go", className="ev-button", n_clicks=0),
            html.Button("Add examples", id="concept-extend", className="ev-button", n_clicks=0),
            html.A("Export", href=href(f"/concepts/{concept.id}/export.zip"), className="ev-button"),
            html.Button(
                [common.icon("trash"), "Delete"],
                id="concept-delete",
                className="ev-button",
                n_clicks=0,
                **common.confirm(
                    f"The concept {concept.name} goes with its examples. This cannot be undone."
                ),
            ),
        ],
        className="ev-concept-actions",
    )
