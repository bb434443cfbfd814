"""Complexity against its definition and at its ends."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backend.attribution.measuring.made import map_of, noise, value
from tests.tiny import picture


def test_sparseness_is_half_the_mean_difference_over_the_mean(plain):
    """The Gini coefficient by its definition, pair by pair."""
    made = map_of(noise())
    sizes = np.abs(made.values.ravel().astype(float))
    expected = np.abs(sizes[:, None] - sizes).mean() / (2 * sizes.mean())
    assert value(plain, picture(), made, "sparseness") == pytest.approx(expected, rel=1e-5)


def alone() -> np.ndarray:
    values = np.zeros((32, 32))
    values[3, 4] = -2.0
    return values


def test_complexity_at_its_ends(plain):
    x, flat, single = picture(), map_of(np.full((32, 32), 0.5)), map_of(alone())
    assert value(plain, x, flat, "sparseness") == pytest.approx(0, abs=1e-9)
    assert value(plain, x, single, "sparseness") == pytest.approx(1 - 1 / 1024, abs=1e-3)
    assert value(plain, x, flat, "complexity") == pytest.approx(np.log(1024))
    assert value(plain, x, single, "complexity") == pytest.approx(0, abs=1e-9)
    assert value(plain, x, flat, "effective_complexity") == 1024
    assert value(plain, x, single, "effective_complexity") == 1


def test_complexity_does_not_depend_on_scale_or_sign(plain):
    for key in ("sparseness", "complexity", "effective_complexity"):
        first, second = (value(plain, picture(), map_of(factor * noise()), key) for factor in (1, -1e-12))
        assert first == pytest.approx(second, rel=1e-5), key
