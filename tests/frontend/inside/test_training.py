"""The half of the Inside page that shows a training: what the address asks for reaches the widget."""

from __future__ import annotations

import json

import pytest
from dash import html

from frontend.inside import training
from tests.frontend.trees import parts


@pytest.mark.parametrize(
    ("query", "run", "epoch"),
    [
        ({}, "", ""),
        ({"view": "training", "run": "shapes", "epoch": "7"}, "shapes", "7"),
        ({"epoch": "-1"}, "", ""),
        ({"epoch": "1e3", "run": "<b>"}, "<b>", ""),
        ({"epoch": "9" * 20}, "", ""),
    ],
)
def test_the_address_reaches_the_widget(query: dict[str, str], run: str, epoch: str) -> None:
    view = training.view({**query, "model": "shapes"}, html.Div("switch"))
    (widget,) = [part for part in parts(view) if getattr(part, "data-evident", None) == "training"]
    assert (getattr(widget, "data-run"), getattr(widget, "data-epoch")) == (run, epoch)
    assert json.loads(getattr(widget, "data-shown")) == {"model": "shapes"}
    assert any(getattr(part, "id", None) == getattr(widget, "data-bar") for part in parts(view))
