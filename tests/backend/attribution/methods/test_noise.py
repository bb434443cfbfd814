"""SmoothGrad-Squared, VarGrad and GradientSHAP: limit cases, slow second implementations, Captum in one call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, NoiseTunnel, Saliency
from torch import Tensor, nn

import backend
import models
from backend.attribution.methods.smooth_grad import Moments
from tests.backend.attribution.methods.test_gradients import NAMES, close, gradient, target_of
from tests.tiny import build, picture


def noisy_gradients(model: models.Model, x: Tensor, n: int, noise: float, seed: int) -> Tensor:
    """`[n, C, H, W]`: one gradient at a time, at the copies that the seed draws."""
    generator, sigma = torch.Generator().manual_seed(seed), noise * float(x.max() - x.min())
    copies = (x + sigma * torch.randn(x.shape[1:], generator=generator) for _ in range(n))
    return torch.cat([gradient(model, copy, 1) for copy in copies]).double()


def linear() -> models.Model:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2))
    return models.wrap(module, labels=["a", "b"], input=models.ImageInput(size=(32, 32)))


@pytest.mark.parametrize("name", NAMES)
def test_without_noise_the_square_is_the_gradients_and_the_variance_zero(name):
    model, x, target = build(name), picture(), target_of(name)
    square = backend.explain(model, x, "smooth_grad_sq", target=target, n_samples=20, noise=0.0).values
    close(square, (gradient(model, x, target)[0] ** 2).sum(0))
    variance = backend.explain(model, x, "var_grad", target=target, n_samples=20, noise=0.0).values
    assert variance.max() <= 1e-10 * square.max()


def test_square_and_variance_are_those_of_single_copies(monkeypatch):
    """In several rounds and in one."""
    model, x = build("residual"), picture()
    copies = noisy_gradients(model, x, 30, 0.2, seed=5)
    for most in (32, 8):
        monkeypatch.setattr("backend.attribution.network.passes.MOST", {"cpu": most, "cuda": most})
        model = build("residual")
        asked = {"target": 1, "n_samples": 30, "noise": 0.2, "seed": 5}
        close(backend.explain(model, x, "smooth_grad_sq", **asked).values, (copies**2).mean(0).sum(0), 1e-4)
        close(backend.explain(model, x, "var_grad", **asked).values, copies.var(0).sum(0), 1e-4)


def test_square_is_the_squared_mean_and_the_variance():
    model, x = build("dense"), picture()
    asked = {"target": 1, "n_samples": 40, "noise": 0.2, "seed": 2}
    mean = noisy_gradients(model, x, 40, 0.2, seed=2).mean(0)
    variance = torch.from_numpy(np.array(backend.explain(model, x, "var_grad", **asked).values))
    square = backend.explain(model, x, "smooth_grad_sq", **asked).values
    close(square, (mean**2).sum(0) + variance * 39 / 40, 1e-4)


@pytest.mark.parametrize(("method", "kind"), [("smooth_grad_sq", "smoothgrad_sq"), ("var_grad", "vargrad")])
def test_agrees_with_captum_in_one_call(method, kind):
    model, x = build("plain"), picture()
    ours = backend.explain(model, x, method, target=1, n_samples=64, noise=0.2, seed=4).values
    torch.manual_seed(4)
    theirs = NoiseTunnel(Saliency(model.module)).attribute(
        x.clone(),
        nt_type=kind,
        nt_samples=64,
        stdevs=0.2 * float(x.max() - x.min()),
        target=1,
        abs=False,
    )
    unbiased = 64 / 63 if kind == "vargrad" else 1
    close(ours, unbiased * theirs[0].sum(0).detach(), 1e-3)


def test_gradient_of_a_linear_network_does_not_vary():
    result = backend.explain(linear(), picture(), "var_grad", target=1, n_samples=20)
    assert result.values.max() == 0
    assert any("flat" in note for note in result.notes)


def test_variance_beside_a_large_mean_is_not_lost_in_rounding():
    """float32 squares of numbers near 1000 are 1e-1 apart."""
    generator = torch.Generator().manual_seed(0)
    samples = 1000 + 1e-2 * torch.randn(64, 5, generator=generator)
    moments = Moments()
    for part in samples.split(10):
        moments.add(part)
    torch.testing.assert_close(moments.variance, samples.double().var(0))
    torch.testing.assert_close(moments.mean, samples.double().mean(0))
    assert moments.n == 64


# -- GradientSHAP ---------------------------------------------------------------------------------------------------------------------


def baselines_of(model: models.Model, x: Tensor) -> list[Tensor]:
    return [model.input.baseline(x, kind) for kind in model.input.baselines]


def test_gradient_shap_of_a_linear_network_shares_out_the_mean_difference():
    """Whatever the point, the gradient is the weights; only the drawing of baselines is left to chance."""
    model, x = linear(), picture()
    weights = model.module[1].weight[1].view(3, 32, 32)
    parts = torch.stack([((x - b)[0] * weights).sum(0) for b in baselines_of(model, x)])
    result = backend.explain(model, x, "gradient_shap", target=1, n_samples=900)
    error = (parts.var(0, correction=0) / 900).sqrt().detach().numpy()
    away = np.abs(result.values - parts.mean(0).detach().numpy())
    assert (away <= 4.5 * error + 1e-5).all()
    assert (away > 0.1 * error).mean() > 0.5
    assert result.extras["baseline_score"] == pytest.approx(
        np.mean([float(model.module(b)[0, 1]) for b in baselines_of(model, x)]), abs=1e-4
    )


@pytest.mark.parametrize("name", ["plain", "residual", "mobile"])
def test_gradient_shap_tends_to_the_mean_of_integrated_gradients(name):
    """Its limit. The standard error says how far it may be away."""
    model, x, target = build(name), picture(), target_of(name)
    limit = np.mean(
        [
            backend.explain(
                model, x, "integrated_gradients", target=target, n_steps=100, baseline=kind
            ).values
            for kind in model.input.baselines
        ],
        axis=0,
    )
    result = backend.explain(model, x, "gradient_shap", target=target, n_samples=800)
    away = np.sqrt(np.mean((result.values - limit) ** 2)) / limit.std()
    assert away == pytest.approx(result.extras["uncertainty"], rel=0.35)
    assert result.extras["samples"] == 800
    difference = result.extras["score"] - result.extras["baseline_score"]
    assert result.gap == pytest.approx(
        abs(float(result.values.sum()) - difference) / abs(difference), rel=1e-3
    )


def test_gradient_shap_agrees_with_captum_in_one_call():
    """The distribution is the same: both are as far from the limit as the standard error says."""
    model, x = build("plain"), picture()
    ours = backend.explain(model, x, "gradient_shap", target=1, n_samples=600, noise=0.1).values
    torch.manual_seed(0)
    np.random.seed(0)
    theirs = (
        GradientShap(model.module)
        .attribute(
            x.clone(),
            baselines=torch.cat(baselines_of(model, x)),
            n_samples=600,
            stdevs=0.1 * float(x.max() - x.min()),
            target=1,
        )[0]
        .sum(0)
        .detach()
        .numpy()
    )
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95
    assert np.abs(ours).sum() == pytest.approx(np.abs(theirs).sum(), rel=0.1)


def test_gradient_shap_stops_at_the_error_asked_for(monkeypatch):
    monkeypatch.setattr("backend.attribution.network.passes.MOST", {"cpu": 16, "cuda": 16})
    model, x = build("plain"), picture()
    full = backend.explain(model, x, "gradient_shap", target=1, n_samples=800)
    asked = 2 * full.extras["uncertainty"]
    early = backend.explain(model, x, "gradient_shap", target=1, n_samples=800, tolerance=min(1.0, asked))
    assert early.extras["uncertainty"] <= asked
    assert early.extras["samples"] == pytest.approx(200, rel=0.4)
    assert early.backwards == early.extras["samples"]


@pytest.mark.parametrize(("points", "words"), [(1, "use more points"), (2, "2 samples are few")])
def test_few_points_of_gradient_shap_say_so(points, words):
    result = backend.explain(build("plain"), picture(), "gradient_shap", target=1, n_samples=points, seed=1)
    assert any(words in note for note in result.notes)
