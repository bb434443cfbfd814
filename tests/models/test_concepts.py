"""Built-in concepts: repeatable, varied, and telling the concept apart is what a simple statistic can do."""

from __future__ import annotations

import numpy as np
import pytest

from models.synthetic.concepts import CONCEPTS, COUNTER_EXAMPLES, RATE


@pytest.mark.parametrize("key", sorted(CONCEPTS))
def test_examples_repeat_grow_and_vary(key):
    concept = CONCEPTS[key]
    eight = concept.make(8, seed=1)
    assert np.array_equal(concept.make(4, seed=1), eight[:4])
    assert not np.array_equal(concept.make(4, seed=2), eight[:4])
    assert len({example.tobytes() for example in eight}) == 8
    assert eight.dtype == (np.uint8 if concept.modality == "image" else np.float32)
    assert np.isfinite(eight).all()
    if concept.modality == "audio":
        assert np.abs(eight).max() <= 1


@pytest.mark.parametrize(("key", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_colour_concept_is_that_colour_and_counter_examples_are_not(key, channel):
    def excess(pictures):
        means = pictures.reshape(len(pictures), -1, 3).mean(1)
        return means[:, channel] - np.delete(means, channel, 1).max(1)

    assert (excess(CONCEPTS[key].make(20)) > 20).all()
    assert (excess(COUNTER_EXAMPLES["image"].make(20)) > 20).mean() < 0.35


@pytest.mark.parametrize("key", ["striped", "dotted", "chequered", "zigzagged"])
def test_a_pattern_has_a_period_and_counter_examples_have_none(key):
    def peak(pictures):
        grey = pictures.mean(-1) - pictures.mean((1, 2, 3))[:, None, None]
        power = np.abs(np.fft.fft2(grey)) ** 2
        power[:, :3, :3] = power[:, -2:, :3] = power[:, :3, -2:] = power[:, -2:, -2:] = (
            0  # slow gradients are no pattern
        )
        return (
            power.max((1, 2))
            / power.sum((1, 2))
            * (power.sum((1, 2)) / (np.abs(np.fft.fft2(grey)) ** 2).sum((1, 2)))
        )

    assert np.median(peak(CONCEPTS[key].make(20))) > 2 * np.median(peak(COUNTER_EXAMPLES["image"].make(20)))


def test_a_tone_is_narrow_and_hum_lies_on_mains_harmonics():
    def spectrum(sound):
        return np.abs(np.fft.rfft(sound * np.hanning(sound.shape[1]))) ** 2

    tones = spectrum(CONCEPTS["tone"].make(10))
    assert np.median(tones.max(1) / tones.sum(1)) > 0.3
    assert (
        np.median(
            spectrum(COUNTER_EXAMPLES["audio"].make(10)).max(1)
            / spectrum(COUNTER_EXAMPLES["audio"].make(10)).sum(1)
        )
        < 0.05
    )
    hums = spectrum(CONCEPTS["hum"].make(10))
    frequency = np.fft.rfftfreq(2 * RATE, 1 / RATE)
    assert ((frequency[hums.argmax(1)] > 95) & (frequency[hums.argmax(1)] < 490)).all()
