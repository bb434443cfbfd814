"""LIME against exact answers, its own definition, and the lime package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from backend.attribution.perturbation.segments import tiles
from backend.attribution.perturbation.surrogate import draw, fit_surrogate, proximity, ridge
from tests.backend.attribution.methods.linear import INPUT, linear, segment_sums
from tests.tiny import build, picture


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
