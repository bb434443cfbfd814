"""Stability: cells larger than 1.645 of their error, the methods' own errors first; and curves beside random places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import models
from backend.attribution.explain import explain
from backend.attribution.measuring.curves import curves
from backend.attribution.measuring.stability import banded, by_jitters, own_error, shifted


def test_a_cell_is_stable_where_its_error_leaves_no_doubt():
    values, error = np.array([[1.0, -2.0, 0.1, 0.0]]), np.array([[0.5, 1.0, 0.1, 0.0]])
    found = banded(values, error, "so")
    assert found.stable.tolist() == [[True, True, False, True]]
    assert found.share == pytest.approx(3.0 / 3.1)


@pytest.mark.parametrize("signal", [0.0, 5.0])
def test_of_cells_without_signal_one_in_ten_passes(signal):
    """The mean of 30 draws a cell, whose error is estimated from them."""
    draws = signal + np.random.default_rng(0).normal(size=(30, 100, 100))
    mean, variance = draws.mean(0), draws.var(0, ddof=1)
    found = own_error(mean, {"variance": variance}, 30)
    assert found is not None
    share = found.stable.mean()
    assert share == 1.0 if signal else 0.08 <= share <= 0.14


def test_lime_is_stable_where_its_own_band_does_not_hold_zero():
    model = models.load("shapes")
    x = model.prepare("models/samples/image_star.png")
    result = explain(model, x, "lime", n_samples=400)
    found = own_error(result.values, {"error": result.stages["error"].values}, 400)
    assert found is not None
    assert np.array_equal(found.stable & (result.values != 0), result.stages["sure"].values != 0)


class Halves(nn.Module):
    """The left half counts, linearly; the right half through a product with noise-sensitive signs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, x):
        x = self.conv(x)
        read = x[..., :16].sum((1, 2, 3)) + torch.cos(300 * x[..., 16:]).sum((1, 2, 3)) / 100
        return torch.stack([-read, read], 1)


def test_jitters_find_the_half_that_changes_its_sign():
    net = models.wrap(Halves(), labels=["a", "b"], input=models.ImageInput(size=(32, 32), channels=1))
    x = net.prepare(np.random.default_rng(0).integers(60, 200, (32, 32), dtype=np.uint8))
    result = explain(net, x, "gradient", target=1)
    found = by_jitters(result.values, x, lambda moved: explain(net, moved, "gradient", target=1), 8)
    assert found.stable[:, 1:15].all()
    assert found.stable[:, 17:31].mean() < 0.2
    again = by_jitters(result.values, x, lambda moved: explain(net, moved, "gradient", target=1), 8)
    assert np.array_equal(found.stable, again.stable)


def test_a_shift_is_undone():
    x = torch.arange(30.0).reshape(1, 1, 5, 6)
    back = shifted(shifted(x, [1, -1]), [-1, 1])
    assert torch.equal(back[..., :-1, 1:], x[..., :-1, 1:])
    assert shifted(x, [1, 0])[0, 0, 1].tolist() == x[0, 0, 0].tolist()


class Corner(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, x):
        read = 10 * self.conv(x)[..., :6, :6].mean((1, 2, 3))
        return torch.stack([-read, read], 1)


def test_curves_tell_a_map_of_the_evidence_from_a_map_of_elsewhere():
    net = models.wrap(Corner(), labels=["a", "b"], input=models.ImageInput(size=(24, 24), channels=1))
    x = net.prepare(np.full((24, 24), 200, np.uint8))
    right, wrong = np.zeros((24, 24)), np.zeros((24, 24))
    right[:6, :6], wrong[12:18, 12:18] = 1, 1
    good, bad = curves(net, x, right, 1), curves(net, x, wrong, 1)
    at = int(np.flatnonzero(good.x == 0.1)[0])
    assert good.deletion[at] < 0.6 < 0.99 < bad.deletion[at]
    assert good.insertion[at] > 0.99
    assert "more than at random places" in good.words("b")
    assert "no more than" in bad.words("b") or "less than" in bad.words("b")
    for found in (good, bad):
        assert found.deletion[0] == found.insertion[-1] == pytest.approx(float(net.predict(x)[0, 1]))
        assert found.deletion[-1] == found.insertion[0] == pytest.approx(0.5)
