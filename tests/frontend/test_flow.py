"""Decisions between input and maps: what is predicted, which methods start by themselves, what exactly is
posted."""

from __future__ import annotations

import json

import httpx

from app.core.schemas import ExplanationRequest, Fit
from frontend.client import Client
from frontend.compare.maps import is_cheap, layer_of, post, wanted
from frontend.compare.subject import subject_of, target_of
from tests.frontend import canned
from tests.frontend.waiting import run

TICKED = ["lime", "grad_cam", "occlusion"]
METHODS = {method.key: method for method in canned.CATALOGUE.methods}


def keys(trigger: object, everything: bool = False) -> list[str]:
    return [method.key for method in wanted(canned.CATALOGUE, canned.FITS, TICKED, trigger, everything)]


def test_a_new_input_starts_only_what_is_cheap():
    assert keys("answer-store") == ["grad_cam"]


def test_the_cheapest_comes_first():
    fits = {**canned.FITS, "fused": Fit(ok=True, seconds=0.1), "lrp": Fit(ok=True)}
    chosen = wanted(canned.CATALOGUE, fits, ["grad_cam", "lime", "fused", "lrp"], "run", False)
    assert [method.key for method in chosen] == ["fused", "grad_cam", "lrp", "lime"]


def test_run_starts_all_that_is_ticked_and_fits():
    assert keys("run") == ["grad_cam", "lime"]


def test_a_shared_link_shows_all_its_maps():
    assert keys("answer-store", everything=True) == ["grad_cam", "lime"]


def test_one_panel_s_button_starts_that_one_also_when_costly():
    assert keys({"type": "run-one", "method": "lime"}) == ["lime"]


def test_unmeasured_methods_start_unless_they_ask_the_model_hundreds_of_times():
    assert is_cheap(METHODS["grad_cam"], Fit(ok=True))
    assert not is_cheap(METHODS["lime"], Fit(ok=True))
    assert is_cheap(METHODS["lime"], Fit(ok=True, seconds=1.9))
    assert not is_cheap(METHODS["grad_cam"], Fit(ok=True, seconds=2.0))


def test_a_window_of_another_input_does_not_count():
    data = {"id": "a"}
    assert subject_of(data, "m", {"input": "a", "start": 1.2}) == {"input": "a", "model": "m", "start": 1.2}
    assert subject_of(data, "m", {"input": "b", "start": 1.2}) == {"input": "a", "model": "m", "start": None}
    assert subject_of(None, "m", None) is None
    assert subject_of(data, None, None) is None


def test_a_class_chosen_for_another_input_or_model_does_not_count():
    prediction = canned.prediction()
    chosen = {"input": prediction.input, "model": prediction.model, "target": 0}
    assert target_of(chosen, prediction, 5) == 0
    assert target_of({**chosen, "model": None}, prediction, 5) == 0
    assert target_of({**chosen, "model": "shapes"}, prediction, 5) == prediction.top
    assert target_of({**chosen, "input": "x"}, prediction, 5) == prediction.top
    assert target_of({**chosen, "target": 4}, prediction, 5) == 4  # below the classes with a score
    assert target_of({**chosen, "target": 5}, prediction, 5) == prediction.top
    assert target_of({**chosen, "target": -1}, prediction, 5) == prediction.top
    assert target_of(None, prediction, 5) == prediction.top


def test_a_layer_of_another_model_gives_way_to_the_default():
    model = canned.CATALOGUE.models[0]
    assert layer_of(model, "features.conv3") == "features.conv3"
    assert layer_of(model, None, "layer4.1.relu") == "features.conv4"


def sent(method: str, params: dict[str, dict[str, object]]) -> tuple[dict[str, object], dict[str, object]]:
    """What was posted for one method, and what the page keeps of it."""
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(
            202, content=canned.explanation(ExplanationRequest(**bodies[0])).model_dump_json()
        )

    part = {"input": "a", "model": "cnnexplain", "start": None, "target": 1, "seed": 3}
    entry = run(
        post(
            Client(lambda: httpx.MockTransport(answer)),
            METHODS[method],
            part,
            "features.conv3",
            canned.FITS,
            params,
        )
    )
    return bodies[0], entry


def test_a_post_carries_only_what_differs_from_the_defaults():
    body, entry = sent("lime", {"lime": {"n_samples": 500, "noise": 0.15}, "lrp": {"n_samples": 1}})
    assert body == {
        "input": "a",
        "model": "cnnexplain",
        "method": "lime",
        "target": 1,
        "layer": None,
        "params": {"n_samples": 500},
        "seed": 3,
        "start": None,
        "altered": None,
    }
    assert {**entry["request"], "altered": None} == body


def test_the_layer_goes_only_to_methods_that_use_one():
    assert sent("grad_cam", {})[0]["layer"] == "features.conv3"


def test_a_refusal_is_kept_for_its_panel():
    problem = {"title": "No", "status": 422, "code": "incompatible", "detail": "It needs ReLU units."}
    transport = httpx.MockTransport(lambda _: httpx.Response(422, json=problem))
    part = {"input": "a", "model": "cnnexplain", "start": None, "target": 1, "seed": 0}
    entry = run(post(Client(lambda: transport), METHODS["lrp"], part, None, canned.FITS, {}))
    assert entry["problem"]["detail"] == "It needs ReLU units."
    assert "id" not in entry
