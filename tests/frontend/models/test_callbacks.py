"""The callbacks of the Models and About pages as plain functions: what they ask the API and what they hand
to the page."""

from __future__ import annotations

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import AbsentModel, Credit
from frontend import about
from frontend.models import page
from frontend.wiring import Trigger
from tests.frontend import canned
from tests.frontend.api import Api
from tests.frontend.waiting import run


def press(kind: str, clicks: int = 1) -> Trigger:
    return Trigger({"type": kind, "key": "mine"}, clicks)


def test_the_list_holds_every_model():
    drawn = str(run(page.list_models(Api(catalogue=canned.CATALOGUE), None)))
    assert all(model.title in drawn for model in canned.CATALOGUE.models)


def test_models_that_are_not_ready_are_told_and_followed():
    waiting, unread = AbsentModel(name="mine", own=True), AbsentModel(name="a.py", own=True, reason="Line 3.")
    for absent, complete in (([waiting, unread], False), ([unread], True), ([], True)):
        catalogue = canned.CATALOGUE.model_copy(update={"absent": absent})
        drawn = run(page.list_models(Api(catalogue=catalogue), None))
        assert drawn["complete"] is complete
        assert ("listed when ready: mine." in str(drawn["absent"])) is not complete
        assert ("a.py could not be read: Line 3." in str(drawn["absent"])) is (unread in absent)


def test_a_card_opens_for_the_address_and_for_a_press():
    server = Api(model=canned.CATALOGUE.models[3])
    for call in (page.open_named(server, "mine"), page.open_chosen(server, [1], press("model-open"))):
        card = run(call)
        assert (card["opened"], card["title"]) == (True, "My network")
    assert server.asked("model") == ["mine", "mine"]


def test_a_pressed_model_is_deleted_and_the_list_drawn_again():
    server = Api(delete_model=None)
    assert run(page.delete(server, [1], 2, press("model-delete"))) == {"changes": 3, "notice": None}
    assert server.asked("delete_model") == ["mine"]


def test_buttons_that_only_arrived_and_an_idle_clock_ask_nothing():
    server = Api()
    for call in (
        page.open_named(server, None),
        page.open_chosen(server, [0], press("model-open", 0)),
        page.delete(server, [0], None, press("model-delete", 0)),
    ):
        with pytest.raises(PreventUpdate):
            run(call)
    assert server.calls == []


def test_without_the_api_every_place_says_so():
    down = Api(down=True)
    assert "does not answer" in str(run(page.list_models(down, None)))
    assert "does not answer" in str(run(page.open_named(down, "mine"))["card"])
    refused = run(page.delete(down, [1], 2, press("model-delete")))
    assert "does not answer" in str(refused["notice"])
    assert refused["changes"] is no_update
    assert run(page.offer(down, None)) is None
    assert "does not answer" in str(run(about.list_methods(down, 0)))


def test_about_credits_weights_and_photographs_of_others():
    theirs = canned.model("photos", "Photographs", ["image"], ["a", "b"]).model_copy(
        update={"source": "somebody's laboratory", "licence": "BSD-3-Clause"}
    )
    ours = theirs.model_copy(update={"title": "Ours", "source": "trained by this project: evident train"})
    credit = Credit(author="A. Photographer", licence="CC0-1.0", page="https://example.org/photo")
    server = Api(
        catalogue=canned.CATALOGUE.model_copy(update={"models": [theirs, ours]}),
        samples=[canned.SAMPLES[0], canned.SAMPLES[-1].model_copy(update={"credit": credit})],
    )
    drawn = str(run(about.list_credits(server, 0)))
    for told in ("somebody's laboratory", "BSD-3-Clause", credit.author, credit.licence, credit.page):
        assert told in drawn
    assert "Ours" not in drawn
    assert canned.SAMPLES[0].title not in drawn
    assert "does not answer" in str(run(about.list_credits(Api(down=True), 0)))


def test_about_tells_every_method_with_its_paper():
    drawn = str(run(about.list_methods(Api(catalogue=canned.CATALOGUE), 0)))
    assert all(method.title in drawn for method in canned.CATALOGUE.methods)
    assert "Some paper (arXiv 0000.00000)" in drawn
