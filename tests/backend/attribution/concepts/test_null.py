"""Every test tested: where there is nothing to find it finds something in 5 of 100 draws, and what is
planted is found."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from scipy import stats

from backend.attribution.concepts.significance import (
    PseudoConcepts,
    empirical_p,
    permutation_p,
    pseudo_concepts,
    redrawn,
    tcav_test,
)
from backend.attribution.concepts.vectors import median_element
from backend.attribution.concepts.verdict import Evidence, interval, judge_together
from tests.backend.attribution.concepts.made import examples, field

DRAWS = 200
NULLS = [(20, 60), (40, 64), (10, 20)]
"""Examples, counter-examples: sizes with many, with a third, with hardly any to spare."""


def within(count, draws=DRAWS, share=0.05):
    """Neither so many nor so few that a test of that level would give them in one of 1,000 runs."""
    return stats.binom.ppf(0.0005, draws, share) <= count <= stats.binom.ppf(0.9995, draws, share)


def single(plus, minus):
    """The concept itself, as one pseudo-concept."""
    direction = plus.pooled.mean(0) - minus.pooled.mean(0)
    emblems = [float(median_element(side.emblems(direction[None]))[0]) for side in (plus, minus)]
    return PseudoConcepts(direction[None], torch.tensor([emblems]), len(plus.pooled))


@cache
def drawn(n, m, planted, inputs):
    """p of score, TCAV, length and gap, `[DRAWS, 4]`, and the evidence of each draw."""
    p, evidence = [], []
    for seed in range(DRAWS):
        generator = torch.Generator().manual_seed(seed)
        minus, plus = examples(m, generator), examples(n, generator, planted)
        fields = [field(generator, planted, planted) for _ in range(inputs)]
        concept, chance, again = (
            single(plus, minus),
            pseudo_concepts(minus, n, 99, seed),
            redrawn(plus, minus, 40, seed=seed),
        )
        real, others, redraws = (
            np.stack([some.scores(one)[:, 0].numpy() for one in fields]) for some in (concept, chance, again)
        )
        tcav = tcav_test(torch.cat([one.slopes for one in fields]), plus, minus, chance, count=199, seed=seed)
        score_p = empirical_p(float(real.mean()), others.mean(0))
        shape = [
            empirical_p(float(getattr(concept, name)[0]), getattr(chance, name).numpy())
            for name in ("lengths", "gaps")
        ]
        p.append([score_p, tcav.p, *shape])
        low, high, by_inputs = interval(real[:, 0], redraws.mean(0), others.mean(1))
        level = float(np.quantile(others.mean(0), 0.95))
        evidence.append(
            Evidence(
                score_p,
                low,
                high,
                float(others.mean()),
                level,
                inputs=inputs if inputs > 1 else None,
                by_inputs=by_inputs,
            )
        )
    return np.array(p), evidence


@pytest.mark.parametrize("sizes", NULLS)
def test_examples_like_the_counter_examples_are_found_in_5_of_100_draws(sizes):
    """Attribution, TCAV, length of the direction, gap of the emblems. With the examples held fixed TCAV's
    test found 62 to 86."""
    p, _ = drawn(*sizes, 0.0, 1)
    assert [within(count) for count in np.count_nonzero(p <= 0.05, axis=0)] == [True] * 4, np.mean(
        p <= 0.05, axis=0
    )


def test_few_counter_examples_can_show_that_a_concept_is_one():
    """Length and gap: halves of twenty counter-examples, set against each other, were always as long."""
    p, _ = drawn(10, 20, 4.0, 1)
    assert np.mean(p[:, 2:] <= 0.05) > 0.9


@pytest.mark.parametrize("tests", [1, 12])
def test_nothing_counts_where_there_is_nothing_and_a_planted_concept_counts(tests):
    """Families of 12 are the concepts x layers x classes of one analysis: in 5 of 100 analyses at most
    anything at all may count."""
    _, nothing = drawn(20, 60, 0.0, 1)
    families = [nothing[start : start + tests] for start in range(0, len(nothing) - tests + 1, tests)]
    wrong = sum(any(one.verdict == "counts" for one in judge_together(family, 20_000)) for family in families)
    assert wrong <= stats.binom.ppf(0.9995, len(families), 0.05)
    _, planted = drawn(20, 60, 4.0, 6)
    verdicts = Counter(judge_together([one], 99)[0].verdict for one in planted)
    assert verdicts["counts"] > 0.9 * DRAWS, verdicts


def test_a_permutation_p_is_exact_in_a_case_that_can_be_counted():
    """Two of four values: of the six labellings, two differ by as much as the best one."""
    found = permutation_p(np.array([9.0, 8.0, 1.0, 2.0]), 2, 20_000, np.random.default_rng(0))
    assert found == pytest.approx(2 / 6, abs=0.01)
