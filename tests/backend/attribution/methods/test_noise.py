"""SmoothGrad-Squared, VarGrad and GradientSHAP: limit cases, slow second implementations, Captum in one call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
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
