"""What the metrics share: the answers of the network, replacements, stopping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import backend
import models
from app.core.errors import BadParameter, Cancelled
from backend.attribution.measuring.sweep import Sweep
from backend.attribution.metrics.faithfulness_correlation import subsets
from tests.backend.attribution.measuring.made import map_of, noise, value
from tests.backend.attribution.methods.linear import linear
from tests.tiny import build, picture


def test_maps_of_one_input_share_its_answers(plain, monkeypatch):
    sent, original = [], Sweep.answers

    def counted(self, batches):
        answers = original(self, batches)
        sent.append(len(answers.score))
        return answers

    monkeypatch.setattr(Sweep, "answers", counted)
    x, keys = picture(77), ["faithfulness_correlation", "infidelity"]
    for seed in range(3):
        backend.evaluate_all(plain, x, map_of(noise(seed), target=1), keys)
    assert sum(sent) == 1 + 2 * 100 + 2 * 64
    backend.evaluate_all(plain, x, map_of(noise(), target=2), keys)  # another class: other answers
    assert sum(sent) == 2 * (1 + 2 * 100 + 2 * 64)


def test_a_changed_network_is_asked_again():
    model, x = linear(), picture()
    made = map_of(noise(), target=0)
    before = value(model, x, made, "faithfulness_correlation")
    with torch.no_grad():
        model.module[1].weight[0] = -model.module[1].weight[0]
    assert value(model, x, made, "faithfulness_correlation") == pytest.approx(-before, abs=1e-4)


def test_subsets_are_without_repetition():
    drawn = subsets(np.random.default_rng(0), 20, 50, 25)
    assert all(len(set(row)) == 25 for row in drawn)
    assert (drawn.min(), drawn.max()) == (0, 49)


def test_a_replacement_that_is_not_offered_is_refused(plain):
    with pytest.raises(BadParameter, match="black, mean or blur"):
        backend.evaluate(plain, picture(), map_of(noise()), "pixel_flipping", baseline="silence")


def test_spectrograms_are_replaced_by_silence():
    sound = models.SoundInput(
        rate=8000, bands=16, frames=16, n_fft=256, hop=128, low=50, high=4000, floor=-80
    )
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    model = models.wrap(net, labels=["a", "b"], input=sound)
    x = torch.rand(1, 1, 16, 16)
    score = backend.evaluate(model, x, map_of(noise(0, 16), target=0), "pixel_flipping")
    assert score.curve.y[-1] == pytest.approx(float(model.predict(torch.zeros_like(x))[0, 0]), abs=1e-5)
    assert score.other is not None


def test_a_single_logit_speaks_for_both_classes():
    model, x = build("single_logit"), picture()
    made = backend.explain(model, x, "gradient", target=0)
    curve = backend.evaluate(model, x, made, "pixel_flipping").curve
    assert curve.y[0] == pytest.approx(float(model.predict(x)[0, 0]), abs=1e-5)
    assert value(model, x, made, "random_logit") <= 1


def test_the_user_can_stop(plain):
    made = backend.explain(plain, picture(), "gradient", target=1)

    def stop(done, total, partial=None):
        if done == 1:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        backend.evaluate_all(plain, picture(), made, ["sparseness", "avg_sensitivity"], report=stop)


def test_answers_are_in_full_precision_where_the_processor_has_half(monkeypatch):
    """Removing 224 values moves a logit by less than bfloat16 can tell."""
    from backend.attribution.network.passes import Passes

    monkeypatch.setattr("backend.attribution.network.passes.has_bfloat16", lambda device: True)
    model, x = build("residual"), picture()
    plan = Passes.of(model).precise
    assert (plan.precision, plan.dtype) == ("float32", torch.float32)
    score = Sweep.of(model, x, 1).score
    assert score == pytest.approx(float(model.logits(x)[0, 1]), rel=1e-5)
