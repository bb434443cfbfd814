"""Intervals of scores, simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import backend
from backend.attribution.measuring.noise import interval_of_mean
from backend.attribution.metrics.faithfulness_correlation import fisher
from tests.backend.attribution.measuring.made import grey_linear, map_of, noise


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_intervals_of_a_correlation_cover(rho):
    rng, n, covered = np.random.default_rng(int(10 * rho)), 100, 0
    for _ in range(2000):
        a = rng.standard_normal(n)
        b = rho * a + np.sqrt(1 - rho**2) * rng.standard_normal(n)
        low, high = fisher(float(np.corrcoef(a, b)[0, 1]), n)
        covered += low <= rho <= high
    assert stats.binomtest(covered, 2000, 0.95).pvalue > 1e-3


def test_intervals_of_a_mean_cover():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(2000):
        low, high = interval_of_mean(rng.normal(3, 2, 10))
        covered += low <= 3 <= high
    assert stats.binomtest(covered, 2000, 0.95).pvalue > 1e-3
    assert interval_of_mean(np.array([1.0])) is None


def test_a_map_of_chance_is_found_faithful_in_one_of_forty():
    """Nothing to find: the interval of the correlation lies above 0 in 2.5 % of maps of noise."""
    model, x, _ = grey_linear()
    above = 0
    for seed in range(400):
        made = map_of(noise(1000 + seed, 16), target=1)
        low, _ = backend.evaluate(
            model, x, made, "faithfulness_correlation", subset_size=30, seed=seed
        ).interval
        above += low > 0
    assert stats.binomtest(above, 400, 0.025, alternative="greater").pvalue > 1e-3
