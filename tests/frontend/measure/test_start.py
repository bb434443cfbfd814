"""The Measure page for an address: which choices reach the widget, and what of the address does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dash.exceptions import PreventUpdate

from frontend.measure import start
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.trees import texts, widgets
from tests.frontend.waiting import run

OWN = canned.CATALOGUE.models[0].model_copy(update={"key": "upload:1", "title": "Mine"})


def api(**answers: Any) -> Api:
    return Api(
        **{"catalogue": canned.CATALOGUE, "model": lambda key: OWN if key == OWN.key else GONE, **answers}
    )


def opened(query: dict[str, str], **answers: Any) -> dict[str, Any]:
    told = run(start.load(api(**answers), query))
    assert told["opened"] == query
    (widget,) = [each for each in widgets(told["body"]) if each["evident"] == "measure"]
    return {name: json.loads(widget[name]) for name in ("catalogue", "query")}


def test_the_strip_offers_what_the_catalogue_lists_and_only_models_that_run():
    gone = OWN.model_copy(update={"available": False})
    catalogue = canned.CATALOGUE.model_copy(update={"models": [*canned.CATALOGUE.models, gone]})
    offered = opened({}, catalogue=catalogue)["catalogue"]
    assert [info["key"] for info in offered["models"]] == [m.key for m in catalogue.models if m.available]
    assert [info["key"] for info in offered["methods"]] == [m.key for m in catalogue.methods]
    assert [info["key"] for info in offered["metrics"]] == [m.key for m in catalogue.metrics]


def test_a_model_of_ones_own_is_offered_when_the_address_names_it():
    assert opened({"model": OWN.key})["catalogue"]["models"][-1] == {
        "key": OWN.key,
        "title": "Mine",
        "modalities": OWN.modalities,
    }
    keys = [info["key"] for info in opened({"model": "gone"})["catalogue"]["models"]]
    assert "gone" not in keys


def test_the_whole_choice_of_the_address_reaches_the_widget_and_nothing_else():
    query = {
        "model": "shapes", "set": "s", "count": "4", "methods": "a,b", "metrics": "m", "seed": "3", "study": "e1", "cell": "a:m", "sort": "m", "bench": "tau:0.3", "subject": "i",
    }  # fmt: skip
    asked = {**query, "input": "from another page", "asked": "2", "inputs": ""}
    assert opened(asked)["query"] == query
    assert opened({"model": "shapes", "inputs": "i" * 20_001})["query"] == {"model": "shapes"}


def test_nothing_is_opened_before_there_is_an_address():
    with pytest.raises(PreventUpdate):
        run(start.load(api(), None))


def test_silence_of_the_server_is_told_with_a_way_on():
    told = run(start.load(Api(down=True), {}))
    assert "does not answer" in texts(told["body"])
    assert "Try again" in texts(told["body"])
