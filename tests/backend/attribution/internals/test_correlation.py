"""How filters hang together: planted twins, rotated copies, and scipy's and scikit-learn's answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from backend.attribution.internals import correlation as how


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def orthogonal(rng, rows, columns):
    """Columns of mean 0 and length 1, exactly uncorrelated."""
    base = np.column_stack([np.ones(rows), rng.normal(size=(rows, columns))])
    return np.linalg.qr(base)[0][:, 1:]


def test_a_twin_is_in_the_same_cluster_whatever_its_sign_and_scale(rng):
    pooled = np.column_stack([orthogonal(rng, 40, 5), np.zeros((40, 2))])
    pooled[:, 5] = -7 * pooled[:, 2] + 3
    matrix = how.correlation(pooled)
    assert matrix[2, 5] == pytest.approx(-1)
    grouped = how.clustering(matrix, range(6))
    assert [2, 5] in [sorted(members) for members in grouped.clusters]
    assert sorted(map(len, grouped.clusters)) == [1, 1, 1, 1, 2]
    assert sorted(grouped.order) == list(range(7))
    assert grouped.order[-1] == 6
    assert how.twins(matrix, range(6)) == {2: (5, pytest.approx(-1)), 5: (2, pytest.approx(-1))}


def test_constant_filters_correlate_with_nothing(rng):
    pooled = rng.normal(size=(30, 4))
    pooled[:, 1] = 0.1 + 0.2  # rounding leaves its deviation a hair above zero
    matrix = how.correlation(pooled)
    assert np.array_equal(matrix[1], [0, 1, 0, 0])
    assert np.isfinite(how.correlation(pooled, "spearman")).all()


def test_pearson_and_spearman_are_numpys_and_scipys(rng):
    pooled = np.exp(rng.normal(size=(50, 4)))
    pooled[:5, 0] = pooled[5:10, 0]  # ties
    assert how.correlation(pooled) == pytest.approx(np.corrcoef(pooled.T))
    assert how.correlation(pooled, "spearman") == pytest.approx(spearmanr(pooled).statistic)
    crossed = how.correlation(pooled[:, :3], other=pooled[:, 3:])
    assert crossed == pytest.approx(np.corrcoef(pooled.T)[:3, 3:])


@pytest.mark.parametrize("k", [1, 2, 7])
def test_effective_dimension_of_independent_filters_is_their_number(rng, k):
    pooled = orthogonal(rng, 60, k)
    matrix = how.correlation(pooled)
    assert how.effective_dimension(matrix, range(k)) == pytest.approx(k)
    copies = how.correlation(np.repeat(pooled[:, :1], 5, axis=1))
    assert how.effective_dimension(copies, range(5)) == pytest.approx(1)
    assert how.redundancy(copies, range(5)) == pytest.approx(1)
    by_eigenvalues = np.linalg.eigvalsh(how.correlation(rng.normal(size=(20, 6)) @ rng.normal(size=(6, 6))))
    assert how.effective_dimension(matrix, []) is None
    assert by_eigenvalues.sum() == pytest.approx(6)


def test_effective_dimension_is_that_of_the_eigenvalues(rng):
    matrix = how.correlation(rng.normal(size=(20, 6)) @ rng.normal(size=(6, 6)))
    values = np.linalg.eigvalsh(matrix)
    assert how.effective_dimension(matrix, range(6)) == pytest.approx(values.sum() ** 2 / (values**2).sum())
    pairs = np.abs(matrix[np.triu_indices(6, 1)])
    assert how.redundancy(matrix, range(6)) == pytest.approx(pairs.mean())
    assert how.redundancy(matrix, [4]) is None


def test_cka_knows_a_layer_rotated_and_scaled(rng):
    layer = rng.normal(size=(50, 8))
    turned = 3.5 * layer @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + rng.normal(size=8)
    assert how.linear_cka(layer, layer) == pytest.approx(1)
    assert how.linear_cka(layer, turned) == pytest.approx(1)
    base = orthogonal(rng, 50, 10)
    assert how.linear_cka(base[:, :5], base[:, 5:]) == pytest.approx(0, abs=1e-12)
    assert how.linear_cka(layer, np.ones((50, 3))) is None
    assert how.cka_matrix([layer, turned]) == [[pytest.approx(1)] * 2] * 2


def test_cka_is_the_definition_by_features(rng):
    left, right = rng.normal(size=(30, 4)), rng.normal(size=(30, 6))
    x, y = left - left.mean(0), right - right.mean(0)
    definition = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert how.linear_cka(left, right) == pytest.approx(definition)


def test_auc_is_scikit_learns(rng):
    pooled, member = np.round(rng.normal(size=(40, 3)), 1), rng.random(40) < 0.3
    expected = [roc_auc_score(member, column) for column in pooled.T]
    assert how.auc(pooled, member) == pytest.approx(expected)
    assert how.auc(pooled, np.ones(40, bool)) is None
    assert how.auc(pooled, np.zeros(40, bool)) is None


def test_kendall_of_a_constant_ranking_cannot_be_said():
    assert how.kendall([1, 2, 3], [2, 4, 9]) == pytest.approx(1)
    assert how.kendall([1, 2, 3], [9, 4, 2]) == pytest.approx(-1)
    assert how.kendall([1, 2, 3], [1, 1, 1]) is None
