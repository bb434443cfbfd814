"""Everyday changes: nothing changed is nothing moved, places are carried back to where they were, words say the numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import models
from app.core.schemas import StressCell
from backend.tasks import TASKS
from backend.tasks.distortions import (
    CODEC_RATE,
    PICTURE,
    SOUND,
    Affine,
    Altered,
    Distortion,
    carried_back,
    identity,
    rank_correlation,
    through_opus,
)
from backend.tasks.stress import sentences, stressed
from models.spec import Axis
from tests.backend.tasks.conftest import payload_of
from tests.models.media.test_coughs import bout

RATE = 8000


def changes(*keys):
    return [change for change in SOUND if change.key in keys]


@pytest.fixture(scope="module")
def sound():
    return bout(3, 5)[0].astype(np.float32), RATE


@pytest.fixture(scope="module")
def model():
    return models.load("cnnexplain_synthetic")


def strip(model, raw, tried, target=None, start=None):
    prepared = model.input.prepare(raw, start=start)
    return stressed(model, raw, prepared, tried, "grad_cam", target, lambda *_, **__: None)


def test_nothing_changed_is_nothing_moved(model, sound):
    same = Distortion("same", "As it is", "nothing", identity)
    _, score, _, (cell,) = strip(model, sound, [same])
    assert (cell.drift, cell.score) == (0.0, score)
    assert cell.map_correlation == pytest.approx(1.0, abs=1e-12)


def test_loudness_is_nothing_to_an_input_that_is_normalised_and_something_to_one_that_is_not(model, sound):
    _, _, _, cells = strip(model, sound, changes("gain_minus_6", "gain_plus_6"), target=0)
    assert len(cells) == 2
    for cell in cells:
        assert abs(cell.drift) < 1e-5
        assert cell.map_correlation > 0.999

    def levels(waveform: torch.Tensor) -> torch.Tensor:
        return waveform.reshape(1, 40, -1)

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    net[-1].bias.data.zero_()
    net[-1].weight.data *= 20
    spec = models.SpectrogramInput(levels, rate=RATE, seconds=1.0)
    raw = models.wrap(net, labels=["a", "b"], input=spec)
    _, _, _, cells = strip(raw, sound, changes("gain_plus_6"), target=0, start=0.0)
    assert abs(cells[0].drift) > 1e-3


def test_every_change_of_a_sound_can_be_made_and_moves_something(model, sound):
    target, score, answer, cells = strip(model, sound, SOUND)
    assert [cell.key for cell in cells] == [change.key for change in SOUND]
    assert all(cell.why is None and -1 <= cell.map_correlation <= 1 for cell in cells)
    moved = {cell.key for cell in cells if cell.map_correlation < 0.9999}
    assert moved >= {"noise_20db", "rate_8k", "codec", "crop", "speed_95", "speed_105"}
    assert 0 <= score <= 1
    assert answer == model.labels[target]


def planted(x, y, count=64):
    """A map with one bright spot, on axes of pixels."""
    axis = Axis("x", "px", np.arange(count) + 0.5)
    rows, columns = np.mgrid[:count, :count] + 0.5
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8), axis


@pytest.mark.parametrize("key", ["shift", "crop", "scale_90"])
def test_places_of_a_picture_are_carried_back(key):
    """The altered picture of a spot is a spot; carried back, it lies where it was."""
    spot, axis = planted(30, 22)
    pixels = np.repeat(np.round(255 * spot).astype(np.uint8)[..., None], 3, 2)
    altered = next(change for change in PICTURE if change.key == key).make(pixels, (0.0, 0.0))
    prepared = models.ImageInput(size=(64, 64)).prepare(altered.raw)
    its_map = prepared.display[..., 0]
    back = carried_back(its_map, (axis, axis), (prepared.y_axis, prepared.x_axis), (altered.y, altered.x))
    assert np.unravel_index(np.nanargmax(back), back.shape) == pytest.approx((21.5, 29.5), abs=1)
    unmoved = carried_back(its_map, (axis, axis), (prepared.y_axis, prepared.x_axis), (Affine(), Affine()))
    assert np.nanmax(np.abs(back - 255 * spot)) < np.nanmax(np.abs(unmoved - 255 * spot)) / 2


@pytest.mark.parametrize("key", ["crop", "speed_95", "speed_105", "codec", "rate_8k", "shift_50ms"])
def test_places_of_a_sound_are_carried_back(key):
    """A tone burst of 1 kHz at 1.2 s: the spectrogram of the altered sound, carried back, has it there."""
    time = np.arange(3 * RATE) / RATE
    burst = 0.3 * np.sin(2 * np.pi * 1000 * time) * np.exp(-(((time - 1.2) / 0.04) ** 2))
    sound = ((burst + 1e-4 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32), RATE)
    spec = models.SoundInput()
    here = spec.prepare(sound, start=0.4)
    altered = next(change for change in SOUND if change.key == key).make(sound, here.window)
    there = spec.prepare(altered.raw, start=altered.start)
    back = carried_back(
        there.display, (here.y_axis, here.x_axis), (there.y_axis, there.x_axis), (altered.y, altered.x)
    )
    row, column = np.unravel_index(np.nanargmax(back), back.shape)
    assert here.x_axis.values[column] == pytest.approx(1.2, abs=0.02)
    assert here.y_axis.values[row] == pytest.approx(1000, rel=0.04)


def test_what_the_altered_input_does_not_hold_is_not_compared(sound):
    here = models.SoundInput().prepare(sound, start=0.0)
    axes = (here.y_axis, here.x_axis)
    back = carried_back(here.display, axes, axes, (Affine(), Affine(1, -1.0)))
    assert np.isnan(back[:, here.x_axis.values < 0.98]).all()
    assert np.isfinite(back[:, here.x_axis.values > 1.0]).all()


def test_the_codec_keeps_the_moment(sound):
    """A click goes in and comes out of Opus at the same moment once its delay is taken out."""
    altered = changes("codec")[0].make(sound, (0.0, 1.0))
    assert altered.raw[1] == CODEC_RATE
    assert len(altered.raw[0]) == len(sound[0]) * CODEC_RATE // RATE
    raw = through_opus(altered.raw[0])
    assert np.abs(raw).max() > 0.01
    level = np.convolve(np.abs(altered.raw[0][::2]), np.ones(200), "same")
    original = np.convolve(np.abs(sound[0]), np.ones(200), "same")
    assert np.corrcoef(level[: len(original)], original)[0, 1] > 0.9


def test_rank_correlation_is_scipys():
    a, b = np.random.default_rng(3).integers(0, 9, (2, 12, 10)).astype(float)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    b[0] = np.nan
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a[1:].ravel(), b[1:].ravel()).statistic)
    assert rank_correlation(a, np.ones_like(a)) is None


def test_what_cannot_be_tried_says_why(model, sound):
    from models.media.arrays import Spectrogram

    unit = Spectrogram(model.input.prepare(sound).display, (), "unit")
    from backend.tasks.distortions import spectrogram_distortions

    _, _, _, cells = strip(model, unit, spectrogram_distortions(0.016))
    by_key = {cell.key: cell for cell in cells}
    assert "no unit" in by_key["gain_plus_6"].why
    assert "no sound" in by_key["codec"].why
    assert by_key["shift_50ms"].drift is not None
    quiet = Distortion("x", "Silent", "silence", lambda raw, window: Altered((0 * raw[0], raw[1])))
    assert "silent" in strip(model, sound, [quiet])[3][0].why


def test_words():
    cells = [
        StressCell(key="a", title="A", score=0.70, drift=0.08, answer="yes", map_correlation=0.9),
        StressCell(key="b", title="B", score=0.40, drift=-0.22, answer="no", map_correlation=0.6),
        StressCell(key="c", title="C", why="not here"),
    ]
    names = {"a": "the noise", "b": "the crop", "c": "the codec"}
    assert sentences("yes", 0.62, "yes", "Grad-CAM", cells, names) == (
        "The score of yes (0.62) moves by at most 0.22, by the crop. The answer turns with the crop (no). "
        "The Grad-CAM map keeps a rank correlation of 0.60 or more, least by the crop."
    )
    calm = [StressCell(key="a", title="A", score=0.62, drift=0.001, answer="yes")]
    assert "does not move by any of the changes" in sentences("yes", 0.62, "yes", "Grad-CAM", calm, names)
    assert "None of the changes" in sentences("yes", 0.62, "yes", "Grad-CAM", cells[2:], names)


def test_the_task(files, report, sound):
    row = {"input": payload_of(files, sound[0], "audio", rate=RATE), "model": "cnnexplain_synthetic"}
    result = TASKS["stress"].run({**row, "target": 1}, files, report).result
    drifts = [cell["drift"] for cell in result["strip"]]
    assert result["most_drift"] == max(abs(drift) for drift in drifts)
    assert result["least_correlation"] == min(cell["map_correlation"] for cell in result["strip"])
    assert report[-1][:2] == (len(SOUND) - 1, len(SOUND))
    again = TASKS["stress"].run({**row, "target": 1}, files, report).result
    assert again["strip"] == result["strip"]
