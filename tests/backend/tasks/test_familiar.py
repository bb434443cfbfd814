"""Distance to the training inputs: percentiles are honest by simulation, and what comes along are aggregates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import models
from backend.tasks.familiar import FOLDER, familiar_check, familiar_checks, fitted, reference_of, write
from backend.tasks.gate import moved
from models.catalogue import WEIGHTS
from models.synthetic import coughs as synthetic

SHIPPED = ("cnnexplain", "cnnexplain_synthetic")


def drawn(count, seed):
    """Of one skewed distribution in ten dimensions, as pooled rectified maps are."""
    mixing = np.random.default_rng(99).normal(size=(10, 10))
    return np.maximum(np.random.default_rng(seed).normal(0.3, 1, (count, 10)) @ mixing, 0)


def test_percentiles_of_further_inputs_are_uniform():
    reference = fitted(drawn(400, 0), drawn(300, 1), "others")
    further = reference.percentile(drawn(1000, 2))
    assert np.quantile(further, [0.1, 0.5, 0.9]) == pytest.approx([10, 50, 90], abs=6)
    assert (further > 99).mean() < 0.03


def test_the_distance_is_mahalanobis_and_far_is_far():
    reference = fitted(drawn(4000, 0), drawn(50, 1), "others")
    z = drawn(5, 3)
    slow = [
        np.sqrt((row - reference.mean) @ np.linalg.inv(np.cov(drawn(4000, 0).T)) @ (row - reference.mean))
        for row in z
    ]
    assert reference.distance(z) == pytest.approx(slow, rel=0.05)
    assert reference.percentile(z + 100) == pytest.approx(100)
    assert reference.percentile(reference.mean[None]) == pytest.approx(0)


@pytest.mark.parametrize(
    ("percentiles", "state", "words"),
    [
        ([50.2, 50.4, 49.8], "ok", "farther from it than 50 % of 9 others"),
        ([96, 91, 97], "warning", "Unusual for this model: farther from it than 91 to 97 %"),
        ([99.5, 99.6, 100], "bad", "Unlike what"),
    ],
)
def test_words_and_states(percentiles, state, words):
    check = familiar_check(np.array(percentiles), "9 others")
    assert (check.key, check.state) == ("familiar", state)
    assert words in check.detail


def test_only_aggregates_come_along():
    for key in SHIPPED:
        parts = load_file(WEIGHTS / FOLDER / f"{key}.safetensors")
        assert {name: part.shape for name, part in parts.items()} == {
            "mean": (128,),
            "precision": (128, 128),
            "distances": (201,),
        }
        assert reference_of(models.load(key)) is not None, "made with other weights: run `evident gate`"


def test_other_weights_have_no_reference(tmp_path):
    model = models.load("cnnexplain_synthetic")
    z = np.random.default_rng(0).random((300, 128))
    write(fitted(z, z[:50], "x"), model, tmp_path)
    read = reference_of(model, tmp_path)
    assert read.percentile(z[:50]) == pytest.approx(fitted(z, z[:50], "x").percentile(z[:50]), abs=2.5)
    other = models.load("cnnexplain_shortcut")
    (tmp_path / FOLDER / f"{model.key}.safetensors").rename(tmp_path / FOLDER / f"{other.key}.safetensors")
    assert reference_of(other, tmp_path) is None
    assert familiar_checks(other, [torch.rand(1, 1, 64, 128)]) == []


def test_generated_coughs_are_familiar_to_their_network_and_noise_is_not():
    model = models.load("cnnexplain_synthetic")
    states = []
    for number in range(12):
        item = synthetic.render(31, number, number % 2)
        states.append(familiar_checks(model, [model.input.prepare((item.waveform, item.rate)).x])[0].state)
    assert states.count("ok") >= 10
    noise = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    (check,) = familiar_checks(model, [model.input.prepare((0.1 * noise, 8000)).x])
    assert check.state == "bad"


def test_the_window_moves_both_ways_but_not_beyond_the_recording():
    spec, sound = models.load("cnnexplain_synthetic"), synthetic.render(31, 0, 1)
    heard = sound.waveform, sound.rate
    middle = spec.input.prepare(heard, start=0.5)
    assert [window.window[0] for window in moved(spec, middle, heard)] == pytest.approx([0.45, 0.55])
    first = spec.input.prepare(heard, start=0.0)
    assert [window.window[0] for window in moved(spec, first, heard)] == pytest.approx([0.05])
