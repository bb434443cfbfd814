"""The Cases page: which models a new list may have, also from a server that has only just started."""

from __future__ import annotations

import json
from typing import Any

from frontend.cases import start
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.waiting import run


def told(**answers: Any) -> dict[str, Any]:
    return json.loads(run(start.load(Api(**answers), True)))


def test_a_list_may_have_every_model_that_runs():
    gone = canned.CATALOGUE.models[0].model_copy(update={"key": "gone", "available": False})
    catalogue = canned.CATALOGUE.model_copy(update={"models": [*canned.CATALOGUE.models, gone]})
    models = told(catalogue=catalogue)["models"]
    assert [model["key"] for model in models] == [m.key for m in catalogue.models if m.available]
    assert all(set(model) == {"key", "title", "modalities", "default_for"} for model in models)


def test_a_silent_server_is_said_and_not_an_empty_list():
    assert set(told(catalogue=GONE)) == {"problem"}
    assert told(catalogue=GONE)["problem"]["detail"] == GONE.detail
