"""Occlusion and RISE against exact answers, slow loops and Captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

import backend
import models
from backend.attribution.methods import rise
from backend.attribution.methods.occlusion import OcclusionParams, bands
from backend.attribution.perturbation.segments import tiles
from tests.backend.attribution.methods import own_loops
from tests.backend.attribution.methods.linear import INPUT, linear, segment_sums
from tests.backend.attribution.methods.own_loops import NETWORKS, near
from tests.tiny import build, picture


@pytest.mark.parametrize(("window", "stride"), [(8, 4), (5, 3), (7, 7), (32, 32), (3, 1)])
def test_occlusion_is_captums(window, stride):
    """Sides that fit the grid and sides that do not."""
    model, x = build("residual"), picture()
    black = model.input.baseline(x)
    ours = backend.explain(model, x, "occlusion", target=1, window=window / 32, stride=stride / 32)
    theirs = Occlusion(model.module).attribute(
        x, sliding_window_shapes=(3, window, window), strides=(3, stride, stride), baselines=black, target=1
    )
    theirs = theirs[0, 0].detach().numpy()
    np.testing.assert_allclose(ours.values, theirs, atol=1e-4 * np.abs(theirs).max())
    assert ours.forwards == 1 + ours.native[0] * ours.native[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_occlusion_is_its_loop(name):
    model, x = build(name), picture()
    ours = backend.explain(model, x, "occlusion", target=1, window=7 / 32, stride=3 / 32)
    near(ours.values, own_loops.occlusion(model, x, 7, 3, 1))


def test_occlusion_windows_cover_every_cell():
    for size in ((32, 32), (64, 128), (7, 50), (224, 224)):
        down, across = (bands(side, OcclusionParams()) for side in size)
        assert down.sum(0).min() >= 1
        assert across.sum(0).min() >= 1
        assert (down.shape[1], across.shape[1]) == size


def test_occlusion_of_a_linear_model():
    """Each window takes away exactly what lies in it."""
    model, x = linear(), picture()
    result = backend.explain(model, x, "occlusion", target=0, window=0.25, stride=0.25)
    truth = segment_sums(model, x, tiles(32, 32, 4, 4), 0)
    np.testing.assert_allclose(result.values, truth[tiles(32, 32, 4, 4)], atol=1e-4)


def test_rise_is_the_weighted_mean_of_its_masks():
    """A loop over single masks with the definition."""
    model, x = build("plain"), picture()
    settings = rise.RiseParams(n_samples=60, cells=4, visible=0.4)
    result = backend.explain(model, x, "rise", target=1, seed=9, n_samples=60, cells=4, visible=0.4)
    masks = rise.soft_masks(60, settings, (32, 32), torch.Generator().manual_seed(9))
    black = model.input.baseline(x)
    with torch.no_grad():
        scores = torch.tensor(
            [float(model.module(black + m * (x - black))[0, 1]) for m in masks], dtype=torch.float64
        )
    expected = torch.einsum("n,nhw->hw", scores - scores.mean(), masks.double() - 0.4) / (60 * 0.4)
    np.testing.assert_allclose(result.values, expected.numpy(), atol=1e-3 * float(expected.abs().max()))


def test_masks_of_rise_have_the_mean_they_claim():
    settings = rise.RiseParams(visible=0.3)
    masks = rise.soft_masks(600, settings, (40, 56), torch.Generator().manual_seed(0))
    assert masks.shape == (600, 40, 56)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.09)


def test_rise_finds_the_only_place_that_counts():
    class Corner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = 50 + x[:, :, :8, :8].mean((1, 2, 3))
            return torch.stack([score, -score], 1)

    model = models.wrap(Corner(), labels=["a", "b"], input=INPUT)
    result = backend.explain(model, torch.ones(1, 3, 32, 32), "rise", target=0, n_samples=1500)
    inside = result.values[:8, :8].mean()
    assert inside > 8 * np.abs(result.values[16:, 16:]).mean()
    against = backend.explain(model, torch.ones(1, 3, 32, 32), "rise", target=1, n_samples=1500)
    np.testing.assert_allclose(against.values, -result.values, atol=1e-5)
