"""Superpixels and tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import models
from backend.attribution.perturbation.segments import at_most, grid, picture, segments, slic, tiles
from tests.tiny import build
from tests.tiny import picture as smooth


@given(height=st.integers(1, 70), width=st.integers(1, 70), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_tiles_are_rectangles_as_equal_as_can_be(height, width, rows, columns):
    rows, columns = min(rows, height), min(columns, width)
    labels = tiles(height, width, rows, columns)
    assert labels.shape == (height, width)
    assert set(np.unique(labels)) == set(range(rows * columns))
    for label in range(rows * columns):
        y, x = np.nonzero(labels == label)
        assert (np.ptp(y) + 1) * (np.ptp(x) + 1) == len(y)
        assert np.ptp(y) + 1 in (height // rows, -(-height // rows))
        assert np.ptp(x) + 1 in (width // columns, -(-width // columns))


def test_sixty_four_tiles_are_eight_by_eight():
    assert grid(64, 64, 128) == (8, 8)
    assert grid(50, 224, 224) == (7, 7)
    assert grid(9, 2, 100) == (2, 4)


@given(n=st.integers(1, 500), height=st.integers(1, 70), width=st.integers(1, 70))
def test_tiles_are_never_more_than_asked_for_and_not_many_fewer(n, height, width):
    rows, columns = grid(n, height, width)
    assert rows * columns <= n
    assert n - rows * columns < rows or columns == width


@given(n=st.integers(1, 12), seed=st.integers(0, 1000))
def test_joined_segments_are_unions_of_neighbours(n, seed):
    before = np.unique(np.random.default_rng(seed).integers(15, size=(6, 7)), return_inverse=True)[1].reshape(
        6, 7
    )
    after = at_most(n, before)
    assert set(np.unique(after)) == set(range(min(n, before.max() + 1)))
    for label in range(before.max() + 1):
        assert len(np.unique(after[before == label])) == 1


@pytest.mark.parametrize("n", [2, 10, 50])
def test_superpixels_are_labelled_without_gaps(n):
    model, x = build("plain"), smooth()
    labels = segments(model, x, "slic", n)
    assert labels.shape == (32, 32)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert 0.4 * n <= labels.max() + 1 <= n


def test_superpixels_follow_an_edge():
    image = np.zeros((64, 64, 3))
    image[:, 29:] = [1.0, 0.4, 0.1]
    labels = slic(image, 20)
    across = [
        label
        for label in range(labels.max() + 1)
        if {0, 1} == set(np.unique(image[..., 0][labels == label] > 0.5))
    ]
    assert len(across) == 0


def test_a_flat_picture_is_still_cut():
    assert slic(np.full((48, 48, 3), 0.5), 16).max() >= 8
    assert slic(np.zeros((4, 4, 1)), 4).max() >= 1


def test_superpixels_see_the_colours_of_the_photo():
    """Whatever the network's normalisation."""
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = models.wrap(build("plain").module, labels=list("abc"), input=models.ImageInput(size=(32, 32)))
    scaled = models.wrap(
        build("plain").module,
        labels=list("abc"),
        input=models.ImageInput(size=(32, 32), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.2)),
    )
    np.testing.assert_allclose(picture(scaled, scaled.input.normalise(x)), picture(plain, x), atol=1e-6)
    np.testing.assert_array_equal(
        segments(scaled, scaled.input.normalise(x), "slic", 20), segments(plain, x, "slic", 20)
    )
