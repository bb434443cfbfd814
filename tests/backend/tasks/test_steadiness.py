"""Intervals hold what they say: checked by drawing again, and by a second way of computing them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

import models
from backend.tasks.steadiness import (
    COPIES,
    SHARE,
    Steadiness,
    cough_alone,
    of_picture,
    of_recording,
    picture_copies,
    prediction_interval,
    recording_copies,
)
from models.media.coughs import coughs
from models.synthetic import coughs as synthetic
from tests.models.media.test_coughs import bout

RATE = 8000


@pytest.fixture(scope="module")
def model():
    return models.load("cnnexplain")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("n", [2, 3, 8])
def test_nine_of_ten_further_scores_lie_inside(n):
    rng = np.random.default_rng(n)
    inside = 0
    for _ in range(2000):
        odds = rng.normal(rng.normal(), 0.4, size=n + 1)
        low, high = prediction_interval(sigmoid(odds[:n, None]))
        inside += low[0] <= sigmoid(odds[n]) <= high[0]
    assert inside / 2000 == pytest.approx(SHARE, abs=0.025)


def test_the_interval_is_scipys():
    odds = np.random.default_rng(0).normal(size=6)
    low, high = prediction_interval(sigmoid(odds[:, None]))
    expected = stats.t.interval(0.9, 5, odds.mean(), odds.std(ddof=1) * np.sqrt(1 + 1 / 6))
    assert (low[0], high[0]) == pytest.approx(tuple(sigmoid(np.array(expected))))


def test_fresh_copies_of_generated_sounds_lie_inside(model):
    """Copies drawn with other seeds, over 14 recordings: the small changes are not normal, so a wider tolerance."""
    inside, total = 0, 0
    for number in range(14):
        item = synthetic.render(5, number, number % 2, coughs=1)
        prepared = model.input.prepare((item.waveform, item.rate))
        steady = of_recording(model, prepared, (item.waveform, item.rate), [], seed=0)
        copies = recording_copies(model, (item.waveform, item.rate), prepared.window[0], 6, seed=1 + number)
        scores = model.predict(torch.cat(copies))[:, 1].numpy()
        inside += int(((scores >= steady.low[1]) & (scores <= steady.high[1])).sum())
        total += len(scores)
    assert 0.80 <= inside / total <= 0.99


def test_a_further_cough_of_generated_recordings_lies_inside(model):
    """Five coughs make the interval, a sixth is drawn: it lies inside in about nine of ten recordings."""
    inside = []
    for seed in range(40):
        sound, _ = bout(6, 100 + seed)
        events = coughs(sound, RATE)
        each = torch.cat([cough_alone(model, (sound, RATE), event, events) for event in events])
        scores = model.predict(each).double().numpy()
        low, high = prediction_interval(scores[:-1])
        inside.append(low[1] <= scores[-1, 1] <= high[1])
    assert np.mean(inside) >= 0.78


def test_every_cough_is_scored_alone(model):
    sound, starts = bout(4, 2)
    events = coughs(sound, RATE)
    prepared = model.input.prepare((sound, RATE))
    steady = of_recording(model, prepared, (sound, RATE), events)
    assert [event.start for event in steady.events] == pytest.approx(starts, abs=0.05)
    assert steady.coughs.shape == (4, 2)
    odds = np.log(steady.coughs / (1 - steady.coughs)).mean(0)
    np.testing.assert_allclose(steady.recording, sigmoid(odds), rtol=1e-9)
    loud = sound.copy()
    loud[: round((events[1].start - 0.1) * RATE)] = 0  # another neighbour changes nothing
    again = cough_alone(model, (loud, RATE), events[2], events)
    np.testing.assert_allclose(again, cough_alone(model, (sound, RATE), events[2], events), atol=1e-3)


def test_the_score_itself_lies_inside_and_everything_is_seeded(model):
    for seed in range(6):
        sound, _ = bout(2 + seed % 2, seed)
        prepared = model.input.prepare((sound, RATE))
        first, second = (of_recording(model, prepared, (sound, RATE), coughs(sound, RATE)) for _ in range(2))
        shown = model.predict(prepared.x)[0].numpy()
        assert (first.low <= shown + 1e-6).all()
        assert (shown <= first.high + 1e-6).all()
        np.testing.assert_array_equal(first.low, second.low)
        assert first.low[1] == pytest.approx(1 - first.high[0], abs=1e-6), "two classes are mirror images"


def test_coughs_count_where_the_label_is_of_a_cough():
    """The wheeze follows one cough of a recording: the others alone cannot have it."""
    heard = models.load("cnnexplain_synthetic")
    item = synthetic.render(99, 0, 1)
    prepared = heard.input.prepare((item.waveform, item.rate))
    steady = of_recording(heard, prepared, (item.waveform, item.rate), coughs(item.waveform, item.rate))
    assert steady.coughs is None
    assert not steady.undecided(1, independent=False)


def test_pictures_move_and_change_their_light():
    model = models.load("shapes")
    prepared = model.input.prepare((np.random.default_rng(0).random((64, 64, 3)) * 255).astype(np.uint8))
    copies, cells = picture_copies(model, prepared, 60, 0)
    height, width = prepared.x.shape[-2:]
    unit = model.input.denormalise(prepared.x)
    for copy in copies[:5]:
        best = min(
            float((model.input.denormalise(copy) - (unit_moved * factor).clamp(0, 1)).abs().max())
            for dy in range(-cells, cells + 1)
            for dx in range(-cells, cells + 1)
            for unit_moved in [
                unit[:, :, torch.arange(height).add(dy).clamp(0, height - 1)][
                    ..., torch.arange(width).add(dx).clamp(0, width - 1)
                ]
            ]
            for factor in np.linspace(0.9, 1.1, 41)
        )
        assert best < 0.004
    steady = of_picture(model, prepared)
    assert str(COPIES) in steady.means
    assert ((steady.low >= 0) & (steady.high <= 1) & (steady.low <= steady.high)).all()


@pytest.mark.parametrize(
    ("low", "high", "top", "independent", "undecided"),
    [
        ([0.1, 0.6], [0.4, 0.9], 1, False, False),
        ([0.3, 0.45], [0.55, 0.7], 1, False, True),
        ([0.0, 0.3, 0.2], [0.1, 0.5, 0.4], 1, False, True),
        ([0.0, 0.35, 0.2], [0.1, 0.5, 0.3], 1, False, False),
        ([0.6, 0.7], [0.8, 0.9], 1, True, False),
        ([0.6, 0.4], [0.8, 0.9], 1, True, True),
    ],
)
def test_undecided_is_where_intervals_meet(low, high, top, independent, undecided):
    assert Steadiness(np.array(low), np.array(high), "").undecided(top, independent) is undecided
