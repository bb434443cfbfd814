"""The one rule, case by case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.attribution.concepts.significance import MOST_RANDOM, draws_for
from backend.attribution.concepts.verdict import Evidence, interval, judge, judge_together, strongest

CLEAR = Evidence(p=0.001, low=0.3, high=0.5, chance=0.1, chance_95=0.2)


@pytest.mark.parametrize(
    ("change", "p", "verdict", "because"),
    [
        ({}, 0.01, "counts", "more than random"),
        ({"low": 0.1}, 0.01, "undecided", "add examples"),  # the interval reaches chance
        ({}, 0.06, "undecided", "add examples"),
        ({"by_inputs": True}, 0.06, "undecided", "add inputs"),
        ({"inputs": 1}, 0.01, "undecided", "add inputs"),
        ({"inputs": 2}, 0.01, "counts", "more than random"),
        ({"low": 0.0, "high": 0.2}, 0.6, "not_more_than_chance", "score as much"),
        ({"low": 0.0, "high": 0.21}, 0.6, "undecided", "add examples"),
        ({"unlike": "Photographs against drawings."}, 0.01, "undecided", "against drawings"),
        (
            {"unlike": "Photographs against drawings.", "low": 0.0, "high": 0.1},
            0.9,
            "undecided",
            "against drawings",
        ),
    ],
)
def test_the_rule(change, p, verdict, because):
    found, words = judge(replace(CLEAR, **change), p)
    assert found == verdict
    assert because in words


def test_fifty_random_concepts_decide_two_tests_and_not_three():
    """The smallest p is 1/51; adjusted for three tests it is 0.059. Twenty per test always suffice."""

    def first(tests, draws):
        others = [replace(CLEAR, p=0.9, low=0.0, high=0.1)] * (tests - 1)
        return judge_together([replace(CLEAR, p=1 / (1 + draws)), *others], draws)[0]

    assert first(2, 50).verdict == "counts"
    assert first(3, 50).verdict == "undecided"
    assert "fewer concepts" in first(3, 50).because
    for tests in (1, 3, 60, 1000):
        assert first(tests, draws_for(tests)).verdict == "counts"
    assert draws_for(3, 200) == 200
    assert draws_for(10_000) == MOST_RANDOM


def test_the_interval_is_students_over_inputs_and_the_spread_of_the_redraws_in_squares():
    scores, chance = np.array([0.3, 0.5, 0.4]), np.array([0.1, 0.3, 0.2])
    redraws = np.array([0.3, 0.5])
    low, high, by_inputs = interval(
        scores, redraws, chance
    )  # score - chance does not vary: the inputs add nothing
    assert (low, high) == pytest.approx(
        (0.4 - 1.96 * np.std(redraws, ddof=1), 0.4 + 1.96 * np.std(redraws, ddof=1)), abs=1e-3
    )
    assert not by_inputs
    low, high, by_inputs = interval(scores, np.array([0.4, 0.4]), np.zeros(3))
    assert high - 0.4 == pytest.approx(4.3027 * 0.1 / np.sqrt(3), abs=1e-4)
    assert by_inputs


def test_the_strongest_of_several_speaks_for_a_concept():
    assert strongest(["undecided", "counts"]) == "counts"
    assert strongest(["undecided", "not_more_than_chance"]) == "undecided"
    assert strongest(["not_more_than_chance"]) == "not_more_than_chance"
