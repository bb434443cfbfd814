"""Chance has to look like chance, and a planted concept has to beat it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

import backend
from app.core.errors import InvalidInput
from backend.attribution.concepts import significance, vectors
from backend.attribution.concepts.attribution import attribution_field, concept_maps, concept_scores
from backend.attribution.concepts.curves import concept_curves, control_curves
from backend.attribution.concepts.significance import (
    benjamini_hochberg,
    empirical_p,
    pseudo_concepts,
    tcav_share,
    tcav_test,
)
from backend.attribution.concepts.vectors import Activations, median_element
from tests import tiny

LAYER = "4"


def pictures(seed, n):
    return torch.cat([tiny.picture(seed * 1000 + i) for i in range(n)])


def lined(seed, n):
    x = pictures(seed, n)
    x[:, :, :, ::4] += 3.0
    return x


@pytest.fixture(scope="module")
def model():
    return tiny.build("plain")


@pytest.fixture(scope="module")
def minus(model):
    return Activations(model, LAYER, pictures(1, 60))


def test_pseudo_concepts_equal_concepts_made_one_by_one(model, minus):
    """Examples and counter-examples are drawn with replacement, as many as the concept and the pool have."""
    found = pseudo_concepts(minus, size=12, count=4, seed=3)
    generator = np.random.default_rng(3)
    chosen, others = generator.integers(60, size=(4, 12)), generator.integers(60, size=(4, 60))
    everything = pictures(1, 60)
    for p in range(4):
        single = backend.concept_vector(model, LAYER, everything[chosen[p]], everything[others[p]])
        assert torch.allclose(found.directions[p], single.direction, atol=1e-5)
        assert found.emblems[p].tolist() == pytest.approx(single.emblems, abs=1e-5)
    field = attribution_field(model, tiny.picture(5), LAYER)
    one = backend.concept_attribution(model, tiny.picture(5), LAYER, [single])
    assert torch.allclose(found.scores(field)[3], one.scores[0], atol=1e-5)


def test_scores_in_blocks_are_the_scores(model, minus, monkeypatch):
    field = attribution_field(model, tiny.picture(5), LAYER, [0, 2])
    chance = pseudo_concepts(minus, size=12, count=23)
    whole = chance.scores(field)
    monkeypatch.setattr(significance, "SCORE_BYTES", 1)
    monkeypatch.setattr(vectors, "BLOCK_BYTES", 1)
    assert torch.allclose(chance.scores(field), whole)
    assert torch.allclose(pseudo_concepts(minus, size=12, count=23).emblems, chance.emblems, atol=1e-6)


def test_a_planted_concept_is_longer_than_chance_and_a_random_one_is_not(model, minus):
    chance = pseudo_concepts(minus, size=20, count=50)
    planted = backend.concept_vector(model, LAYER, lined(2, 20), pictures(1, 60))
    random = backend.concept_vector(model, LAYER, pictures(9, 20), pictures(1, 60))
    assert empirical_p(planted.length, chance.lengths) == pytest.approx(1 / 51)
    assert empirical_p(random.length, chance.lengths) > 0.05


def test_empirical_p_values_of_chance_are_uniform():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(400, 51))
    p = [empirical_p(row[0], row[1:]) for row in draws]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert min(p) >= 1 / 51


def test_benjamini_hochberg_is_the_textbook_step_up():
    p = np.array([[0.01, 0.04], [0.03, np.nan]])
    # sorted 0.01, 0.03, 0.04 over m = 3: 0.03, 0.045, 0.04 -> step-up minimum from the right
    assert benjamini_hochberg(p)[0].tolist() == pytest.approx([0.03, 0.04])
    assert benjamini_hochberg(p)[1, 0] == pytest.approx(0.04)
    assert np.isnan(benjamini_hochberg(p)[1, 1])


def test_tcav_share_counts_positive_derivatives(model, minus):
    slopes = torch.stack([attribution_field(model, tiny.picture(s), LAYER, [1]).slopes[0] for s in range(6)])
    v = minus.pooled.mean(0) - 0.5
    expected = sum(float(slopes[i] @ v) > 0 for i in range(6)) / 6
    assert float(tcav_share(slopes, v[None])[0]) == pytest.approx(expected)
    # Along the mean slope itself the derivative of (almost) every input is positive; along its opposite it is
    # not.
    centre = slopes.mean(0)
    assert float(tcav_share(slopes, centre[None])[0]) > float(tcav_share(slopes, -centre[None])[0])


def test_tcav_test_finds_a_direction_that_the_class_follows(model, minus):
    slopes = torch.stack([attribution_field(model, tiny.picture(s), LAYER, [1]).slopes[0] for s in range(8)])
    chance = pseudo_concepts(minus, size=20, count=30)
    plus = Activations(model, LAYER, lined(2, 20))
    shifted = Activations(model, LAYER, lined(2, 20))
    shifted.pooled = minus.pooled.mean(0) + 5 * slopes.mean(0).expand(20, -1)
    found = tcav_test(slopes, shifted, minus, chance)
    assert found.score == 1.0
    assert found.p == pytest.approx(1 / 2000)
    assert found.low == found.high == 1.0
    assert 0 <= tcav_test(slopes, plus, minus, chance).p <= 1


def test_erasing_removes_exactly_the_component_and_insertion_ends_at_the_network_itself(model, minus):
    x = lined(4, 1)
    vector = backend.concept_vector(model, LAYER, lined(2, 20), pictures(1, 60))
    curves = concept_curves(model, x, LAYER, vector, 1)
    controls = control_curves(model, x, LAYER, pseudo_concepts(minus, 20, 5), 1)
    own = float(model.predict(x)[0, 1])
    assert float(curves.erasing[0]) == pytest.approx(own, abs=1e-6)
    assert float(curves.insertion[-1]) == pytest.approx(own, abs=1e-6)
    assert controls.shape == (5, len(curves.share))
    assert controls[:, 0].tolist() == pytest.approx([own] * 5, abs=1e-6)
    from backend.attribution.network.head import suffix

    features = suffix(model, LAYER).features(x)
    raw, maps = concept_maps(features[0], vector.direction[None], torch.tensor([vector.emblems]))
    v = vector.direction
    erased = features.clone()
    for i in range(raw.shape[1]):
        for j in range(raw.shape[2]):
            erased[0, :, i, j] -= maps[0, i, j] * raw[0, i, j] * v / (v @ v)
    expected = torch.softmax(suffix(model, LAYER).head(x)(erased), 1)[0, 1]
    assert float(curves.erasing[-1]) == pytest.approx(float(expected), abs=1e-5)


def test_evidence_against_is_the_negative_part_under_the_same_scale(model):
    field = attribution_field(model, tiny.picture(3), LAYER, [0])
    vector = backend.concept_vector(model, LAYER, lined(2, 20), pictures(1, 60))
    directions, emblems = vector.direction[None], torch.tensor([[1e-3, 0.0]])
    _, maps = concept_maps(field.features, directions, emblems)
    whole = torch.ones_like(maps)
    assert float(field.values[0].sum()) == pytest.approx(float(field.shares[0]), abs=1e-5)
    up, down = (
        concept_scores(field, directions, whole),
        concept_scores(field, directions, whole, against=True),
    )
    assert up[0, 0] >= 0
    assert down[0, 0] >= 0
    assert torch.equal(
        (field.values > 0) & (field.against > 0), torch.zeros_like(field.values, dtype=torch.bool)
    )


def test_too_small_a_pool_is_refused(model):
    with pytest.raises(InvalidInput, match="counter-examples"):
        pseudo_concepts(Activations(model, LAYER, pictures(1, 8)), 5)


def test_the_median_of_a_column_is_taken_per_column():
    values = torch.tensor([[3.0, 1.0], [1.0, 5.0], [2.0, 9.0]])
    assert median_element(values).tolist() == [2.0, 5.0]
