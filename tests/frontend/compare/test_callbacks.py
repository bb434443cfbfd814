"""The callbacks of the Compare page as plain functions: what they ask the API and what they hand to the
page."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import EvaluationAdvice, Gate
from frontend.compare import maps, numbers, params, subject
from frontend.ui import words
from frontend.wiring import Trigger
from tests.frontend import canned
from tests.frontend.api import Api
from tests.frontend.waiting import run

SUBJECT = {"input": canned.SOUND.id, "model": "cnnexplain", "start": None}
ANSWER = {
    "subject": SUBJECT,
    "prediction": canned.prediction().model_dump(mode="json"),
    "fits": {key: fit.model_dump() for key, fit in canned.FITS.items()},
    "known": None,
}
FORM: dict[str, Any] = {
    "ticked": ["grad_cam", "lime"], "params": {}, "layer": None, "wish": {}, "seed": 0, "target": None, "runs": None,
    "fields": [], "values": [], "flags": [], "checks": [],
}  # fmt: skip


def api(down: bool = False) -> Api:
    return Api(
        down,
        catalogue=canned.CATALOGUE,
        samples=canned.SAMPLES,
        fits=canned.FITS,
        predict=canned.prediction(),
        input=canned.SOUND,
        model=canned.CATALOGUE.models[0],
        explain=canned.explanation,
        delete_input=None,
    )


def test_costs_on_the_page_follow_the_last_runs():
    """After a run ends the words change in their places; the fits that came with the prediction are old by then."""
    slower = {
        key: fit.model_copy(update={"seconds": 3 * fit.seconds, "runs": 1}) if fit.seconds else fit
        for key, fit in canned.FITS.items()
    }
    server = Api(catalogue=canned.CATALOGUE, fits=slower)
    rows = [{"type": "cost-row", "method": key} for key in ("lime", "grad_cam")]
    offers = [{"type": "cost-offer", "method": "lime"}]
    ended = {"id": "a" * 64, "state": "done"}
    said = run(maps.renew_costs(server, ended, ANSWER, {"lime": {"n_samples": 500}}, rows, offers))
    assert said["rows"] == ["21 s", words.seconds(3 * canned.FITS["grad_cam"].seconds)]
    assert said["offers"] == ["About 21 s on this machine, as it took before."]
    assert server.asked("fits") == ["cnnexplain"]
    for nothing in ((None, ANSWER), (ended, None)):
        with pytest.raises(PreventUpdate):
            run(maps.renew_costs(server, *nothing, {}, rows, offers))


def test_a_new_prediction_starts_what_the_last_runs_found_cheap():
    """LIME was measured at 14 s and took one: it starts by itself."""
    fits = {**canned.FITS, "lime": canned.FITS["lime"].model_copy(update={"seconds": 1.0, "runs": 1})}
    server = api()
    server.answers["fits"] = fits
    run(maps.run(server, ANSWER, None, Trigger("answer-store"), **FORM))
    assert sorted(request.method for request in server.asked("explain")) == ["grad_cam", "lime"]


def test_run_posts_what_is_ticked_the_cheapest_first():
    server = api()
    answered = run(maps.run(server, ANSWER, 1, Trigger("run", 1), **FORM))
    assert [request.method for request in server.asked("explain")] == ["grad_cam", "lime"]
    assert answered["runs"]["subject"] == SUBJECT
    assert set(answered["runs"]["runs"]) == {"grad_cam", "lime"}
    assert answered["problem"] is None


def test_a_new_prediction_starts_what_is_cheap_and_forgets_maps_of_another():
    server = api()
    before = {"subject": {**SUBJECT, "model": "shapes"}, "runs": {"lrp": {"id": "old"}}, "all": False}
    answered = run(maps.run(server, ANSWER, None, Trigger("answer-store"), **{**FORM, "runs": before}))
    assert set(answered["runs"]["runs"]) == {"grad_cam"}


def test_a_press_of_run_whose_answer_was_dropped_is_made_good_once():
    """The prediction is told more (its interval) while a press is being answered: the browser keeps the newer answer only."""
    server = api()
    before = {**maps.NO_RUNS, "subject": SUBJECT, "runs": {"grad_cam": {"id": "first"}}}
    answered = run(maps.run(server, ANSWER, 1, Trigger("answer-store"), **{**FORM, "runs": before}))
    assert set(answered["runs"]["runs"]) == {"grad_cam", "lime"}
    later = api()
    again = run(maps.run(later, ANSWER, 1, Trigger("answer-store"), **{**FORM, "runs": answered["runs"]}))
    assert [request.method for request in later.asked("explain")] == ["grad_cam"]
    assert set(again["runs"]["runs"]) == {"grad_cam", "lime"}


def test_a_press_for_another_input_starts_nothing_on_this_one():
    server = api()
    before = {**maps.NO_RUNS, "subject": {**SUBJECT, "model": "shapes"}}
    run(maps.run(server, ANSWER, 1, Trigger("answer-store"), **{**FORM, "runs": before}))
    assert [request.method for request in server.asked("explain")] == ["grad_cam"]


def test_one_panel_adds_to_the_maps_that_stand():
    server = api()
    before = {"subject": SUBJECT, "runs": {"grad_cam": {"id": "before"}}, "all": False}
    trigger = Trigger({"type": "run-one", "method": "lime"}, 1)
    answered = run(maps.run_one(server, ANSWER, [1], trigger, **{**FORM, "runs": before}))
    assert answered["runs"]["runs"]["grad_cam"] == {"id": "before"}
    assert [request.method for request in server.asked("explain")] == ["lime"]


def test_a_panel_that_only_arrived_starts_nothing():
    with pytest.raises(PreventUpdate):
        run(maps.run_one(api(), ANSWER, [None], Trigger({"type": "run-one", "method": "lime"}, None), **FORM))


def test_the_open_form_goes_before_the_store():
    server = api()
    form = {
        **FORM,
        "params": {"lime": {"n_samples": 100}},
        "fields": [{"type": "param", "method": "lime", "name": "n_samples"}],
        "values": [500],
    }
    run(maps.run(server, ANSWER, 1, Trigger("run", 1), **form))
    assert [request.params for request in server.asked("explain") if request.method == "lime"] == [
        {"n_samples": 500}
    ]


@pytest.mark.parametrize(
    ("entered", "sent"), [(7, 7), (None, 0), (True, 0), (-1, 0), (2**31, 0), ("3", 0), (2.5, 0)]
)
def test_a_seed_that_is_no_seed_is_nought(entered, sent):
    assert maps.seed_of(entered) == sent


def test_without_the_api_every_card_says_so_and_what_stands_stays():
    down = api(down=True)
    assert "does not answer" in str(run(maps.run(down, ANSWER, 1, Trigger("run", 1), **FORM))["problem"])
    assert run(maps.run(down, ANSWER, 1, Trigger("run", 1), **FORM))["runs"] is no_update
    assert "does not answer" in str(run(maps.draw(down, None, [], ANSWER, {})))
    assert "does not answer" in str(run(maps.list_methods(down, ANSWER, {}, [], "")))

    assert "does not answer" in str(
        run(subject.predict(down, SUBJECT, None, canned.SOUND.model_dump()))["card"]
    )
    assert "does not answer" in str(run(subject.choose(down, None, None, None, None))["note"])
    assert "does not answer" in str(run(numbers.show(down, {"id": "a" * 64}))["body"])
    with pytest.raises(PreventUpdate):
        run(maps.list_layers(down, SUBJECT, None, None))


def test_a_withheld_score_is_remembered_for_its_input():
    gate = Gate(state="abstain", reasons=["No cough was found."])
    withheld = canned.prediction().model_copy(update={"gate": gate})
    server = Api(predict=withheld, fits=canned.FITS, model=canned.CATALOGUE.models[0], samples=canned.SAMPLES)
    data = canned.SOUND.model_dump()
    first = run(subject.predict(server, SUBJECT, None, data, ["another"]))
    assert "score-ask" in str(first["card"])
    shown = run(subject.show_score(server, 1, first["answer"], None, data, ["another"]))
    assert shown["asked"] == ["another", canned.SOUND.id]
    assert "score-ask" not in str(shown["card"])
    assert "score-ask" not in str(run(subject.predict(server, SUBJECT, None, data, shown["asked"]))["card"])
    with pytest.raises(PreventUpdate):
        run(subject.show_score(server, None, first["answer"], None, data, []))


def test_the_layer_of_the_address_is_chosen_when_the_model_has_it():
    assert (
        run(maps.list_layers(api(), SUBJECT, None, {"layer": "features.conv3"}))["value"] == "features.conv3"
    )
    assert run(maps.list_layers(api(), SUBJECT, None, {"layer": "gone"}))["value"] == "features.conv4"


def test_an_input_and_a_model_make_a_subject_once():
    data = canned.SOUND.model_dump()
    chosen = run(subject.choose(api(), data, "cnnexplain", None, None))
    assert chosen["subject"] == SUBJECT
    assert chosen["model"] is no_update
    assert run(subject.choose(api(), data, "cnnexplain", None, SUBJECT))["subject"] is no_update


def test_a_photograph_of_ones_own_is_not_left_to_the_model_of_a_sample():
    """It goes to the model that photographs are given to; a choice by hand and a sample's own model stand."""
    drawn = canned.model("drawn", "Drawn", ["image"], ["a", "b"], card={"synthetic": True})
    photos = canned.model("photos", "Photographs", ["image"], ["a", "b"], default_for=["image"])
    server = api()
    listed = [drawn, *canned.CATALOGUE.models, photos]
    server.answers["catalogue"] = canned.CATALOGUE.model_copy(update={"models": listed})
    own, sample = (
        canned.PICTURE.model_copy(update={"sample": key}).model_dump() for key in (None, "striped")
    )
    dropped, chosen = Trigger("input-store", own), Trigger("model-select", "drawn")

    def told(data: dict, model: str | None, trigger: Trigger) -> object:
        return run(subject.choose(server, data, model, None, None, trigger))["model"]

    assert told(own, None, dropped) == told(own, "drawn", dropped) == "photos"
    assert told(own, "mine", dropped) is no_update
    assert told(own, "drawn", chosen) is told(own, "drawn", Trigger()) is no_update
    assert told(sample, "drawn", Trigger("input-store", sample)) is no_update


def test_a_sample_opens_with_its_model():
    opened = run(subject.open_sample(api(), {"key": "cough_hum", "at": 1}))
    sample = next(sample for sample in canned.SAMPLES if sample.key == "cough_hum")
    assert (opened["model"], opened["data"]["sample"], opened["drawer"]) == (sample.model, "cough_hum", False)


def test_deleting_empties_the_page():
    server = api()
    assert run(subject.delete_input(server, 1, canned.SOUND.model_dump())) == {"data": None, "notice": None}
    assert server.asked("delete_input") == [canned.SOUND.id]


def test_a_form_keeps_only_what_differs_and_its_reset_forgets_it():
    fields = [
        {"type": "param", "method": "lime", "name": "n_samples"},
        {"type": "param", "method": "lime", "name": "noise"},
    ]
    changed = run(params.change(api(), [500, 0.15], [], fields, [], {"lrp": {"mode": "abs"}}, ANSWER))
    assert changed == {"lrp": {"mode": "abs"}, "lime": {"n_samples": 500}}
    with pytest.raises(PreventUpdate):
        run(params.change(api(), [500, 0.15], [], fields, [], changed, ANSWER))
    reset = Trigger({"type": "reset", "method": "lime"}, 1)
    again = run(params.reset(api(), [1], changed, ANSWER, None, reset))
    assert again["params"] == {"lrp": {"mode": "abs"}}
    tune = Trigger({"type": "tune", "method": "lime"}, 1)
    shown = run(params.show(api(), [1], changed, ANSWER, None, tune))
    assert set(shown) == {"opened", "title", "form"}, "opening a form changes no parameter"
    assert str(shown["form"]) != str(again["form"])
    for press in (params.show, params.reset):
        with pytest.raises(PreventUpdate):  # a button that appears was not pressed
            run(press(api(), [0], changed, ANSWER, None, Trigger({"type": "tune", "method": "lime"}, 0)))


def test_a_reset_is_not_lost_when_the_rows_are_drawn_anew():
    """Every change of a parameter draws the rows, and Dash starts a callback again whose patterned inputs appear."""
    assert "reset" not in inspect.signature(params.show).parameters
    assert "tune" not in inspect.signature(params.reset).parameters


def test_a_study_of_the_network_orders_the_methods_and_says_which_passed():
    keys = [method.key for method in canned.CATALOGUE.methods if method.default_on]
    first, last = keys[-1], keys[0]
    advice = EvaluationAdvice(
        study="a" * 64,
        methods=[first, last],
        passed={first: True, last: False},
        because={first: "It finds the evidence.", last: "It finds nothing."},
        text="Measured on 32 drawn objects: 1 of 2 methods passed.",
    )
    answers = {"catalogue": canned.CATALOGUE, "fits": {}}
    plain = run(maps.list_methods(Api(advice=None, **answers), ANSWER, {}, [], ""))["rows"]
    line, *rows = run(maps.list_methods(Api(advice=advice, **answers), ANSWER, {}, [], ""))["rows"]
    titles = {method.key: method.title for method in canned.CATALOGUE.methods}
    assert f"1 of 2 methods passed. ', 'Best first: {titles[first]}. '" in str(line)
    assert f"/measure?study={'a' * 64}" in str(line)
    assert "It finds nothing." in line.title
    shown = [row.children[0].value for row in rows if hasattr(row.children[0], "value")]
    assert shown[:2] == [first, last]
    assert sorted(shown) == sorted(
        row.children[0].value for row in plain if hasattr(row.children[0], "value")
    )


def test_rows_that_are_right_stay_and_a_ticked_one_does_not_go_behind_the_others():
    server = Api(catalogue=canned.CATALOGUE, fits={}, advice=None)
    rare = next(method.key for method in canned.CATALOGUE.methods if not method.default_on)
    first = run(maps.list_methods(server, ANSWER, {}, [rare], ""))
    assert rare in [row.children[0].value for row in first["rows"] if row.className.startswith("ev-method")]
    with pytest.raises(PreventUpdate):
        run(maps.list_methods(server, ANSWER, {}, [], first["of"]))
    changed = run(maps.list_methods(server, ANSWER, {"lime": {"n_samples": 500}}, [], first["of"]))
    assert changed["of"] != first["of"]
    assert "Parameters of LIME (changed)" in str(changed["rows"])
