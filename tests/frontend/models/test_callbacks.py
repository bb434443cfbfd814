"""The callbacks of the Models and About pages as plain functions: what they ask the API and what they hand
to the page."""

from __future__ import annotations

from typing import Any

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import Credit, Job, Problem, Progress
from frontend import about
from frontend.models import fetch, page
from frontend.wiring import Trigger
from tests.frontend import canned
from tests.frontend.api import SILENT, Api
from tests.frontend.waiting import run

OFFLINE = Problem(title="No", status=503, code="weights_unavailable", detail="This machine is offline.")


def job(state: str, **more: Any) -> Job:
    return Job.model_validate({"id": "f1", "kind": "fetch", "state": state, "created": "now", **more})


def press(kind: str, clicks: int = 1) -> Trigger:
    return Trigger({"type": kind, "key": "mine"}, clicks)


def test_the_list_holds_every_model():
    drawn = str(run(page.list_models(Api(catalogue=canned.CATALOGUE, limits=canned.LIMITS), None, None)))
    assert all(model.title in drawn for model in canned.CATALOGUE.models)


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


def test_a_model_that_is_here_is_listed_at_once():
    server = Api(fetch_model=canned.CATALOGUE.models[3])
    assert run(fetch.fetch(server, 1, " timm:resnet18 ", None)) == {
        "note": "My network is here.",
        "job": None,
        "idle": True,
        "changes": 1,
    }
    assert server.asked("fetch_model") == ["timm:resnet18"]


def test_a_fetch_is_followed_to_its_end():
    started = run(fetch.fetch(Api(fetch_model=job("queued")), 1, "timm:resnet18", 4))
    assert started == {"note": "Waiting for a worker.", "job": "f1", "idle": False, "changes": no_update}
    half = Progress(done=5_000_000, total=10_000_000, unit="bytes")
    running = run(fetch.follow(Api(job=job("running", progress=half)), 1, "f1", 4))
    assert (running["note"], running["idle"]) == ("5 MB of 10 MB fetched.", False)
    server = Api(job=job("done"))
    assert run(fetch.follow(server, 2, "f1", 4)) == {
        "note": "It is here.",
        "job": None,
        "idle": True,
        "changes": 5,
    }
    assert server.asked("job") == ["f1"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (job("failed", error=OFFLINE), "This machine is offline."),
        (job("cancelled"), "stopped before the weights were here"),
        (SILENT, "does not answer"),
    ],
)
def test_a_fetch_that_ends_without_weights_says_why_and_lists_nothing(answer, words):
    ended = run(fetch.follow(Api(job=answer), 1, "f1", 4))
    assert words in str(ended["note"])
    assert (ended["job"], ended["idle"], ended["changes"]) == (None, True, no_update)


def test_buttons_that_only_arrived_and_an_idle_clock_ask_nothing():
    server = Api()
    for call in (
        page.open_named(server, None),
        page.open_chosen(server, [0], press("model-open", 0)),
        page.delete(server, [0], None, press("model-delete", 0)),
        fetch.fetch(server, 0, "timm:resnet18", None),
        fetch.follow(server, 1, None, None),
    ):
        with pytest.raises(PreventUpdate):
            run(call)
    assert server.calls == []


def test_without_the_api_every_place_says_so():
    down = Api(down=True)
    assert "does not answer" in str(run(page.list_models(down, None, None)))
    assert "does not answer" in str(run(page.open_named(down, "mine"))["card"])
    refused = run(page.delete(down, [1], 2, press("model-delete")))
    assert "does not answer" in str(refused["notice"])
    assert refused["changes"] is no_update
    assert "does not answer" in str(run(fetch.fetch(down, 1, "timm:resnet18", None))["note"])
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
