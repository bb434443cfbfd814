"""The second side as plain functions: what stands beside, which class it explains, what is asked of the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import Gate, Problem, SamplePair
from frontend.compare import beside, subject
from frontend.wiring import Trigger
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.trees import texts, widgets
from tests.frontend.waiting import run

ONE = canned.CATALOGUE.models[0]
TWIN = ONE.model_copy(update={"key": "twin", "title": "The twin"})
STRANGER = ONE.model_copy(update={"key": "stranger", "labels": ["cat", "dog", "fish"]})
SUBJECT = {"input": canned.SOUND.id, "model": ONE.key, "start": 0.5}
FIRST = {
    "subject": SUBJECT,
    "prediction": canned.prediction().model_dump(mode="json"),
    "fits": {key: fit.model_dump() for key, fit in canned.FITS.items()},
}
REQUEST = {**SUBJECT, "method": "lime", "target": 0, "layer": None, "params": {"noise": 0.3}, "seed": 4}
RUNS = {"subject": SUBJECT, "runs": {"lime": {"id": "a1", "request": REQUEST}}, "all": False}


def api(**more: Any) -> Api:
    models = {model.key: model for model in (ONE, TWIN, STRANGER)}
    known = {
        "catalogue": canned.CATALOGUE, "samples": canned.SAMPLES, "fits": canned.FITS, "limits": canned.LIMITS,
        "predict": lambda request: canned.prediction(request.model),
        "input": canned.SOUND, "model": models.__getitem__, "explain": canned.explanation,
    }  # fmt: skip
    return Api(**{**known, **more})


def beside_of(model: str, server: Api | None = None) -> dict[str, Any]:
    return run(beside.predict(server or api(), SUBJECT, {"kind": "model", "key": model}))


def test_another_network_sees_the_same_window_another_recording_its_own():
    assert beside.subject_beside(SUBJECT, {"kind": "model", "key": "twin"}) == {**SUBJECT, "model": "twin"}
    other = beside.subject_beside(SUBJECT, {"kind": "input", "key": "b"})
    assert other == {"input": "b", "model": ONE.key, "start": None}
    assert beside.subject_beside(SUBJECT, {"kind": "model", "key": ONE.key}) is None


def test_the_second_prediction_names_both_sides():
    said = beside_of("twin")
    assert said["answer"]["base"] == SUBJECT
    assert said["answer"]["subject"]["model"] == "twin"
    assert (said["first"], "B · The twin" in texts(said["view"])) == (ONE.title, True)
    assert beside_of(ONE.key)["answer"] is None
    assert "above already" in str(beside_of(ONE.key)["view"])
    assert run(beside.predict(api(), SUBJECT, None))["view"] is None


@pytest.mark.parametrize("refused", ["predict", "model", "input"])
def test_a_side_that_is_gone_says_so(refused: str):
    said = beside_of("twin", api(**{refused: GONE}))
    assert said["answer"] is None
    assert GONE.detail in texts(said["view"])


def test_what_an_input_holds_is_known_whatever_the_network():
    """A sticker is a sticker; what speaks for a class is known with the sample's own network only."""
    sample = canned.SAMPLES[0].model_copy(update={"evidence": {"boxes": [[0.1, 0.2, 300.0, 400.0]]}})
    with_own = beside.known_of([sample], canned.SOUND, ONE)
    assert with_own == {"sample": sample.key, "input": sample.input, "model": ONE.key, "foreign": False}
    assert beside.known_of([sample], canned.SOUND, TWIN) == {**with_own, "model": "twin", "foreign": True}
    assert beside.known_of([canned.SAMPLES[0]], canned.SOUND, ONE) is None


def test_a_score_behind_the_gate_is_withheld_on_either_side():
    closed = canned.prediction().model_copy(update={"gate": Gate(state="abstain", reasons=["No cough."])})
    said = beside_of("twin", api(predict=closed))
    assert "No cough." in texts(said["view"])
    assert "0.81" not in texts(said["view"])
    told = beside.scores(ONE, TWIN, canned.prediction(), closed, 1, None)
    assert told["withheld"]
    assert not beside.scores(ONE, TWIN, canned.prediction(), closed, 1, [closed.input])["withheld"]


def test_a_class_is_matched_by_its_name():
    assert beside.same_class(ONE, TWIN, 1) == 1
    turned = TWIN.model_copy(update={"labels": ONE.labels[::-1]})
    assert beside.same_class(ONE, turned, 1) == 0
    assert beside.same_class(ONE, STRANGER, 1) is None
    twice = TWIN.model_copy(update={"labels": ["x", "y", ONE.labels[0], ONE.labels[0]]})
    assert beside.same_class(ONE, twice, 0) is None, "two classes of that name: neither is meant"
    short = TWIN.model_copy(update={"labels": ["x"]})
    assert beside.same_class(ONE, short, 1) is None


def follow(model: str, server: Api, runs: Any = RUNS, before: Any = None) -> dict[str, Any]:
    return run(beside.follow(server, runs, beside_of(model)["answer"], FIRST, before))


def test_what_runs_above_runs_here_with_the_same_parameters():
    """A default that depends on the network is the one in force above."""
    above = {
        **canned.FITS,
        "lime": canned.FITS["lime"].model_copy(update={"defaults": {"baseline": "silence"}}),
    }
    server = api(fits=lambda model: above if model == ONE.key else canned.FITS)
    said = follow("twin", server)
    [request] = server.asked("explain")
    assert request.params == {"noise": 0.3, "baseline": "silence"}
    assert (request.model, request.target, request.seed, request.start) == ("twin", 0, 4, 0.5)
    assert said["runs"]["runs"]["lime"]["of"] == "a1"
    told = json.loads(said["scores"])
    assert told["same"]
    assert told["sides"] == 2 * [{"label": "other", "score": 0.19, "says": ["Covid-like", 0.81]}]


def test_without_that_class_the_side_explains_its_own_first_and_says_so():
    server = api()
    told = json.loads(follow("stranger", server)["scores"])
    assert [request.target for request in server.asked("explain")] == [canned.prediction().top]
    assert not told["same"]
    assert [side["label"] for side in told["sides"]] == ["other", "dog"]


def test_a_layer_that_the_other_network_lacks_is_its_default():
    lacking = TWIN.model_copy(update={"layers": ONE.layers[1:]})
    models = {ONE.key: ONE, "twin": lacking}
    server = api(model=models.__getitem__)
    request = {**REQUEST, "method": "grad_cam", "layer": "features.conv3", "params": {}}
    follow("twin", server, {**RUNS, "runs": {"grad_cam": {"id": "a2", "request": request}}})
    assert [request.layer for request in server.asked("explain")] == ["features.conv4"]


def test_a_map_whose_partner_is_the_same_is_not_asked_for_again():
    server = api()
    first = follow("twin", server)["runs"]
    more = {"grad_cam": {"id": "a2", "request": {**REQUEST, "method": "grad_cam", "params": {}}}}
    again = follow("twin", server, {**RUNS, "runs": {**RUNS["runs"], **more}}, first)["runs"]
    assert [request.method for request in server.asked("explain")] == ["lime", "grad_cam"]
    assert again["runs"]["lime"] == first["runs"]["lime"]
    assert follow("stranger", server, RUNS, first)["runs"]["runs"]["lime"]["request"]["model"] == "stranger"


def test_maps_of_another_view_are_not_followed():
    elsewhere = {**RUNS, "subject": {**SUBJECT, "input": "x"}}
    assert follow("twin", api(), elsewhere) == {"runs": None, "scores": ""}
    assert run(beside.follow(api(), RUNS, None, FIRST, None))["runs"] is None


def test_each_panel_stands_under_its_partner():
    answer = beside_of("twin")["answer"]
    runs = follow("twin", api())["runs"]
    drawn = run(beside.draw(api(), runs, answer, ["lime", "grad_cam", "occlusion"], FIRST))
    assert [part.style["--ev-nth"] for part in drawn] == ["0", "1", "2"]
    assert [item["evident"] for item in widgets(drawn)] == ["input-map", "map"]
    assert all(item["side"] == "beside" for item in widgets(drawn))
    assert "Runs with the map above" in texts(drawn[1])
    assert run(beside.draw(api(), runs, answer, ["lime"], {**FIRST, "subject": {}})) == []


def test_a_method_that_does_not_fit_the_other_network_says_why():
    answer = {**beside_of("twin")["answer"], "fits": {"lime": canned.FITS["occlusion"].model_dump()}}
    server = api()
    said = run(beside.follow(server, RUNS, answer, FIRST, None))
    assert server.asked("explain") == []
    drawn = run(beside.draw(server, said["runs"], answer, ["lime"], FIRST))
    assert canned.FITS["occlusion"].reason in texts(drawn)


def offered(server: Api, key: str) -> list[dict[str, str]]:
    said = run(beside.offer(server, 1, 1, SUBJECT, Trigger(key, 1)))
    assert said["opened"]
    return [
        json.loads(value)
        for part in said["children"]
        for item in part._traverse()
        if (value := getattr(item, "data-value", None))
    ]


def test_only_what_can_stand_beside_is_offered():
    other = canned.SAMPLES[0].model_copy(update={"key": "more", "input": "b" * 64})
    server = api(samples=[*canned.SAMPLES, other])
    assert offered(server, "beside-input-open") == [{"kind": "input", "key": "b" * 64}]
    models = [*canned.CATALOGUE.models, TWIN]
    server = api(catalogue=canned.CATALOGUE.model_copy(update={"models": models}))
    assert offered(server, "beside-model-open") == [{"kind": "model", "key": "twin"}]
    with pytest.raises(PreventUpdate):
        run(beside.offer(server, None, None, SUBJECT, Trigger("beside-model-open", None)))


def test_a_pair_of_samples_opens_with_both_sides_and_a_sample_with_one():
    pair = SamplePair(kind="model", key="twin", title="A pair", description="Two.")
    samples = [sample.model_copy(update={"beside": pair}) for sample in canned.SAMPLES]
    key = samples[0].key
    opened = run(subject.open_sample(api(samples=samples), {"key": key, "pair": True, "at": 1}))
    assert opened["beside"] == {"kind": "model", "key": "twin"}
    assert run(subject.open_sample(api(samples=samples), {"key": key, "at": 2}))["beside"] is None
    down = Problem(title="Down", status=503, code="unreachable", detail="No.")
    assert run(subject.open_sample(api(samples=down), {"key": key, "at": 3}))["beside"] is no_update
