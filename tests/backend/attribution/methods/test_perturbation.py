"""Perturbation methods against exact answers, slow second implementations, Captum and lime."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, KernelShap, Occlusion, ShapleyValueSampling
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from backend.attribution.methods import kernel_shap, rise
from backend.attribution.methods.occlusion import OcclusionParams, bands
from backend.attribution.perturbation.segments import tiles
from backend.attribution.perturbation.surrogate import draw, fit_surrogate, proximity, ridge
from tests.backend.attribution.methods import own_loops
from tests.tiny import build, picture

INPUT = models.ImageInput(size=(32, 32))


def linear() -> models.Model:
    """Linear in the input, hence in any segments."""
    torch.manual_seed(3)
    return models.wrap(nn.Sequential(nn.Flatten(), nn.Linear(3072, 3)), labels=["a", "b", "c"], input=INPUT)


def segment_sums(model: models.Model, x: Tensor, labels: np.ndarray, target: int) -> np.ndarray:
    weights = model.module[1].weight[target].view(3, 32, 32).detach()
    difference = ((x - model.input.baseline(x))[0] * weights).sum(0).double().numpy()
    return np.bincount(labels.ravel(), weights=difference.ravel())


# -- LIME -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segmentation", ["slic", "tiles"])
@pytest.mark.parametrize("antithetic", [True, False])
def test_lime_recovers_a_model_linear_in_segments(segmentation, antithetic):
    model, x = linear(), picture()
    result = backend.explain(
        model,
        x,
        "lime",
        target=1,
        n_samples=4000,
        segments=16,
        segmentation=segmentation,
        antithetic=antithetic,
        kernel_width=5.0,
    )
    labels = result.arrays["segments"]
    truth = segment_sums(model, x, labels, 1)
    found = result.arrays["coefficients"]
    np.testing.assert_allclose(found, truth, atol=1e-4 * np.abs(truth).max())
    np.testing.assert_array_equal(result.values, found[labels])
    assert result.extras["r2"] > 0.999
    assert result.extras["intercept"] == pytest.approx(
        float(model.module(model.input.baseline(x))[0, 1]), abs=0.02 * np.abs(truth).sum()
    )


def test_surrogate_without_penalty_is_exact():
    generator = np.random.default_rng(0)
    on, truth = draw(300, 12, seed=1, antithetic=True), generator.normal(size=12)
    fit = ridge(on, on @ truth + 0.7, proximity(on, 0.25), alpha=0.0)
    np.testing.assert_allclose(fit.coefficients, truth, atol=1e-10)
    assert fit.intercept == pytest.approx(0.7)
    assert fit.r2 == pytest.approx(1)
    assert fit.errors.max() < 1e-10


def test_surrogate_is_that_of_the_lime_package():
    from lime.lime_base import LimeBase
    from sklearn.metrics import pairwise_distances

    generator = np.random.default_rng(0)
    on = draw(400, 20, seed=2, antithetic=False)
    scores = np.tanh(on @ generator.normal(size=20)) + on[:, 3] * on[:, 4]
    width = 0.25
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / width**2)), random_state=0)
    data = on.astype(float)
    distances = pairwise_distances(data, data[0].reshape(1, -1), metric="cosine").ravel()
    intercept, pairs, r2, _ = base.explain_instance_with_data(
        data, scores[:, None], distances, 0, num_features=20, feature_selection="none"
    )
    theirs = np.zeros(20)
    for index, value in pairs:
        theirs[index] = value
    fit = ridge(on, scores, proximity(on, width))
    np.testing.assert_allclose(fit.coefficients, theirs, atol=1e-8)
    assert fit.intercept == pytest.approx(intercept)
    assert fit.r2 == pytest.approx(r2)


@pytest.mark.parametrize("name", ["plain", "residual"])
def test_lime_agrees_with_the_lime_package_end_to_end(name):
    from lime.lime_image import LimeImageExplainer

    model = build(name)
    x = picture().sigmoid()  # 0..1, black is 0 here
    ours = backend.explain(model, x, "lime", target=1, n_samples=3000, segments=25, kernel_width=0.25)
    labels = ours.arrays["segments"].astype(int)

    def classify(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model.module(torch.from_numpy(images).permute(0, 3, 1, 2).float()).double().numpy()

    explanation = LimeImageExplainer(kernel_width=0.25, random_state=0).explain_instance(
        x[0].permute(1, 2, 0).double().numpy(),
        classify,
        labels=(1,),
        hide_color=0,
        top_labels=None,
        num_samples=3000,
        batch_size=100,
        segmentation_fn=lambda image: labels,
    )
    theirs = np.zeros(labels.max() + 1)
    for index, value in explanation.local_exp[1]:
        theirs[index] = value
    assert np.corrcoef(ours.arrays["coefficients"], theirs)[0, 1] > 0.95
    assert np.abs(ours.arrays["coefficients"] - theirs).max() < 0.2 * np.abs(theirs).max()


def test_lime_answers_from_what_it_stores():
    """Coefficients refitted from the stored samples and scores; the scores are the network's."""
    model, x = build("dense"), picture()
    result = backend.explain(model, x, "lime", target=2, n_samples=120, segments=9)
    on, labels = result.arrays["samples"], result.arrays["segments"]
    black = model.input.baseline(x)
    with torch.no_grad():
        scores = [
            float(model.module(torch.where(torch.from_numpy(row[labels]), x, black))[0, 2]) for row in on
        ]
    np.testing.assert_allclose(result.arrays["scores"], scores, atol=1e-5)
    again = fit_surrogate(on, np.array(scores), 0.25, pairs=True)
    np.testing.assert_allclose(result.arrays["coefficients"], again.coefficients, rtol=1e-2, atol=1e-5)
    assert on[0].all()
    assert not on[1].any()


def test_paired_samples_are_opposites_and_prefixes():
    on = draw(101, 30, seed=4, antithetic=True)
    np.testing.assert_array_equal(on[2:100:2], ~on[3:100:2])
    np.testing.assert_array_equal(draw(40, 30, seed=4, antithetic=True), on[:40])
    assert abs(draw(4000, 30, seed=0, antithetic=False).mean() - 0.5) < 0.01


def test_pairs_cancel_interactions():
    """A score with strong even interactions: the same number of samples, less error in the coefficients."""
    generator = np.random.default_rng(5)
    truth, interaction = generator.normal(size=20), generator.normal(size=(20, 20))
    signs = lambda on: on * 2.0 - 1  # noqa: E731

    def errors(antithetic: bool) -> float:
        found = []
        for seed in range(20):
            on = draw(400, 20, seed=seed, antithetic=antithetic)
            scores = signs(on) @ truth / 2 + np.einsum(
                "ni,ij,nj->n", signs(on), np.triu(interaction, 1), signs(on)
            )
            found.append(ridge(on, scores, np.ones(400), alpha=0).coefficients - truth)
        return float(np.sqrt(np.mean(np.square(found))))

    assert errors(antithetic=True) < 0.1 * errors(antithetic=False)


def test_standard_errors_are_right():
    """Against the spread of the coefficients over 200 independent draws."""
    generator = np.random.default_rng(6)
    truth, interaction = generator.normal(size=8), generator.normal(size=(8, 8, 8))

    def fit(seed: int, antithetic: bool):
        on = draw(300, 8, seed=seed, antithetic=antithetic)
        signs = on * 2.0 - 1
        scores = on @ truth + np.einsum("ni,nj,nk,ijk->n", signs, signs, signs, interaction) / 4
        return fit_surrogate(on, scores, 0.25, antithetic)

    for antithetic in (True, False):
        fits = [fit(seed, antithetic) for seed in range(200)]
        spread = np.std([fit.coefficients for fit in fits], axis=0)
        np.testing.assert_allclose(np.mean([fit.errors for fit in fits], axis=0), spread, rtol=0.25)


def test_lime_stops_when_it_is_sure():
    model, x = build("residual"), picture()
    seen = []
    sure = backend.explain(
        model,
        x,
        "lime",
        target=1,
        n_samples=3000,
        segments=16,
        tolerance=0.1,
        report=lambda d, t, partial=None: seen.append((d, t)),
    )
    assert sure.extras["samples"] < 1500
    assert sure.forwards == sure.extras["samples"]
    assert sure.extras["uncertainty"] <= 0.1
    assert seen[-1] == (3000, 3000)
    full = backend.explain(model, x, "lime", target=1, n_samples=3000, segments=16)
    assert full.extras["samples"] == 3000
    assert np.corrcoef(full.values.ravel(), sure.values.ravel())[0, 1] > 0.97


def test_lime_says_when_the_line_does_not_fit():
    class Parity(nn.Module):
        """A product of signs over the four quarters: no linear part."""

        def forward(self, x: Tensor) -> Tensor:
            quarters = F.adaptive_avg_pool2d(x.mean(1, keepdim=True), 2).flatten(1)
            score = (quarters - 0.5).sign().prod(1, keepdim=True)
            return torch.cat([score, -score], 1)

    model = models.wrap(Parity(), labels=["a", "b"], input=INPUT)
    result = backend.explain(
        model,
        torch.ones(1, 3, 32, 32),
        "lime",
        target=0,
        segments=4,
        segmentation="tiles",
        n_samples=400,
        kernel_width=5.0,
    )
    assert result.extras["r2"] < 0.1
    assert any("explains only" in note for note in result.notes)


def test_sound_is_cut_into_tiles_and_silenced():
    model = models.load("cnnexplain_synthetic")
    from backend.attribution.methods import METHODS

    assert METHODS["lime"].defaults(model) == {"baseline": "silence", "segmentation": "tiles", "segments": 64}
    assert METHODS["integrated_gradients"].defaults(model) == {"baseline": "silence"}
    x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(0))
    result = backend.explain(model, x, "lime", target=1, n_samples=64)
    np.testing.assert_array_equal(result.arrays["segments"], tiles(64, 128, 8, 8))
    assert result.native == (8, 8)
    silent = float(model.select(model.module(torch.zeros_like(x)), 1))
    assert result.arrays["scores"][1] == pytest.approx(silent, abs=1e-4)


# -- Kernel SHAP ----------------------------------------------------------------------------------------------------------------------


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


# -- Captum in segment space ----------------------------------------------------------------------------------------------------------


def near(actual: np.ndarray, expected: np.ndarray, share: float = 1e-5, of: float | None = None) -> None:
    """Within a share of the largest value (or `of`) and the rounding of scores, which are below 1 here."""
    largest = np.abs(expected).max() if of is None else of
    np.testing.assert_allclose(actual, expected, rtol=0, atol=share * largest + np.finfo(np.float32).eps)


NETWORKS = ("plain", "residual", "mobile", "single_logit")


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


# -- occlusion and RISE ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "stride"), [(8, 4), (5, 3), (7, 7), (32, 32), (3, 1)])
def test_occlusion_is_captums(window, stride):
    """Sides that fit the grid and sides that do not."""
    model, x = build("residual"), picture()
    black = model.input.baseline(x)
    ours = backend.explain(model, x, "occlusion", target=1, window=window / 32, stride=stride / 32)
    theirs = Occlusion(model.module).attribute(
        x, sliding_window_shapes=(3, window, window), strides=(3, stride, stride), baselines=black, target=1
    )
    theirs = theirs[0, 0].detach().numpy()
    np.testing.assert_allclose(ours.values, theirs, atol=1e-4 * np.abs(theirs).max())
    assert ours.forwards == 1 + ours.native[0] * ours.native[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_occlusion_is_its_loop(name):
    model, x = build(name), picture()
    ours = backend.explain(model, x, "occlusion", target=1, window=7 / 32, stride=3 / 32)
    near(ours.values, own_loops.occlusion(model, x, 7, 3, 1))


def test_occlusion_windows_cover_every_cell():
    for size in ((32, 32), (64, 128), (7, 50), (224, 224)):
        down, across = (bands(side, OcclusionParams()) for side in size)
        assert down.sum(0).min() >= 1
        assert across.sum(0).min() >= 1
        assert (down.shape[1], across.shape[1]) == size


def test_occlusion_of_a_linear_model():
    """Each window takes away exactly what lies in it."""
    model, x = linear(), picture()
    result = backend.explain(model, x, "occlusion", target=0, window=0.25, stride=0.25)
    truth = segment_sums(model, x, tiles(32, 32, 4, 4), 0)
    np.testing.assert_allclose(result.values, truth[tiles(32, 32, 4, 4)], atol=1e-4)


def test_rise_is_the_weighted_mean_of_its_masks():
    """A loop over single masks with the definition."""
    model, x = build("plain"), picture()
    settings = rise.RiseParams(n_samples=60, cells=4, visible=0.4)
    result = backend.explain(model, x, "rise", target=1, seed=9, n_samples=60, cells=4, visible=0.4)
    masks = rise.soft_masks(60, settings, (32, 32), torch.Generator().manual_seed(9))
    black = model.input.baseline(x)
    with torch.no_grad():
        scores = torch.tensor(
            [float(model.module(black + m * (x - black))[0, 1]) for m in masks], dtype=torch.float64
        )
    expected = torch.einsum("n,nhw->hw", scores - scores.mean(), masks.double() - 0.4) / (60 * 0.4)
    np.testing.assert_allclose(result.values, expected.numpy(), atol=1e-3 * float(expected.abs().max()))


def test_masks_of_rise_have_the_mean_they_claim():
    settings = rise.RiseParams(visible=0.3)
    masks = rise.soft_masks(600, settings, (40, 56), torch.Generator().manual_seed(0))
    assert masks.shape == (600, 40, 56)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.09)


def test_rise_finds_the_only_place_that_counts():
    class Corner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = 50 + x[:, :, :8, :8].mean((1, 2, 3))
            return torch.stack([score, -score], 1)

    model = models.wrap(Corner(), labels=["a", "b"], input=INPUT)
    result = backend.explain(model, torch.ones(1, 3, 32, 32), "rise", target=0, n_samples=1500)
    inside = result.values[:8, :8].mean()
    assert inside > 8 * np.abs(result.values[16:, 16:]).mean()
    against = backend.explain(model, torch.ones(1, 3, 32, 32), "rise", target=1, n_samples=1500)
    np.testing.assert_allclose(against.values, -result.values, atol=1e-5)
