"""Robustness, randomisation and completeness where the answer is known; sensitivity against Captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.metrics import sensitivity_max
from torch import nn

import backend
import models
from backend.attribution.measuring.again import randomised
from tests.backend.attribution.measuring.made import value
from tests.backend.attribution.methods.linear import linear
from tests.tiny import picture


def test_sensitivity_is_captums(plain):
    """With the copies that ours draws."""
    x = picture()
    made = backend.explain(plain, x, "saliency", target=1)

    def explain(inputs):
        batch = inputs[0] if isinstance(inputs, tuple) else inputs
        maps = [backend.explain(plain, each[None], "saliency", target=1).values for each in batch]
        return (torch.from_numpy(np.stack(maps))[:, None],)

    def perturb(inputs):
        copies = [np.random.default_rng((5, 1, i)).uniform(-0.1, 0.1, (1, 3, 32, 32)) for i in range(6)]
        return torch.cat([x + torch.from_numpy(copy.astype(np.float32)) for copy in copies])

    expected = float(sensitivity_max(explain, x, perturb_func=perturb, n_perturb_samples=6, norm_ord="fro"))
    actual = value(plain, x, made, "max_sensitivity", seed=5, n_samples=6, lower_bound=0.1)
    assert actual == pytest.approx(expected, rel=1e-4)


def test_a_map_that_does_not_look_at_the_input_is_steady():
    """The gradient of a linear network is the same everywhere, and its product with the input moves with it."""
    model, x = linear(), picture()
    steady = backend.explain(model, x, "gradient", target=0)
    keys = ["avg_sensitivity", "max_sensitivity", "local_lipschitz_estimate"]
    for score in backend.evaluate_all(
        model, x, steady, keys, params={key: {"n_samples": 3} for key in keys}
    ).values():
        assert score.value == pytest.approx(0, abs=1e-5)
    moving = backend.explain(model, x, "input_x_gradient", target=0)
    scores = backend.evaluate_all(model, x, moving, keys, params={key: {"n_samples": 5} for key in keys})
    low, high = scores["avg_sensitivity"].interval
    assert low < scores["avg_sensitivity"].value < high
    assert scores["max_sensitivity"].value > scores["avg_sensitivity"].value > 0.01


def test_the_same_copies_serve_both_sensitivities(plain, monkeypatch):
    import backend.attribution.measuring.again as module

    calls, original = [], module.explain

    def counted(*args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, "explain", counted)
    made = backend.explain(plain, picture(), "gradient", target=1)
    backend.evaluate_all(plain, picture(), made, ["avg_sensitivity", "max_sensitivity"])
    assert len(calls) == 10


def test_a_map_that_ignores_the_class_looks_the_same_for_another():
    """Of a network whose classes differ by a factor only, the maps of all classes look the same."""
    model, x = linear(), picture()
    with torch.no_grad():
        for k in (1, 2):
            model.module[1].weight[k] = (k + 1) * model.module[1].weight[0]
    made = backend.explain(model, x, "gradient", target=0)
    assert value(model, x, made, "random_logit") == pytest.approx(1, abs=1e-5)
    other = linear()
    made = backend.explain(other, x, "gradient", target=0)
    assert value(other, x, made, "random_logit") < 0.5


def test_the_class_reaches_every_part_of_a_product():
    """Grad-CAM's part of the fused map too: on a network whose classes look at different filters the map changes."""
    model = models.load("shapes")
    x = model.prepare(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    made = backend.explain(model, x, "grad_cam", target=0)
    assert value(model, x, made, "random_logit") < 0.95
    fused = backend.explain(model, x, "fused", target=0)
    if fused.values.any():
        assert value(model, x, fused, "random_logit") < 0.95


def test_random_weights_are_drawn_layer_by_layer_with_one_seed(plain):
    net = randomised(plain, 11).module
    torch.manual_seed(12)
    expected = nn.Conv2d(8, 12, 3, padding=1)
    assert torch.equal(net[3].weight, expected.weight)
    assert not torch.equal(plain.module[3].weight, expected.weight)
    assert randomised(plain, 11) is randomised(plain, 11)


def test_a_map_of_the_input_alone_survives_random_weights():
    """A network whose weights cannot be drawn anew says so; one whose map is the input's own edges keeps its entropy."""

    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([1.0, -1.0]))

        def forward(self, x):
            return x.square().mean((1, 2, 3), keepdim=True)[:, :, 0, 0] * self.scale

    model = models.wrap(Fixed(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    made = backend.explain(model, picture(), "gradient", target=0)
    score = backend.evaluate(model, picture(), made, "efficient_mprt")
    assert (score.value, "cannot be drawn anew" in score.note) == (None, True)


def test_a_network_that_random_weights_leave_dead_is_drawn_again(plain, monkeypatch):
    import backend.attribution.metrics.efficient_mprt as module

    made, drawn = backend.explain(plain, picture(), "gradient", target=1), []

    def dead(model, seed):
        drawn.append(seed)
        other = randomised(model, seed)
        if seed < most:
            with torch.no_grad():
                for part in other.module.parameters():
                    part.zero_()
        return other

    monkeypatch.setattr(module, "randomised", dead)
    most = 2
    usual = backend.evaluate(plain, picture(), made, "efficient_mprt")
    assert (drawn, usual.value is not None) == ([0, 1, 2], True)
    most = 100
    score = backend.evaluate(plain, picture(), made, "efficient_mprt")
    assert (score.value, "answers the same" in score.note) == (None, True)


def test_intervals_end_where_the_scale_does():
    """Of two other classes with likeness 0 and 1 Student's interval would reach far beyond."""
    model, x = linear(), picture()
    with torch.no_grad():
        model.module[1].weight[1] = model.module[1].weight[0]
    made = backend.explain(model, x, "gradient", target=0)
    score = backend.evaluate(model, x, made, "random_logit")
    assert score.interval == (-1, 1)


def test_integrated_gradients_are_complete_and_a_product_is_not_asked(plain):
    made = backend.explain(plain, picture(), "integrated_gradients", target=1, n_steps=64)
    assert value(plain, picture(), made, "completeness") > 0.95
    fused = backend.evaluate(
        plain, picture(), backend.explain(plain, picture(), "fused", target=1), "completeness"
    )
    assert "has no sum rule" in fused.note
