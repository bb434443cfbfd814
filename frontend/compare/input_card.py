"""The input: what was dropped, how it looks or sounds, whether it is fit for use; and the ways to bring
another one."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import Credit, Input, Sample, SamplePair
from frontend import ids
from frontend.client import href
from frontend.ui import words
from frontend.ui.common import action, checks, chip, confirm, drawer, hidden, icon, note, sets, widget


def sources(limits: Mapping[str, Any]) -> Component:
    """Upload, record, samples: three buttons under the input."""
    return html.Div(
        [
            widget(
                "upload",
                store="input-store",
                limits=dict(limits),
                **{"as": "auto"},
                compact="1",
                word="Upload",
            ),
            widget("record", store="input-store", limits=dict(limits), compact="1"),
            action("Samples", id="samples-open"),
        ],
        className="ev-sources",
    )


def loaded(value: Input, sample: Sample | None = None) -> list[Component]:
    """Name, player or picture, checks and notes of one input. sample: the bundled one, when it is one."""
    head = html.Div(
        [
            html.Strong(
                (sample and sample.title) or value.name or words.MODALITY[value.modality],
                className="ev-input-name",
                title=value.name,
            ),
            html.Span(words.describe_input(value), className="ev-muted"),
            html.Button(
                [icon("close"), hidden("Close this input")],
                id="input-remove",
                className="ev-icon-button",
                n_clicks=0,
                title="Close this input",
            ),
        ],
        className="ev-input-head",
    )
    if value.modality == "audio":
        view = widget(
            "player",
            id=ids.player(value.id),
            input=value.id,
            coughs=[cough.model_dump() for cough in value.coughs],
            waveform=value.waveform,
            seconds=value.seconds,
            store="window-store",
        )
    else:
        size = {"width": value.width, "height": value.height} if value.modality == "image" else {}
        view = widget("picture", input=value.id, **size)
    parts = [head, view]
    if sample and sample.credit:
        page = html.A("Source", href=sample.credit.page, target="_blank", rel="noreferrer")
        parts.append(html.P([credit(sample.credit), ". ", page], className="ev-muted ev-small"))
    if value.checks:
        parts.append(checks(value.checks))
    parts.extend(note(text) for text in value.notes)
    if value.sample is None:
        parts.append(
            html.Button(
                "Delete this file from the server",
                id="input-delete",
                className="ev-link-button ev-small",
                n_clicks=0,
                **confirm(
                    f"{value.name or 'This file'} goes from the server, and its maps with it. Links to it no longer open. "
                    "This cannot be undone.",
                    input=value.id,
                ),
            )
        )
    return parts


def delete_all() -> Component:
    """Offered where an input is part of concepts or analyses."""
    return html.Button(
        "Delete it with its part in them",
        id="input-delete-all",
        className="ev-link-button ev-small",
        n_clicks=0,
        **confirm(
            "The file goes from the server with its part in concepts and analyses: analyses and maps are deleted, a concept loses its "
            "examples. This cannot be undone."
        ),
    )


def bundled(value: Input, samples: Sequence[Sample]) -> Sample | None:
    """The bundled sample that this input is."""
    return next((sample for sample in samples if sample.key == value.sample), None)


def credit(of: Credit) -> str:
    """Whose work it is and what may be done with it."""
    return f"{of.author}, {of.licence}"


def nothing() -> list[Component]:
    """The input card before there is an input."""
    return [
        html.P(
            "No input yet. Drop a recording, a photo or a spectrogram, or open a sample.",
            className="ev-muted",
        )
    ]


def drop_zone(limits: Mapping[str, Any]) -> Component:
    """The large way in; the widget itself states formats, limits, and where the file goes."""
    return html.Div(
        [
            widget(
                "upload",
                store="input-store",
                limits=dict(limits),
                **{"as": "auto"},
                word="Choose file",
                className="ev-start-upload",
            ),
            widget("recent", store="input-store", className="ev-recents"),
            html.Div(
                [
                    widget("record", store="input-store", limits=dict(limits), compact="1"),
                    dmc.Checkbox(
                        id="as-spectrogram",
                        label="Pictures are spectrograms",
                        size="xs",
                        wrapperProps={"title": "Top row = highest frequency"},
                    ),
                ],
                className="ev-start-more",
            ),
        ],
        className="ev-start-drop",
    )


def gallery(samples: Sequence[Sample], inputs: Mapping[str, Input]) -> Component:
    """Bundled cases, each with its kind."""
    return grouped(samples, inputs, "ev-gallery", brief=True)


def grouped(
    samples: Sequence[Sample],
    inputs: Mapping[str, Input],
    list_class: str,
    brief: bool = False,
) -> Component:
    """One list per kind of sample, each named for what it is; pairs stand last in theirs."""
    parts: list[Component] = []
    for group, listed in itertools.groupby(samples, key=lambda sample: sample.group):
        title, about = words.GROUP[group]
        members = list(listed)
        cards = [sample_card(sample, inputs.get(sample.input), brief) for sample in members]
        cards += [
            pair_card(sample, sample.beside, inputs.get(sample.input), brief)
            for sample in members
            if sample.beside
        ]
        parts += [
            html.H3([title, html.Span(about, className="ev-muted")], className="ev-gallery-title"),
            html.Ul([html.Li(card) for card in cards], className=list_class),
        ]
    return html.Div(parts) if parts else note("There are no bundled samples on this server.")


def pair_card(sample: Sample, pair: SamplePair, value: Input | None, brief: bool) -> Component:
    """A sample that opens with its partner beside it."""
    shown = sample.model_copy(
        update={"title": pair.title, "description": pair.description, "role": "example"}
    )
    return sample_card(shown, value, brief, pair=True)


def sample_card(sample: Sample, value: Input | None, brief: bool = False, pair: bool = False) -> Component:
    """One case as a button. brief: name, kind and credit; what is known about it is told when it is open. pair: it opens
    with its partner."""
    picture = html.Span(
        html.Img(src=thumbnail(sample, value), alt="", className=f"ev-thumb ev-thumb--{sample.modality}"),
        className="ev-thumb-box",
    )
    role = (
        chip("Side by side", glyph="grid")
        if pair
        else chip(words.ROLE[sample.role], words.ROLE_STATE[sample.role], glyph=words.ROLE_ICON[sample.role])
    )
    title = html.Span(sample.title, className="ev-sample-title")
    credits: list[Component] = (
        [html.Span(f"Photo: {credit(sample.credit)}", className="ev-sample-text")] if sample.credit else []
    )
    if brief:
        parts = [picture, html.Span([title, role, *credits], className="ev-sample-words")]
    else:
        known: list[Any] = [html.Span("Known: ", className="ev-sample-label"), sample.known]
        told = [
            title,
            html.Span(sample.description, className="ev-sample-text"),
            html.Span(known, className="ev-sample-known"),
            *credits,
        ]
        side = html.Span([picture, role], className="ev-sample-side")
        parts = [side, html.Span(told, className="ev-sample-words")]
    return html.Button(
        parts,
        className="ev-sample ev-sample--brief" if brief else "ev-sample",
        title=f"{sample.description} {sample.known}" if brief else None,
        type="button",
        **sets("sample-store", {"key": sample.key, **({"pair": True} if pair else {})}),
    )


def thumbnail(sample: Sample, value: Input | None) -> str:
    """A small picture: of the image itself, or of the waveform."""
    if sample.modality == "audio":
        return waveform(value.waveform if value else [])
    return href(f"/inputs/{sample.input}/preview.png?size=192")


def waveform(levels: Sequence[float]) -> str:
    """The peak envelope (0..1) as an SVG data address, 120 x 40, in a grey that reads on both themes."""
    count = 60
    chosen = (
        [
            max(levels[len(levels) * i // count : len(levels) * (i + 1) // count] or [0.0])
            for i in range(count)
        ]
        if levels
        else [0.0] * count
    )
    bars = "".join(
        f"M{2 * i + 1} {20 - max(0.5, 18 * level):.1f}V{20 + max(0.5, 18 * level):.1f}"
        for i, level in enumerate(chosen)
    )
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><path d="{bars}" stroke="#7b858f" stroke-width="1.2"/></svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()


def drawer_list(samples: Sequence[Sample], inputs: Mapping[str, Input]) -> Component:
    """Samples in a drawer's width."""
    return grouped(samples, inputs, "ev-gallery ev-gallery--narrow")


def samples_drawer() -> Component:
    """The gallery again, while an input is open; listed when the drawer is opened."""
    listed = html.Div(id="drawer-gallery")
    own = widget("recent", store="input-store", className="ev-recents")
    return drawer([own, listed], id="samples-drawer", title="Samples", position="left", size=420)
