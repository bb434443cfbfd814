"""Cohen's kappa against a slow second implementation, and its interval against simulated readers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from backend.scoring.agreement import FEWEST, cohen, interval, variance

ABC = ["a", "b", "c"]


def slowly(first: list[int], second: list[int]) -> Fraction:
    """By counting pairs of cases, in exact fractions: chance agreement is how often what one says of some case is what the
    other says of some case."""
    n = len(first)
    same = Fraction(sum(a == b for a, b in zip(first, second, strict=True)), n)
    chance = Fraction(sum(a == b for a in first for b in second), n * n)
    return (same - chance) / (1 - chance)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_against_two_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, 40)
    second = np.where(rng.random(40) < 0.6, first, rng.integers(0, 3, 40))
    found = cohen(first.tolist(), second.tolist(), ABC)
    assert found.kappa == pytest.approx(float(slowly(first.tolist(), second.tolist())))
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.kappa < found.high


def test_the_error_is_that_of_the_delta_method() -> None:
    """Fleiss, Cohen and Everitt's formula is the delta method: here with derivatives by small steps."""
    table = np.array([[20, 5, 1], [3, 30, 6], [2, 4, 29]], float)

    def kappa(shares: np.ndarray) -> float:
        shares = shares.reshape(3, 3) / shares.sum()
        chance = shares.sum(1) @ shares.sum(0)
        return float((np.trace(shares) - chance) / (1 - chance))

    shares = (table / table.sum()).ravel()
    slope = np.array([(kappa(shares + step) - kappa(shares - step)) / 2e-6 for step in np.eye(9) * 1e-6])
    spread = np.diag(shares) - np.outer(shares, shares)
    assert variance(table) == pytest.approx(slope @ spread @ slope / table.sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("prevalence", "kappa", "n", "least", "most"),
    [
        ((0.5, 0.5), 0.0, 20, 0.93, 0.97),
        ((0.5, 0.5), 0.7, 40, 0.93, 0.98),
        ((0.5, 0.5), 0.9, 20, 0.90, 0.96),
        ((0.2, 0.8), 0.7, 100, 0.93, 0.97),
        ((0.1, 0.9), 0.9, 10, 0.86, 0.96),
        ((0.1, 0.9), 0.0, 100, 0.97, 1.01),
        ((0.4, 0.3, 0.3), 0.4, 40, 0.92, 0.97),
    ],
)
def test_how_often_the_interval_holds_the_truth(
    prevalence: tuple[float, ...], kappa: float, n: int, least: float, most: float
) -> None:
    """Readers who agree because both see it (in `kappa` of the cases) or by chance."""
    q = np.array(prevalence)
    truth = kappa * np.diag(q) + (1 - kappa) * np.outer(q, q)
    tables = np.random.default_rng(7).multinomial(n, truth.ravel(), 1500).reshape(-1, len(q), len(q))
    told = [table for table in tables if table.sum(1) @ table.sum(0) < n * n]
    held = np.mean([low <= kappa <= high for low, high in map(interval, told)])
    assert least < held < most


def test_two_who_guess_are_rarely_said_to_agree() -> None:
    """At most one study in 30 of two readers who do not look at the cases."""
    tables = np.random.default_rng(8).multinomial(30, np.full(4, 0.25), 2000).reshape(-1, 2, 2)
    assert np.mean([interval(table)[0] > 0 for table in tables]) < 1 / 30


def test_where_it_is_not_defined() -> None:
    """Said in words, and never a number."""
    nothing = cohen([], [], ABC)
    assert (nothing.kappa, nothing.agree) == (None, None)
    assert "no case" in nothing.words
    alike = cohen([1] * 20, [1] * 20, ABC)
    assert (alike.kappa, alike.low, alike.agree) == (None, None, 1.0)
    assert "both said b of every case" in alike.words
    few = cohen([0, 1] * 4, [0, 1] * 4, ABC)
    assert (few.kappa, few.low) == (1.0, None)
    assert f"Fewer than {FEWEST}" in few.words


def test_perfect_agreement_has_an_interval_all_the_same() -> None:
    """The usual one would be a point."""
    found = cohen([0, 1] * 10, [0, 1] * 10, ABC)
    assert found.kappa == found.high == 1.0
    assert found.low is not None
    assert 0.5 < found.low < 0.8
    assert "beyond chance" in found.words
    never = cohen([0, 1] * 10, [1, 0] * 10, ABC)
    assert (never.kappa, never.low) == (-1.0, -1.0)
    assert "less than chance" in never.words
