"""What the tests without a server answer is what the API answers: the invented answers are compared with
real ones, made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.core.schemas import Explanation, Record
from backend.attribution.methods import METHODS
from backend.tasks.catalogue import method_info
from tests.browser.widgets import server
from tests.frontend import canned, recorded


def test_canned_methods_are_those_there_are() -> None:
    for row in canned.METHODS:
        method = METHODS[row[0]]
        assert row == (
            method.key,
            method.title,
            method.family,
            method.signed,
            method.uses_layer,
            method.default_on,
        )


def test_canned_controls_are_of_the_kinds_that_forms_hold() -> None:
    """Every key that a canned schema uses is one that the schemas of the real methods use."""
    info = [method_info(method, []).schema_ for method in METHODS.values()]
    known = {key for schema in info for field in schema["properties"].values() for key in field}
    assert {key for field in canned.PARAMS["properties"].values() for key in field} <= known | {
        "enum",
        "type",
        "anyOf",
    }


@pytest.mark.parametrize("method", recorded.METHODS)
def test_recorded_answers_are_those_of_today(method: str) -> None:
    """Record them again (see recorded.py) when this fails."""
    before, now = recorded.records()[method], recorded.make(method)
    assert set(before) == set(now) == set(Record.model_fields)
    for name in (
        "stages",
        "arrays",
        "signed",
        "shape",
        "native",
        "params",
        "forwards",
        "backwards",
        "y_axis",
        "x_axis",
        "window",
    ):
        assert before[name] == now[name], name
    assert kinds(before["extras"]) == kinds(now["extras"])
    assert (before["gap"] is None) == (now["gap"] is None)


def kinds(extras: dict[str, Any]) -> dict[str, type]:
    return {
        name: float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
        for name, value in extras.items()
    }


def test_the_harness_of_the_widgets_answers_in_the_apis_words() -> None:
    """Its jobs and records are read by the wire schemas, none of their fields is unknown or left out."""
    site = server.Site()
    made = server.record(np.ones((4, 6), np.float32), server.sound_axes(4, 6))
    job = site.jobs[site.put("a", record=made)]
    assert set(job) == set(Explanation.model_fields)
    read = Explanation.model_validate(job)
    assert read.record
    assert set(made) == set(Record.model_fields) == set(read.record.model_dump())
