"""The right column: readout under the crosshair, agreement between maps, and what to take along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core.schemas import MethodInfo
from frontend.client import href
from frontend.ui.common import aria, card, icon, widget

BUNDLE: dict[str, Any] = {"data-bundle": "1"}
"""How the browser knows the link to the one file."""
REPORT: dict[str, Any] = {"data-report": "1"}
"""How the browser knows a button that opens the report."""


def readout_card() -> Component:
    return card("Readout", widget("readout"), className="ev-readout-card")


def agreement_card() -> Component:
    return card("Agreement", widget("agreement"), className="ev-agreement-card ev-lab-only")


def keep_card() -> Component:
    """Permalink and downloads."""
    return card(
        "Keep",
        html.Div(
            [
                dmc.CopyButton(
                    id="copy-link",
                    value="",
                    children="Copy link",
                    copiedChildren="Copied",
                    size="xs",
                    variant="default",
                    color="accent",
                    copiedColor="accent",
                ),
                html.Button(
                    [icon("file"), "Report"],
                    className="ev-button",
                    type="button",
                    title="One PDF or HTML file of this view; check a report (G)",
                    **REPORT,
                ),
                html.Details(
                    [
                        html.Summary([icon("download"), "Downloads"], className="ev-button"),
                        html.Div(downloads([], {}, {}), id="downloads", className="ev-downloads"),
                    ]
                ),
            ],
            className="ev-keep",
            title="The link holds model, input, class, methods, parameters and look",
        ),
        className="ev-keep-card",
    )


def downloads(
    methods: Sequence[MethodInfo], runs: Mapping[str, Mapping[str, Any]], states: Mapping[str, str]
) -> list[Component]:
    """Everything about the finished maps in one file; and picture, numbers and record of each. The browser adds the
    look and the link of the page to the address of the one file."""
    ready = [(method, runs[method.key]["id"]) for method in methods if states.get(method.key) == "done"]
    if not ready:
        return [html.P("Nothing finished yet", className="ev-muted ev-small")]
    whole = html.A(
        [icon("download"), "Download everything"],
        href=href(f"/bundles?explanations={','.join(key for _, key in ready)}"),
        download="evident.zip",
        className="ev-button",
        title="One ZIP: maps, numbers, pictures, records, the input as the network saw it, and this link. Not the recording or photograph itself.",
        **BUNDLE,
    )
    return [whole, *single_files(ready)]


def single_files(ready: Sequence[tuple[MethodInfo, str]]) -> list[Component]:
    """ready: finished maps, each with the id of its explanation."""
    parts: list[Component] = []
    for method, key in ready:
        parts.append(html.P(method.title, className="ev-muted ev-small"))
        for text, path, name in (
            ("Picture (PNG)", "overlay.png", "png"),
            ("Numbers (NPY)", "values.npy", "npy"),
            ("Record (JSON)", "", "json"),
        ):
            link = href(f"/explanations/{key}/{path}".rstrip("/"))
            parts.append(
                html.A(
                    text,
                    href=link,
                    download=f"{method.key}.{name}",
                    className="ev-menu-link",
                    **aria(label=f"{method.title}: {text}"),
                )
            )
    return parts
