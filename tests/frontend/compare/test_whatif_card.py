"""What the widget of "What if" is told: the prediction's subject, the class that is explained, what can fill a region."""

from __future__ import annotations

import json

from frontend.compare import whatif_card
from tests.frontend import canned
from tests.frontend.api import GONE, Api
from tests.frontend.waiting import run

MODEL = canned.CATALOGUE.models[0]
SUBJECT = {"input": canned.SOUND.id, "model": MODEL.key, "start": 0.5}
ANSWER = {"subject": SUBJECT, "prediction": canned.prediction().model_dump(mode="json")}


def test_it_follows_the_prediction_and_the_class():
    model = MODEL.model_copy(update={"input": {"baselines": ["silence", "mean"]}})
    told = json.loads(run(whatif_card.follow(Api(model=model), ANSWER, None)))
    assert told == {**SUBJECT, "target": canned.prediction().top, "fillers": ["silence", "mean", "noise"]}
    other = 1 - canned.prediction().top
    chosen = {"input": SUBJECT["input"], "model": MODEL.key, "target": other}
    assert json.loads(run(whatif_card.follow(Api(model=model), ANSWER, chosen)))["target"] == other


def test_without_a_prediction_or_a_model_there_is_nothing_to_ask():
    assert run(whatif_card.follow(Api(model=MODEL), None, None)) == ""
    assert run(whatif_card.follow(Api(model=GONE), ANSWER, None)) == ""
