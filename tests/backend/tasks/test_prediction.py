"""Predictions: the model's own numbers, an interval that means what it says, and a picture the right way
up."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import models
from app.core.errors import Incompatible, InvalidInput, NotFound
from app.core.schemas import Prediction
from backend.tasks import TASKS
from backend.tasks.gate import cough_check, missed
from backend.tasks.prediction import SHOWN
from backend.tasks.steadiness import of_picture
from tests.backend.tasks.conftest import payload_of, photo
from tests.models.media.test_coughs import bout

MODEL = "shapes"


def predict(files, report, array, modality="image", model=MODEL, start=None, **meta):
    payload = {
        "input": payload_of(files, array, modality, **meta),
        "model": model,
        "upload": None,
        "start": start,
    }
    return TASKS["prediction"].run(payload, files, report)


def test_scores_are_the_models(files, report):
    outcome = predict(files, report, photo())
    model = models.load(MODEL)
    x = model.prepare(Image.fromarray(photo()))
    logits, probabilities = model.logits(x)[0], model.predict(x)[0]
    found = Prediction(id="x", display="/x", **outcome.result)
    assert found.top == found.classes[0].index == int(logits.argmax())
    assert [score.logit for score in found.classes] == sorted(
        (float(value) for value in logits), reverse=True
    )[:SHOWN]
    for score in found.classes:
        assert score.logit == pytest.approx(float(logits[score.index]), abs=1e-5)
        assert score.probability == pytest.approx(float(probabilities[score.index]), abs=1e-5)
        assert score.label == model.labels[score.index]


def test_the_interval_is_that_of_changed_pictures(files, report):
    outcome = predict(files, report, photo(3))
    model = models.load(MODEL)
    steady = of_picture(model, model.input.prepare(Image.fromarray(photo(3))))
    for index, (low, high) in outcome.result["interval"].items():
        assert (low, high) == pytest.approx((steady.low[int(index)], steady.high[int(index)]), abs=1e-5)
    top = outcome.result["top"]
    reached = max(high for index, (_, high) in outcome.result["interval"].items() if int(index) != top)
    assert outcome.result["undecided"] == (steady.low[top] <= reached)
    assert outcome.result["gate"] == {"state": "ready", "reasons": []}


def test_axes_and_grid_speak_of_the_original(files, report):
    found = Prediction(id="x", display="/x", **predict(files, report, photo(size=(200, 300))).result)
    assert (len(found.y_axis.values), len(found.x_axis.values)) == found.grid
    assert (found.y_axis.unit, found.x_axis.unit) == ("px", "px")
    assert 0 <= min(found.x_axis.values) < max(found.x_axis.values) <= 300
    assert found.window is None


def test_the_picture_is_the_display_grid(files, report):
    outcome = predict(files, report, photo())
    picture = np.asarray(Image.open(io.BytesIO(outcome.files["display.png"])))
    np.testing.assert_array_equal(picture, outcome.arrays["display"])


def test_a_model_for_photos_refuses_sound_in_plain_words(files, report):
    with pytest.raises(Incompatible, match="takes photos"):
        predict(files, report, np.zeros(8000, np.float32), "audio", rate=8000)


def test_a_missing_blob_is_said(files, report):
    payload = {"input": payload_of(files, photo(), "image"), "model": MODEL, "upload": None}
    files.delete(payload["input"]["blobs"]["canonical"])
    with pytest.raises(NotFound, match="missing"):
        TASKS["prediction"].run(payload, files, report)


def test_checks_of_the_input_are_passed_on(files, report):
    checks = [{"key": "noise", "label": "Noise", "state": "ok", "detail": "Quiet."}]
    assert predict(files, report, photo(), checks=checks).result["quality"] == checks


def sound_model():
    for key, spec in models.specs().items():
        if "audio" in spec.input.modalities and spec.weights is not None:
            return key
    return pytest.skip("no sound model is bundled")


def burst(seconds=6.0, rate=8000, at=3.0):
    """Quiet noise with one loud burst."""
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * rate)) / rate
    sound = 0.001 * rng.standard_normal(len(time)) + 0.3 * rng.standard_normal(len(time)) * np.exp(
        -(((time - at) / 0.08) ** 2)
    )
    return sound.astype(np.float32), rate


def test_sound_low_frequencies_at_the_bottom_of_the_picture(files, report):
    sound, rate = burst()
    outcome = predict(files, report, sound, "audio", sound_model(), rate=rate)
    picture = np.asarray(Image.open(io.BytesIO(outcome.files["display.png"])))
    np.testing.assert_array_equal(
        picture[::-1], np.round(outcome.arrays["display"].clip(0, 1) * 255).astype(np.uint8)
    )


def test_a_recording_is_scored_as_a_whole_and_cough_by_cough(files, report):
    sound, starts = bout(3, 1)
    result = predict(files, report, sound, "audio", "cnnexplain", rate=8000).result
    assert [cough["start"] for cough in result["coughs"]] == pytest.approx(starts, abs=0.05)
    assert result["gate"]["state"] in ("ready", "doubtful", "abstain")
    top = str(result["top"])
    low, high = result["interval"][top]
    assert low <= result["recording"][top] <= high
    assert "probability" not in result["interval_means"]
    assert result["undecided"] == (low <= 0.5)


def test_silence_is_refused_and_noise_is_withheld(files, report):
    with pytest.raises(InvalidInput, match="silent"):
        predict(files, report, np.zeros(16000, np.float32), "audio", "cnnexplain", rate=8000)
    noise = (0.1 * np.random.default_rng(0).normal(size=24000)).astype(np.float32)
    gate = predict(files, report, noise, "audio", "cnnexplain", rate=8000).result["gate"]
    assert gate["state"] == "abstain"
    assert "No cough was found" in gate["reasons"][0]


def test_the_gate_hears_whether_there_is_a_cough(files, report):
    if "cough_check" not in models.specs():
        pytest.skip("no cough detector is bundled")
    sound, rate = burst()
    quality = predict(files, report, sound, "audio", sound_model(), rate=rate).result["quality"]
    detector = models.load("cough_check")
    column = [label.lower() for label in detector.labels].index("cough")
    window = predict(files, report, sound, "audio", sound_model(), rate=rate).result["window"]
    starts = [max(0.0, window[0] + step) for step in (0, -0.05, 0.05)]  # shown, and cut elsewhere
    shown, *about = (
        float(detector.predict(detector.prepare((sound, rate), start=start))[0, column]) for start in starts
    )
    assert quality[0] == cough_check(shown, 1, missed(detector.spec.card), about).model_dump()
