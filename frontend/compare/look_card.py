"""How maps are drawn: opacity, share shown, sign, scale, colours. All of it happens in the browser;
nothing is computed again."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from frontend.compare.address import Look
from frontend.ui.common import aria, card, hidden, widget
from frontend.ui.words import sentence

SCALE = {"own": "Max", "shared": "Top 1 %", "raw": "Same"}
COLOURS = {"cividis": "Cividis", "viridis": "Viridis", "jet": "Jet (legacy, misleading)"}


def look_card(look: Look, evidence: bool = True) -> Component:
    """The control group; ids are part of the contract with the scripts."""
    return card(
        "Look",
        _slider("look-opacity", "Opacity", look.opacity, 0),
        _slider("look-top", "Show top", look.top, 1),
        _segmented("look-sign", "Sign", look.sign, Look.SIGNS, "Evidence for the class, against it, or both"),
        _segmented(
            "look-scale",
            "Full at",
            look.scale,
            Look.SCALES,
            "Where the colour is full. Max: at each map's strongest cell. Top 1 %: at each map's strongest 1 % of cells. Same: at the same number in all maps",
        ),
        _segmented(
            "look-cell",
            "Cells",
            look.cell,
            Look.CELLS,
            "Side of the cells, in pixels of the network's picture, that fine maps are averaged over; agreement is counted at the same size. Auto: 4 for photographs, else 1",
        ),
        known_evidence(evidence),
        aside=colours(look.colours),
        className="ev-look-card",
    )


def known_evidence(shown: bool) -> Component:
    """Seen only for inputs made by a program, whose evidence is known; the widget says what the outline
    means."""
    box = dmc.Checkbox(id="look-evidence", label="Known evidence", checked=shown, size="xs")
    return html.Div(
        [box, widget("evidence", id="evidence", known="")],
        id="evidence-row",
        className="ev-evidence-row",
        hidden=True,
    )


def _slider(key: str, label: str, value: int, low: int) -> Component:
    return html.Div(
        [
            html.Span(label, id=f"{key}-label"),
            dmc.Slider(
                id=key,
                value=value,
                min=low,
                max=100,
                size="sm",
                thumbSize=14,
                label=None,
                thumbLabel=label,
                updatemode="drag",
            ),
            html.Output(f"{value} %", id=f"{key}-value", className="ev-value"),
        ],
        className="ev-control ev-control--slider",
    )


def _segmented(key: str, label: str, value: str, options: tuple[str, ...], hint: str) -> Component:
    data = [{"value": option, "label": SCALE.get(option) or sentence(option)} for option in options]
    return html.Div(
        [
            html.Span(label),
            dmc.SegmentedControl(id=key, data=data, value=value, size="xs", **aria(label=label)),
        ],
        className="ev-control",
        title=hint,
    )


def colours(value: str) -> Component:
    """Colours of unsigned maps; signed ones are always blue to red about zero."""
    data = [{"value": key, "label": text} for key, text in COLOURS.items()]
    select = dmc.Select(
        id="look-colours",
        value=value,
        data=data,
        size="xs",
        allowDeselect=False,
        comboboxProps={"width": 190, "position": "bottom-end"},
        w=88,
    )
    return html.Label(
        [hidden("Colours"), select],
        className="ev-compact ev-lab-only",
        title="Colours of maps without a sign",
    )
