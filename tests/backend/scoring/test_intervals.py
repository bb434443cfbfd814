"""Intervals cover, and comparisons err at most at their level, where nothing is to be found: by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.scoring import intervals
from backend.scoring.intervals import FEWEST, interval, paired
from backend.scoring.ranks import family_ranks, flips

STUDIES = 1500
DRAWS = {
    "normal": (lambda rng, n: rng.normal(0, 1, n), 0.0),
    "shares": (lambda rng, n: rng.beta(2, 5, n), 2 / 7),
    "hits": (lambda rng, n: (rng.random(n) < 0.3).astype(float), 0.3),
}


def coverage(draw, mean, n, seed=0):
    rng = np.random.default_rng((seed, n))
    ends = [interval(draw(rng, n)) for _ in range(STUDIES)]
    return np.mean([low <= mean <= high for low, high in ends])


@pytest.mark.parametrize(
    ("kind", "n"), [("normal", 6), ("normal", 32), ("shares", 12), ("shares", 81), ("hits", 81)]
)
def test_an_interval_holds_the_true_mean_in_95_of_100_studies(kind, n):
    """At least 95 % within binomial error (3 standard errors), and not much wider than that; hits and misses move in
    steps, which costs another percent."""
    slack = 3 * np.sqrt(0.95 * 0.05 / STUDIES)
    found = coverage(*DRAWS[kind], n)
    assert 0.95 - slack - (0.01 if kind == "hits" else 0.005) <= found <= 0.95 + slack + 0.01


def test_the_plain_percentile_interval_would_not():
    """The reason for the widened ends: of six inputs the plain one covers in less than 90 of 100 studies."""
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(600):
        values = rng.normal(size=6)
        means = values[rng.integers(6, size=(1000, 6))].mean(1)
        low, high = np.percentile(means, [2.5, 97.5])
        hits.append(low <= 0 <= high)
    assert np.mean(hits) < 0.9


def test_an_interval_is_nearly_student_s_where_scores_are_normal():
    values = np.random.default_rng(2).normal(3, 1, 60)
    reach = stats.t.ppf(0.975, 59) * values.std(ddof=1) / np.sqrt(60)
    assert interval(values) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.03)


def test_equal_few_and_missing_scores():
    assert interval(np.full(7, 0.4)) == (0.4, 0.4)
    assert interval(np.arange(FEWEST - 1.0)) is None
    assert interval(np.array([np.nan, *np.arange(5.0)])) == interval(np.arange(5.0))
    assert paired(np.array([np.nan]), np.array([1.0]), True) is None
    assert paired(np.array([1.0, 2.0]), np.array([0.0, 0.0]), True).beats is False  # two inputs prove nothing


@pytest.mark.parametrize("n", [8, 40])
def test_methods_that_are_alike_rarely_beat_each_other(n):
    """'beats' and 'beaten' are each wrong in at most 2.5 % of studies (3 binomial standard errors), whichever way better
    points and however alike the inputs make the scores."""
    rng = np.random.default_rng(n)
    limit = 0.025 + 3 * np.sqrt(0.025 * 0.975 / STUDIES)
    found = []
    for number in range(STUDIES):
        difficulty = rng.normal(size=n)
        found.append(paired(difficulty + rng.beta(2, 2, n), difficulty + rng.beta(2, 2, n), number % 2 == 0))
    assert np.mean([each.beats for each in found]) <= limit
    assert np.mean([each.beaten for each in found]) <= limit


def test_better_points_where_the_metric_says():
    high, low = np.linspace(0.6, 0.9, 10), np.linspace(0.1, 0.3, 10)
    assert paired(high, low, higher=True).beats
    assert paired(high, low, higher=False).beaten
    assert paired(high, low, higher=True).mean == pytest.approx(0.55)


def test_orders_of_methods_that_are_alike_rarely_flip_with_the_baseline():
    rng = np.random.default_rng(5)
    turned = 0
    for _ in range(400):
        scores, other = ({name: rng.normal(size=20) for name in "abc"} for _ in range(2))
        turned += any(flips(scores, other, True).values())
    assert turned / 400 <= 0.02


def test_an_order_that_turns_around_is_seen_and_noise_is_not():
    rng = np.random.default_rng(6)

    def noise(mean):
        return mean + 0.05 * rng.normal(size=30)

    scores = {"a": noise(1.0), "b": noise(0.5), "c": noise(0.0)}
    other = {"a": noise(0.5), "b": noise(1.0), "c": noise(0.0)}
    assert flips(scores, other, True) == {"a": {"b"}, "b": {"a"}, "c": set()}
    assert not any(flips(scores, {key: scores[key] + 1 for key in scores}, True).values())


def test_ranks_of_a_family():
    """By hand: a leads one metric of two, b the other; c has a score under one of them; d under none."""
    nan = np.nan
    ranks = family_ranks([(np.array([3.0, 2.0, 1.0, nan]), True), (np.array([0.4, 0.1, nan, nan]), False)])
    assert ranks == [(1.5, True), (1.5, True), (3.0, False), None]
    assert family_ranks([(np.array([1.0, 1.0]), True)]) == [(1.5, True), (1.5, True)]


def test_of_many_inputs_the_interval_is_student_s_and_resamples_nothing():
    """Resamples of 10,000 inputs would be 320 MB in the process that serves the pages."""
    values = np.random.default_rng(0).gamma(2, size=10_000)
    made = intervals._counts.cache_info().misses
    low, high = interval(values)
    assert intervals._counts.cache_info().misses == made
    error = values.std(ddof=1) / 100
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 9_999, values.mean(), error))
    at_the_border = values[: intervals.MANY]
    assert interval(at_the_border) == pytest.approx(intervals.student(at_the_border), abs=0.05)


def test_places_are_scipy_s():
    values = np.array([3.0, 1.0, 1.0, 2.0, 3.0, 3.0])
    assert family_ranks([(values, False)]) == [(float(place), True) for place in stats.rankdata(values)]
