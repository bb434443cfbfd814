"""Predictions: the model's own numbers, an interval that means what it says, and a picture the right way
up."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

import models
from app.core.errors import Incompatible, NotFound
from app.core.schemas import Prediction
from backend.tasks import TASKS
from backend.tasks.prediction import SHOWN, cough_check
from tests.backend.tasks.conftest import payload_of, photo

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


def test_the_interval_is_the_range_over_moved_pictures(files, report):
    """A second, slow way: each move one by one, by index arithmetic."""
    outcome = predict(files, report, photo(3))
    model = models.load(MODEL)
    x = model.prepare(Image.fromarray(photo(3)))
    height, width = x.shape[-2:]
    cells = int(outcome.result["interval_means"].split("up to ")[1].split()[0])
    scores = []
    for dy, dx in [(0, 0), (0, -cells), (0, cells), (-cells, 0), (cells, 0)]:
        rows = torch.arange(height).add(dy).clamp(0, height - 1)
        columns = torch.arange(width).add(dx).clamp(0, width - 1)
        scores.append(model.predict(x[:, :, rows][:, :, :, columns])[0])
    scores = torch.stack(scores)
    for index, (low, high) in outcome.result["interval"].items():
        assert low == pytest.approx(float(scores[:, int(index)].min()), abs=1e-5)
        assert high == pytest.approx(float(scores[:, int(index)].max()), abs=1e-5)


def test_a_uniform_picture_has_no_spread(files, report):
    """Moving it changes nothing."""
    outcome = predict(files, report, np.full((64, 64, 3), 127, np.uint8))
    for low, high in outcome.result["interval"].values():
        assert high - low == pytest.approx(0, abs=1e-6)


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


@pytest.mark.parametrize(
    ("probability", "state"),
    [(1.0, "ok"), (0.5, "ok"), (0.499, "warning"), (0.2, "warning"), (0.199, "bad"), (0, "bad")],
)
def test_the_gate_has_three_states(probability, state):
    assert cough_check(probability).state == state
    assert f"{100 * probability:.0f} %" in cough_check(probability).detail


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


def test_the_interval_of_a_recording_moves_the_window(files, report):
    key = sound_model()
    sound, rate = burst()
    outcome = predict(files, report, sound, "audio", key, start=2.0, rate=rate)
    assert outcome.result["window"][0] == pytest.approx(2.0, abs=0.02)
    model = models.load(key)
    starts = [outcome.result["window"][0] + shift for shift in (0.0, -0.05, -0.025, 0.025, 0.05)]
    scores = torch.stack([model.predict(model.prepare((sound, rate), start=start))[0] for start in starts])
    for index, (low, high) in outcome.result["interval"].items():
        assert (low, high) == pytest.approx(
            (float(scores[:, int(index)].min()), float(scores[:, int(index)].max())), abs=1e-5
        )


def test_the_gate_hears_whether_there_is_a_cough(files, report):
    if "cough_check" not in models.specs():
        pytest.skip("no cough detector is bundled")
    sound, rate = burst()
    quality = predict(files, report, sound, "audio", sound_model(), rate=rate).result["quality"]
    detector = models.load("cough_check")
    column = [label.lower() for label in detector.labels].index("cough")
    window = predict(files, report, sound, "audio", sound_model(), rate=rate).result["window"]
    probability = float(detector.predict(detector.prepare((sound, rate), start=window[0]))[0, column])
    assert quality[0] == cough_check(probability).model_dump()
