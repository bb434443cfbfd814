"""The callbacks of the Inside page as plain functions: what an address opens, and which address a choice leads to."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from dash.exceptions import PreventUpdate

from app.core.schemas import Gate
from frontend.inside import choice, page, study
from frontend.wiring import Trigger
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.inside.studies import study_of
from tests.frontend.trees import texts, widgets
from tests.frontend.waiting import run

SOUNDS, PICTURES = canned.CATALOGUE.models[:2]
SHOWN = {"model": "cnnexplain", "input": canned.SOUND.id, "drawn": "1"}
INPUTS = {canned.SOUND.id: canned.SOUND, canned.PICTURE.id: canned.PICTURE}


def api(**answers: Any) -> Api:
    known = {info.key: info for info in canned.CATALOGUE.models}
    return Api(
        **{
            "catalogue": canned.CATALOGUE,
            "limits": canned.LIMITS,
            "samples": canned.SAMPLES,
            "input": lambda key: INPUTS.get(key, GONE),
            "model": lambda key: known.get(key, GONE),
            "predict": lambda request: canned.prediction(request.model, INPUTS[request.input]),
            **answers,
        }
    )


def sample_of(value: Any) -> Any:
    """A sample whose evidence is known."""
    like = next(sample for sample in canned.SAMPLES if sample.input == value.id)
    group = "sounds" if value is canned.SOUND else "drawings"
    return like.model_copy(update={"group": group, "evidence": {"boxes": [[0, 1, 100, 200]]}})


def subject(body: Any) -> dict[str, Any]:
    [found] = [each for each in widgets(body) if each["evident"] == "inside"]
    return dict(json.loads(found["subject"]))


def test_without_an_address_the_page_opens_with_a_sample_whose_evidence_is_known():
    picture, sound = (sample_of(value) for value in (canned.PICTURE, canned.SOUND))
    bare = sound.model_copy(update={"key": "bare", "input": canned.PICTURE.id, "evidence": {}})
    told = run(choice.load(api(samples=[picture, bare, sound]), {}))
    assert subject(told["body"])["input"] == canned.SOUND.id
    assert told["shown"]["input"] == canned.SOUND.id


def test_a_model_alone_opens_with_a_sample_that_it_takes():
    told = run(choice.load(api(), {"model": "shapes"}))
    assert subject(told["body"])["model"] == "shapes"
    assert INPUTS[subject(told["body"])["input"]].modality in PICTURES.modalities


def test_the_class_of_the_address_is_explained_and_stays_in_it():
    top = canned.prediction().top
    other = 1 - top
    told = run(choice.load(api(), {**SHOWN, "class": str(other)}))
    assert subject(told["body"])["target"] == other
    assert told["shown"]["class"] == str(other)
    predicted = run(choice.load(api(), {**SHOWN, "class": str(top)}))
    assert "class" not in predicted["shown"], "the predicted class needs no naming"
    beyond = run(choice.load(api(), {**SHOWN, "class": "99"}))
    assert subject(beyond["body"])["target"] == top


def test_an_input_that_is_gone_is_told_and_the_page_stays_usable():
    told = run(choice.load(api(), {"model": "cnnexplain", "input": "gone"}))
    assert GONE.detail in texts(told["body"])
    assert not [each for each in widgets(told["body"]) if each["evident"] == "inside"]


def test_a_withheld_score_withholds_the_layers_too_until_somebody_asks():
    gate = Gate(state="abstain", reasons=["No cough was found."])
    withheld = api(predict=lambda request: canned.prediction().model_copy(update={"gate": gate}))
    told = run(choice.load(withheld, SHOWN))
    assert "No cough was found." in texts(told["body"])
    assert not [each for each in widgets(told["body"]) if each["evident"] == "inside"]
    again = run(choice.ask(withheld, [1], told["shown"], Trigger({"type": "inside-anyway", "key": "ask"}, 1)))
    assert subject(run(choice.load(withheld, again))["body"])["input"] == canned.SOUND.id


def chosen(trigger: str, value: str) -> dict[str, str]:
    values = {
        "inside-input": SHOWN["input"],
        "inside-model": SHOWN["model"],
        "inside-class": "1",
        trigger: value,
    }
    return run(
        choice.choose(
            api(),
            values["inside-input"],
            values["inside-model"],
            values["inside-class"],
            SHOWN,
            Trigger(trigger, value),
        )
    )


def test_another_class_keeps_input_and_model():
    assert chosen("inside-class", "0") == {"model": "cnnexplain", "input": canned.SOUND.id, "class": "0"}


def test_a_model_that_does_not_take_the_input_opens_with_one_that_it_takes():
    assert chosen("inside-model", "shapes") == {"model": "shapes"}


def test_an_input_of_another_kind_brings_its_own_model():
    query = chosen("inside-input", canned.PICTURE.id)
    assert query["input"] == canned.PICTURE.id
    assert query["model"] != "cnnexplain"


@pytest.mark.parametrize("trigger", ["inside-input", "inside-model", "inside-class"])
def test_a_choice_that_only_arrives_on_the_page_changes_nothing(trigger):
    with pytest.raises(PreventUpdate):
        chosen(
            trigger,
            {"inside-input": SHOWN["input"], "inside-model": SHOWN["model"], "inside-class": "1"}[trigger],
        )


def test_a_file_that_was_sent_is_opened_with_a_model_that_takes_it():
    query = run(choice.bring(api(), {"id": canned.PICTURE.id}, None, SHOWN, Trigger("inside-upload", {})))
    assert query["input"] == canned.PICTURE.id
    assert "drawn" not in query


def test_the_halves_of_the_page_keep_what_was_open():
    there = run(choice.turn(api(), "training", SHOWN))
    assert there == {"model": "cnnexplain", "input": canned.SOUND.id, "view": "training"}
    assert run(choice.turn(api(), "input", there)) == {"model": "cnnexplain", "input": canned.SOUND.id}
    with pytest.raises(PreventUpdate):
        run(choice.turn(api(), "input", SHOWN))


def test_the_drawer_has_a_chart_for_every_number_that_the_study_has():
    result = study_of(3)
    answers = {
        "internals": {"result": result},
        "internals_array": np.eye(3, dtype=np.float32),
    }
    told = run(study.enlarge(api(**answers), {"id": "s1", "target": 1}))
    assert told["opened"]
    titles = texts(told["body"])
    for title in (
        "Which filters are alike",
        "What each filter is worth",
        "Answers kept",
        "Do the rankings agree",
    ):
        assert title in titles
    without = run(study.enlarge(api(**{**answers, "internals_array": GONE}), {"id": "s1", "target": 1}))
    assert "Which filters are alike" not in texts(without["body"]), "the numbers stand without the matrix"


def test_a_study_that_is_gone_is_told_in_the_drawer():
    told = run(study.enlarge(api(internals=GONE, internals_array=GONE), {"id": "s1", "target": 1}))
    assert GONE.detail in texts(told["body"])


def test_the_operators_folder_is_offered_with_its_labels_where_they_are_classes():
    model = SOUNDS.model_copy(update={"labels": ["no wheeze", "Wheeze"]})
    like = canned.SAMPLES[0].model_copy(update={"group": "own", "modality": SOUNDS.modalities[0]})
    files = [
        like.model_copy(update={"input": f"{n}", "label": ("wheeze", "no wheeze")[n % 2]}) for n in range(12)
    ]
    (offered,) = page.own_sets([*files, *canned.SAMPLES], model)
    assert offered["inputs"] == [str(n) for n in range(12)]
    assert offered["labels"] == [1, 0] * 6
    (unlabelled,) = page.own_sets([*files, files[0].model_copy(update={"input": "x", "label": "dog"})], model)
    assert unlabelled["labels"] is None
    assert "answers" in unlabelled["title"]
    assert page.own_sets(files[:9], model) == [], "too few to say something"
    assert page.own_sets(files, PICTURES) == [], "the model does not take them"
