"""The library: a box to tick per concept, with a picture that opens it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import Concept
from frontend.client import href
from frontend.ui import common


def library(concepts: Sequence[Concept], chosen: Sequence[str]) -> Component:
    """A box to tick per concept; one's own can be shown, extended and deleted."""
    if not concepts:
        return common.note("There is no concept for this kind of input yet; make one.")
    return html.Div(
        [entry(concept, concept.ref in chosen) for concept in concepts], className="ev-concept-list"
    )


def entry(concept: Concept, ticked: bool) -> Component:
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
