"""Localisation of maps that are right, wrong and the same everywhere; equal cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import backend
from backend.attribution.measuring.order import hits
from tests.backend.attribution.measuring.made import map_of, noise, region, value
from tests.tiny import picture

LOCAL = (
    "pointing_game",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "top_k_intersection",
    "top_iou",
)


@pytest.mark.parametrize("key", LOCAL)
def test_localisation_of_perfect_inverted_and_uniform_maps(plain, key):
    mask = region()
    assert value(plain, picture(), map_of(mask), key, mask) == 1
    assert value(plain, picture(), map_of(~mask), key, mask) == pytest.approx(0)
    share = mask.mean()
    expected = share / (2 - share) if key == "top_iou" else share
    assert value(plain, picture(), map_of(np.ones((32, 32))), key, mask) == pytest.approx(expected)


@pytest.mark.parametrize("key", LOCAL)
def test_equal_cells_get_what_random_order_gives_on_average(plain, key):
    """Maps of few levels, as LIME's, with a little noise that breaks the ties at random."""
    mask, rng = region(), np.random.default_rng(0)
    levels = rng.integers(0, 4, (32, 32)).astype(float) + 1.5 * mask * rng.integers(0, 2, (32, 32))
    shared = value(plain, picture(), map_of(levels), key, mask)
    drawn = [
        value(plain, picture(), map_of(levels + 1e-4 * rng.random((32, 32))), key, mask) for _ in range(200)
    ]
    error = max(1e-3, 4 * np.std(drawn) / np.sqrt(len(drawn)))
    assert shared == pytest.approx(np.mean(drawn), abs=error)


def test_hits_counts_cells_one_by_one():
    rng = np.random.default_rng(1)
    for _ in range(50):
        values, mask = rng.standard_normal((6, 7)), rng.random((6, 7)) < 0.4
        k = int(rng.integers(1, 43))
        top = sorted(((v, m) for v, m in zip(values.ravel(), mask.ravel(), strict=True)), reverse=True)[:k]
        assert hits(values, mask, k) == sum(m for _, m in top)


def test_a_map_without_positive_cells_has_no_mass(plain):
    score = backend.evaluate(plain, picture(), map_of(-np.abs(noise())), "relevance_mass_accuracy", region())
    assert (score.value, "positive" in score.note) == (None, True)


def test_a_mask_may_be_a_tensor_or_hold_numbers(plain):
    made = map_of(np.abs(noise()))
    first = value(plain, picture(), made, "relevance_mass_accuracy", region())
    for other in (torch.from_numpy(region()), region().astype(np.uint8), 255 * region().astype(int)):
        assert value(plain, picture(), made, "relevance_mass_accuracy", other) == first
