"""Synthetic coughs: parts can be changed one at a time, the box holds the evidence, and nothing outside it
tells the classes apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import models
from models.inputs.sound import SoundInput
from models.media.segment import loudest, segment
from models.spec import Axis
from models.synthetic.coughs import (
    MARGIN_HZ,
    MARGIN_S,
    RATE,
    box_mask,
    evidence_mass,
    generate,
    render,
    uniform_mass,
)
from models.training.measures import auc

SPEC = SoundInput()


def test_recordings_depend_on_their_number_only():
    few, many = generate(4, seed=5), generate(8, seed=5)
    for a, b in zip(few, many[:4], strict=True):
        np.testing.assert_array_equal(a.waveform, b.waveform)
    assert not np.array_equal(generate(1, seed=6)[0].waveform[:1000], few[0].waveform[:1000])
    assert [item.label for item in many] == [0, 1] * 4
    assert all(item.waveform.dtype == np.float32 and np.abs(item.waveform).max() <= 1 for item in many)


@pytest.mark.parametrize("number", range(6))
def test_the_other_class_is_the_same_recording_outside_the_key_event(number):
    """Up to the final gain, which sets the peak of the file."""
    a, b = render(3, number, 0), render(3, number, 1)
    assert a.key_box == b.key_box
    assert (a.boxes, b.boxes) == ((), (b.key_box,))
    first, last = round((a.key_box[0] + MARGIN_S) * RATE) - 1, round((a.key_box[1] - MARGIN_S) * RATE) + 1
    outside = np.r_[0:first, last : len(a.waveform)]
    gain = np.dot(a.waveform[outside], b.waveform[outside]) / np.dot(b.waveform[outside], b.waveform[outside])
    np.testing.assert_allclose(a.waveform[outside], gain * b.waveform[outside], atol=5e-6)


@pytest.mark.parametrize("number", range(6))
def test_the_tone_lies_in_its_box_and_has_the_energy_of_the_breath(number):
    bare, tone, breath = render(3, number, 1, key="none"), render(3, number, 1), render(3, number, 0)
    t0, t1, f0, f1 = tone.boxes[0]
    first, last = round(t0 * RATE), round(t1 * RATE)

    def event(item):
        gain = np.dot(item.waveform[:first], bare.waveform[:first]) / np.dot(
            item.waveform[:first], item.waveform[:first]
        )
        return (gain * item.waveform - bare.waveform)[first:last]

    spectrum = np.square(np.abs(np.fft.rfft(event(tone) * np.hanning(last - first))))
    hz = np.fft.rfftfreq(last - first, 1 / RATE)
    assert spectrum[(hz >= f0) & (hz <= f1)].sum() / spectrum.sum() > 0.995
    assert np.square(event(tone)).sum() == pytest.approx(np.square(event(breath)).sum(), rel=0.02)
    assert f1 - f0 < 2 * MARGIN_HZ + 0.15 * f1


def test_the_hum_changes_nothing_else():
    plain, hummed = render(3, 1, 1), render(3, 1, 1, hum=True)
    high = [
        signal.sosfiltfilt(signal.butter(8, 1500, "highpass", fs=RATE, output="sos"), item.waveform)
        for item in (plain, hummed)
    ]
    gain = np.dot(*high) / np.dot(high[1], high[1])
    hz, power = signal.periodogram(gain * hummed.waveform - plain.waveform, RATE, window="hann")
    near = np.min(np.abs(hz[:, None] - 100 * np.arange(1, 6)), axis=1) < 3
    assert power[near].sum() > 0.99 * power.sum()
    assert plain.boxes == hummed.boxes
    shares = [
        np.mean([item.hum for item in generate(60, seed=1, hum=kind)[1::2]])
        for kind in ("none", "random", "label")
    ]
    assert shares == pytest.approx([0, 0.3, 1], abs=0.1)
    assert not any(item.hum for item in generate(40, seed=1, hum="label")[::2])


def test_the_model_sees_the_whole_box_and_the_loudest_cough():
    for item in generate(40, seed=8):
        found = SPEC.prepare((item.waveform, item.rate))
        assert found.window[0] <= item.key_box[0]
        assert item.key_box[1] <= found.window[1]
        event = loudest(segment(item.waveform, item.rate))
        assert item.coughs[0][0] - 0.05 <= event.peak <= item.coughs[0][1]


def test_coughs_can_be_counted_and_are_found_by_the_segmentation():
    item = render(4, 2, 1, coughs=4)
    assert len(item.coughs) == 4
    starts = np.array([event.start for event in segment(item.waveform, item.rate)])
    assert all(np.abs(starts - cough[0]).min() < 0.06 for cough in item.coughs)


def loudness(sound: np.ndarray) -> list[float]:
    """Length, and levels of 20 ms frames (loudest, background, median), peak and mean, in dB: what a
    recording is like, not what is in it."""
    levels = 10 * np.log10(np.square(sound[: len(sound) // 160 * 160].reshape(-1, 160)).mean(1) + 1e-12)
    return [
        len(sound),
        levels.max(),
        *np.percentile(levels, [5, 10, 50]),
        np.abs(sound).max(),
        10 * np.log10(np.square(sound).mean()),
    ]


@pytest.mark.slow
def test_loudness_length_and_background_say_nothing_about_the_class():
    """A forest and a logistic regression on the recording conditions are at chance; a planted leak would
    be found by the same test."""
    items = generate(1000, seed=22)
    y = np.array([item.label for item in items])
    x = np.array([loudness(item.waveform) for item in items])
    train, test = np.arange(500), np.arange(500, 1000)
    leak = x.copy()
    leak[:, 3] += 8 * y  # a background 8 dB louder in one class
    for judge in (
        RandomForestClassifier(100, min_samples_leaf=5, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ):
        # 0.5 +- 2.3 standard errors of an AUC over 250 + 250 recordings
        assert auc(y[test], judge.fit(x[train], y[train]).predict_proba(x[test])[:, 1]) == pytest.approx(
            0.5, abs=0.06
        )
        assert auc(y[test], judge.fit(leak[train], y[train]).predict_proba(leak[test])[:, 1]) > 0.65


def axes() -> tuple[Axis, Axis]:
    return Axis("frequency", "Hz", np.array([100.0, 200, 300, 400])), Axis(
        "time", "s", np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    )


def test_evidence_mass_by_hand():
    boxes = [(0.15, 0.35, 150.0, 350.0)]
    mask = box_mask(boxes, axes())
    assert mask.sum() == 4
    assert mask[1:3, 1:3].all()
    values = np.zeros((4, 5), np.float32)
    values[1, 1], values[0, 0], values[3, 4] = 3, 1, -50  # negative relevance does not count
    assert evidence_mass(values, boxes, axes()) == pytest.approx(0.75)
    assert (
        evidence_mass(np.ones((4, 5)), boxes, axes())
        == pytest.approx(uniform_mass(boxes, axes()))
        == pytest.approx(0.2)
    )
    assert evidence_mass(mask.astype(float), boxes, axes()) == 1
    assert np.isnan(evidence_mass(-np.ones((4, 5)), boxes, axes()))
    assert box_mask([*boxes, (0.35, 0.55, 350, 450)], axes()).sum() == 6


@pytest.fixture(scope="module")
def answers():
    """Test recordings that the shipped network never saw, as they are and changed in one part:
    `kind -> probabilities of wheeze`."""
    model = models.load("cnnexplain_synthetic")
    numbers, seed = range(60), 77

    def ask(**change):
        return np.array(
            [
                [
                    model.predict(model.prepare((render(seed, i, label, **change).waveform, RATE)))[
                        0, 1
                    ].item()
                    for i in numbers
                ]
                for label in (0, 1)
            ]
        )

    return {"plain": ask(), "none": ask(key="none"), "hum": ask(hum=True)}


@pytest.mark.slow
def test_the_shipped_network_hears_the_wheeze_and_only_the_wheeze(answers):
    plain, none = answers["plain"], answers["none"]
    truth = np.repeat([0, 1], plain.shape[1])
    assert auc(truth, plain.ravel()) > 0.95
    heard = plain[1] > 0.5
    assert (none[1][heard] < 0.5).mean() > 0.9, "taking the tone out turns the answer"
    assert auc(truth, answers["hum"].ravel()) > 0.93, "a hum that says nothing is ignored"


@pytest.mark.slow
def test_erasing_the_box_in_the_spectrogram_turns_the_answer(answers):
    """What is in the box is replaced by what would be there without the tone; a box of the same size
    elsewhere changes nothing."""
    model = models.load("cnnexplain_synthetic")
    turned, elsewhere, inside = [], [], []
    for i in np.flatnonzero(answers["plain"][1] > 0.5)[:30]:
        item, without = render(77, int(i), 1), render(77, int(i), 1, key="none")
        found = SPEC.prepare((item.waveform, item.rate))
        bare = SPEC.prepare((without.waveform, item.rate), start=found.window[0])
        t0, t1, f0, f1 = item.boxes[0]
        change = np.abs(found.display - bare.display)
        for box, result in ((item.boxes[0], turned), ((t0, t1, f0 + 1600, f1 + 1600), elsewhere)):
            mask = torch.from_numpy(box_mask([box], (found.y_axis, found.x_axis)))
            result.append(model.predict(torch.where(mask, bare.x, found.x))[0, 1].item() < 0.5)
        inside.append(evidence_mass(change, item.boxes, (found.y_axis, found.x_axis)))
    assert np.mean(turned) > 0.95
    assert not any(elsewhere)
    assert np.mean(inside) > 0.95, "the box holds what the tone changes"


@pytest.mark.slow
def test_the_shortcut_network_listens_to_the_hum():
    model = models.load("cnnexplain_shortcut")
    turned = []
    for i in range(30):
        without, hummed = (
            model.predict(model.prepare((render(78, i, 0, hum=hum).waveform, RATE)))[0, 1].item()
            for hum in (False, True)
        )
        if without < 0.5:
            turned.append(hummed > 0.5)
    assert len(turned) > 10
    assert np.mean(turned) > 0.8
