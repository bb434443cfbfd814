"""Kernel SHAP, Shapley sampling and feature ablation against exact answers, slow loops and Captum."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, KernelShap, ShapleyValueSampling
from torch import Tensor

import backend
import models
from backend.attribution.methods import kernel_shap
from tests.backend.attribution.methods import own_loops
from tests.backend.attribution.methods.linear import linear, segment_sums
from tests.backend.attribution.methods.own_loops import NETWORKS, near
from tests.tiny import build, picture


def by_permutations(model: models.Model, x: Tensor, labels: np.ndarray, target: int) -> np.ndarray:
    """Mean marginal contribution over all orders, each coalition scored on its own."""
    count, black, known = labels.max() + 1, model.input.baseline(x), {}
    for row in product([False, True], repeat=count):
        keep = torch.from_numpy(np.array(row)[labels])
        with torch.no_grad():
            known[row] = float(model.select(model.module(torch.where(keep, x, black)), target))
    shares, orders = np.zeros(count), list(permutations(range(count)))
    for order in orders:
        row = [False] * count
        for i in order:
            before = known[tuple(row)]
            row[i] = True
            shares[i] += (known[tuple(row)] - before) / len(orders)
    return shares


@pytest.mark.parametrize("name", ["batch_normed", "mobile", "single_logit"])
def test_shapley_values_of_few_segments_are_exact(name):
    model, x = build(name), picture()
    result = backend.explain(model, x, "kernel_shap", target=1, segments=6, segmentation="tiles")
    labels = result.arrays["segments"].astype(int)
    truth = by_permutations(model, x, labels, 1)
    np.testing.assert_allclose(result.arrays["coefficients"], truth, atol=1e-3 * np.abs(truth).max())
    assert result.extras["exact"]
    assert result.forwards == 2 ** (labels.max() + 1)
    assert result.extras["score"] - result.extras["baseline_score"] == pytest.approx(truth.sum(), rel=1e-3)


def test_sampled_shapley_values_approach_the_exact_ones(monkeypatch):
    model, x = build("batch_normed"), picture()
    exact = backend.explain(model, x, "kernel_shap", target=1, segments=8, segmentation="tiles")
    monkeypatch.setattr(kernel_shap, "EXACT", 1)
    errors = []
    for n in (100, 6400):
        sampled = backend.explain(
            model, x, "kernel_shap", target=1, segments=8, segmentation="tiles", n_samples=n
        )
        assert not sampled.extras["exact"]
        shares = sampled.arrays["coefficients"].astype(float)
        assert shares.sum() == pytest.approx(
            sampled.extras["score"] - sampled.extras["baseline_score"], rel=1e-4
        )
        errors.append(
            np.abs(shares - exact.arrays["coefficients"]).max() / np.abs(exact.arrays["coefficients"]).max()
        )
    assert errors[1] < 0.08
    assert errors[1] < errors[0] / 3


def test_sampled_shapley_values_of_a_linear_model_are_exact():
    model, x = linear(), picture()
    result = backend.explain(model, x, "kernel_shap", target=2, segments=25, n_samples=200)
    truth = segment_sums(model, x, result.arrays["segments"].astype(int), 2)
    np.testing.assert_allclose(result.arrays["coefficients"], truth, atol=1e-4 * np.abs(truth).max())


def test_coalitions_follow_the_shapley_kernel():
    on = kernel_shap.coalitions(20_002, 9, seed=0)
    sizes = np.bincount(on[2:].sum(1), minlength=10)[1:9] / (len(on) - 2)
    expected = 1 / (np.arange(1, 9) * (9 - np.arange(1, 9)))
    np.testing.assert_allclose(sizes, expected / expected.sum(), atol=0.01)
    np.testing.assert_allclose(on[2:].mean(0), 0.5)
    assert on[0].all()
    assert not on[1].any()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("segmentation", ["slic", "tiles"])
def test_feature_ablation_is_its_loop_and_captums(name, segmentation):
    model, x = build(name), picture()
    ours = backend.explain(model, x, "feature_ablation", target=1, segments=20, segmentation=segmentation)
    labels = ours.arrays["segments"].astype(int)
    near(ours.values, own_loops.feature_ablation(model, x, labels, 1)[labels])
    theirs = FeatureAblation(lambda images: model.select(model.module(images), 1)).attribute(
        x, baselines=model.input.baseline(x), feature_mask=torch.from_numpy(labels)[None, None]
    )
    near(ours.values, theirs[0, 0].detach().numpy(), 2e-4)
    assert ours.forwards == 2 + labels.max()


@pytest.mark.parametrize("name", NETWORKS)
def test_shapley_sampling_is_its_loop_and_captums(name):
    """The same seed draws the same orders."""
    model, x = build(name), picture()
    ours = backend.explain(model, x, "shapley_sampling", target=1, segments=12, n_orders=6, seed=5)
    labels = ours.arrays["segments"].astype(int)
    count = int(labels.max()) + 1
    torch.manual_seed(5)
    orders = [torch.randperm(count).tolist() for _ in range(6)]
    added = own_loops.shapley_sampling(model, x, labels, 1, orders)
    near(ours.arrays["coefficients"], added.mean(0))
    near(ours.arrays["errors"], added.std(0, ddof=1) / 6**0.5, of=np.abs(ours.values).max())
    torch.manual_seed(5)
    theirs = ShapleyValueSampling(lambda images: model.select(model.module(images), 1)).attribute(
        x, baselines=model.input.baseline(x), feature_mask=torch.from_numpy(labels)[None, None], n_samples=6
    )
    near(ours.values, theirs[0, 0].detach().numpy(), 2e-4)
    assert ours.forwards == 1 + 6 * count


@pytest.mark.parametrize("name", NETWORKS)
def test_kernel_shap_is_its_loop(name):
    model, x = build(name), picture()
    ours = backend.explain(model, x, "kernel_shap", target=1, segments=20, n_samples=200, seed=4)
    labels = ours.arrays["segments"].astype(int)
    on = kernel_shap.coalitions(200, labels.max() + 1, 4)
    scores = own_loops.segment_scores(model, x, on, labels, 1)
    near(ours.arrays["coefficients"], own_loops.kernel_shap(on, scores))


def test_kernel_shap_is_captums():
    """Which draws single coalitions: equal within its sampling error."""
    model, x = build("batch_normed"), picture()
    ours = backend.explain(model, x, "kernel_shap", target=1, segments=8, segmentation="tiles")
    labels = ours.arrays["segments"].astype(int)
    torch.manual_seed(0)
    theirs = KernelShap(lambda images: model.select(model.module(images), 1)).attribute(
        x,
        baselines=model.input.baseline(x),
        feature_mask=torch.from_numpy(labels)[None, None],
        n_samples=4000,
        perturbations_per_eval=100,
    )
    near(ours.values, theirs[0, 0].detach().numpy(), 0.15)


@pytest.mark.parametrize("method", ["feature_ablation", "shapley_sampling"])
def test_segments_of_a_linear_model_get_what_lies_in_them(method):
    model, x = linear(), picture()
    result = backend.explain(model, x, method, target=2, segments=25)
    truth = segment_sums(model, x, result.arrays["segments"].astype(int), 2)
    near(result.arrays["coefficients"], truth, 1e-4)
    if method == "shapley_sampling":
        assert result.extras["uncertainty"] < 1e-4


def test_sampled_orders_add_up_and_approach_the_shapley_values():
    model, x = build("batch_normed"), picture()
    exact = backend.explain(model, x, "kernel_shap", target=1, segments=8, segmentation="tiles")
    truth = exact.arrays["coefficients"]
    distances = []
    for n in (4, 400):
        sampled = backend.explain(
            model, x, "shapley_sampling", target=1, segments=8, segmentation="tiles", n_orders=n
        )
        shares = sampled.arrays["coefficients"].astype(float)
        difference = exact.extras["score"] - exact.extras["baseline_score"]
        assert shares.sum() == pytest.approx(difference, rel=1e-4)
        assert sampled.extras["score"] - sampled.extras["baseline_score"] == pytest.approx(
            difference, rel=1e-4
        )
        distances.append(np.sqrt(np.mean((shares - truth) ** 2)) / np.std(truth))
    assert distances[1] < min(0.1, distances[0] / 3)
    assert distances[1] == pytest.approx(sampled.extras["uncertainty"], rel=0.6)
