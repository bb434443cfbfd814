"""The smallest parts: card, icon, chip, problem, skeleton."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import Check
from frontend.client import ApiProblem
from frontend.ui import assets

Children = Any

STATE_WORD = {"ok": "in order", "warning": "doubtful", "bad": "not in order", "unknown": "not known"}
STATE_ICON = {"ok": "check", "warning": "warning", "bad": "error", "unknown": "help"}


def aria(**named: str) -> dict[str, Any]:
    """`aria(label="x")` -> `{"aria-label": "x"}`, for the attributes Python cannot spell."""
    return {f"aria-{name}": value for name, value in named.items()}


def drawer(children: Any, **attributes: Any) -> Component:
    """A panel from the side. Its close button is a picture and needs a name; it stays inside the page's own landmark,
    or its heading would pass for a second banner."""
    return dmc.Drawer(children, closeButtonProps=aria(label="Close"), withinPortal=False, **attributes)


def icon(name: str) -> Component:
    """A picture of assets/icons beside a word; silent for screen readers."""
    return html.Span(className=f"ev-icon ev-icon--{name}", **aria(hidden="true"))


def hidden(text: str) -> Component:
    """Words for those who listen to the page."""
    return html.Span(text, className="ev-visually-hidden")


def widget(name: str, **data: Any) -> Component:
    """An empty element that a script of assets/ fills; `None` leaves an attribute out, anything but text
    goes as JSON."""
    own: dict[str, Any] = {
        key: data.pop(key) for key in ("id", "className", "role", "tabIndex") if key in data
    }
    attributes: dict[str, Any] = {
        f"data-{key.replace('_', '-')}": value if isinstance(value, str) else json.dumps(value)
        for key, value in data.items()
        if value is not None
    }
    return html.Div(**{**own, "data-evident": name, **attributes})


def confirm(sentence: str, **data: str) -> dict[str, Any]:
    """Attributes of a button that is asked about first, in this sentence (assets/evident/core/confirm.mjs)."""
    return {"data-confirm": sentence, **{f"data-{key}": value for key, value in data.items()}}


def sets(store: str, data: Any) -> dict[str, Any]:
    """Attributes of a button that puts `data` into a store, in the browser and at once
    (assets/early/press.js). A callback of a list of buttons would start whenever the list arrives, and lose a
    press while that answer is under way."""
    return {"data-sets": store, "data-value": json.dumps(data)}


def text_field(key: str, label: str, description: str, placeholder: str) -> Component:
    """One line to type in, labelled."""
    return dmc.TextInput(id=key, label=label, description=description, placeholder=placeholder, size="xs")


def card(
    title: str, *children: Children, className: str = "", aside: Children = None, **attributes: Any
) -> Component:
    """A card with a quiet heading; it is a landmark of that name."""
    head = (
        [html.Div([html.H2(title, className="ev-card-title"), aside], className="ev-card-head")]
        if title
        else []
    )
    label = aria(label=title) if title else {}
    return html.Section(
        [*head, *children], className=f"ev-card {className}".strip(), **{**label, **attributes}
    )


def experiment(question: str, words: str, picture: str, alt: str) -> Component:
    """What an experiment of ours says, folded below its question. picture: a file of the assets; a white figure in either
    theme."""
    return card(
        "",
        html.Details(
            [
                html.Summary(question),
                html.P(words),
                html.Img(src=assets.url(picture), alt=alt, className="ev-experiment"),
            ]
        ),
    )


def chip(text: str, state: str = "unknown", detail: str = "", glyph: str | None = None) -> Component:
    """A state as icon and word, never as colour alone."""
    return html.Span(
        [icon(glyph or STATE_ICON[state]), html.Span(text)],
        className=f"ev-chip ev-chip--{state}",
        title=detail or None,
    )


def checks(values: Sequence[Check]) -> Component:
    """The fit-for-use gate, folded: what passed as one chip, everything else by name; unfolded, what was
    measured."""
    passed = [value for value in values if value.state == "ok"]
    all_of_them = f"{len(values)} checks passed" if len(values) > 1 else "1 check passed"
    some = f"{len(passed)} of {len(values)} checks passed"
    summary = [chip(all_of_them if len(passed) == len(values) else some, "ok")] if passed else []
    summary += [chip(value.label, value.state, value.detail) for value in values if value.state != "ok"]
    rows = facts(
        {
            value.label: [icon(STATE_ICON[value.state]), hidden(STATE_WORD[value.state]), f" {value.detail}"]
            for value in values
        }
    )
    return html.Details(
        [html.Summary(summary, className="ev-chips"), rows],
        className="ev-checks",
        title="Fit for use: open for what was measured",
    )


def problem(refusal: ApiProblem, action: Children = None) -> Component:
    """What went wrong, why and what to do, with the code and the id a person can quote."""
    said = refusal.problem
    small = said.code if not said.request_id else f"{said.code} · {said.request_id}"
    return html.Div(
        [
            icon("error"),
            html.Div(
                [
                    html.Strong(said.title),
                    html.P(said.detail),
                    html.P(small, className="ev-muted ev-small"),
                    action,
                ]
            ),
        ],
        className="ev-problem-box",
        role="alert",
    )


def note(text: Children, state: str = "unknown") -> Component:
    """A remark inside a card."""
    return html.Div(
        [icon({"unknown": "info"}.get(state, STATE_ICON[state])), html.Div(text)],
        className=f"ev-notice ev-notice--{state}",
    )


def skeleton(lines: int = 3, height: int = 14) -> Component:
    """Grey lines where words will be."""
    return html.Div(
        [dmc.Skeleton(height=height, radius="sm") for _ in range(lines)],
        className="ev-skeleton",
        **aria(hidden="true"),
    )


def action(text: str, glyph: str | None = None, **attributes: Any) -> Component:
    """A quiet button."""
    return html.Button(
        [icon(glyph), html.Span(text)] if glyph else text,
        className="ev-button",
        n_clicks=0,
        type="button",
        **attributes,
    )


def facts(pairs: Mapping[str, Children]) -> Component:
    """Names and values below each other."""
    return html.Dl(
        [part for name, value in pairs.items() for part in (html.Dt(name), html.Dd(value))],
        className="ev-facts",
    )


def table(head: Sequence[Children], rows: Sequence[Sequence[Children]], caption: str = "") -> Component:
    """A plain table; it scrolls inside its own box on a phone."""
    body = [html.Tr([html.Td(cell) for cell in row]) for row in rows]
    inner = [
        html.Thead(html.Tr([html.Th(cell, scope="col") if cell else html.Td() for cell in head])),
        html.Tbody(body),
    ]
    if caption:
        inner.insert(0, html.Caption(caption))
    return html.Div(
        html.Table(inner, className="ev-data-table"),
        className="ev-table-box",
        tabIndex=0,
        role="region",
        **aria(label=caption or "Table"),
    )
