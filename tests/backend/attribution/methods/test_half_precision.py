"""bfloat16 where it agrees, and where the noise of the method is larger than its rounding."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from torch import nn

import backend
import models
from backend.attribution.network import bfloat16
from backend.attribution.network import passes as engine
from backend.attribution.network.passes import AGREEMENT, Passes
from backend.attribution.network.plan import Plan
from backend.attribution.network.trials import NoiseError, noise_error
from tests.tiny import BUILDERS, build, picture


def batch(n: int = 5) -> torch.Tensor:
    return torch.cat([picture(seed) for seed in range(n)])


@pytest.mark.usefixtures("half_precision")
@pytest.mark.skipif(
    not engine.has_bfloat16(torch.device("cpu")), reason="this processor has no bfloat16 arithmetic"
)
@pytest.mark.parametrize("name", list(BUILDERS))
def test_half_precision_is_taken_only_where_it_agrees(name):
    model = build(name)
    for kind in ("forward", "gradient"):
        plan = Passes.of(model).plan(kind)
        assert plan.precision == "float32" or plan.agreement >= AGREEMENT
    run = Passes.of(model).run(1, passes=100)
    x = batch(20)
    with torch.no_grad():
        expected = model.select(model.module(x), 1)
    found = run.scores(x)
    assert (found - expected).abs().max() <= 0.05 * expected.abs().max().clamp(min=1e-6)
    leaf = x.clone().requires_grad_(True)
    gradient = torch.autograd.grad(model.select(model.module(leaf.clone()), 1).sum(), leaf)[0]
    ours, _ = run.gradients(x)
    if gradient.abs().max() > 0:
        assert torch.corrcoef(torch.stack([ours.flatten(), gradient.flatten()]))[0, 1] > AGREEMENT
    assert run.precision in ("float32", "bfloat16", "float32, bfloat16 backward")


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("name", ["plain", "batch_normed", "residual", "mobile", "fire"])
def test_backward_in_half_precision_is_the_gradient(name):
    """Also where the processor only emulates bfloat16. The forward pass is bit-equal."""
    passes = Passes(build(name))
    network = bfloat16.backward_in_bfloat16(passes.folded)
    assert any(isinstance(part, bfloat16.BackwardInBfloat16) for part in network.modules())
    leaf = batch(3).to(memory_format=torch.channels_last).requires_grad_(True)
    expected, found = passes.folded(leaf.clone()), network(leaf.clone())
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    for target in range(expected.shape[1]):
        exact, ours = (
            torch.autograd.grad(out[:, target].sum(), leaf, retain_graph=True)[0] for out in (expected, found)
        )
        assert (ours - exact).abs().max() <= 0.03 * exact.abs().max()


@pytest.mark.usefixtures("half_precision")
def test_rounding_that_changes_the_answer_is_refused(monkeypatch):
    """A network that lives on differences far below bfloat16's 3 digits."""

    class Fine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pooled = self.conv(x).mean((2, 3)) * 1e-3 + 1000
            return torch.stack([pooled[:, 0], pooled[:, 1] - 0.5], 1)

    monkeypatch.setattr(engine, "has_bfloat16", lambda device: True)
    torch.manual_seed(0)
    model = models.wrap(Fine(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    assert Passes.of(model).plan("forward").precision == "float32"


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("name", ["plain", "mobile"])
def test_the_choice_follows_from_processor_and_network_alone(name, monkeypatch):
    """No clock is asked, and neither the number of threads nor what ran before changes it."""

    here = threading.get_ident()

    def forbidden(clock):
        def read():
            assert threading.get_ident() != here, "the choice asked a clock"
            return clock()  # other threads of the test run may: a server lives in one

        return read

    for name_of_clock in ("perf_counter", "process_time", "monotonic", "time", "thread_time"):
        monkeypatch.setattr(time, name_of_clock, forbidden(getattr(time, name_of_clock)))
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: True)
    threads, words = torch.get_num_threads(), set()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        try:
            words.add(tuple(Passes(build(name)).plan(kind).description for kind in ("forward", "gradient")))
        finally:
            torch.set_num_threads(threads)
    assert len(words) == 1
    assert words.pop()[1] == "folded, float32 forward, bfloat16 backward, batch 32"
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: False)
    assert {Passes(build(name)).plan(kind).description for kind in ("forward", "gradient")} == {
        "folded, float32, batch 32"
    }


def test_what_rounding_adds_to_an_average_against_a_simulation():
    """bias and noise of known size: E|mean of n rounded - mean of n exact|^2 over the variance of the mean."""
    torch.manual_seed(0)
    bias, rounding, sampling, cells = 0.02, 0.1, 0.7, 4000
    error = NoiseError(bias**2, rounding**2, sampling**2)
    for copies in (5, 50, 500):
        added = (bias + rounding * torch.randn(copies, cells)).mean(0)
        mean = (sampling * torch.randn(copies, cells)).mean(0)
        assert error.share(copies) == pytest.approx(float((added**2).mean() / mean.var()), rel=0.15)
    assert NoiseError(0.0, 0.0, 0.0).share(5) == float("inf")


@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_the_noise_error_is_found_again(bias):
    """Exact: x^2 / 2, gradient x. Rounded: a gradient with a known offset and a known slope beside it."""

    def plan(slope: float, offset: float) -> Plan:
        def network(x):
            return ((1 + slope) * x**2 / 2 + offset * x).sum((1, 2, 3))[:, None]

        return Plan(network, "float32", "", torch.float32, channels_last=False, batch=4)

    x = torch.zeros(1, 1, 64, 64)
    error = noise_error(plan(0.0, 0.0), plan(0.1, bias), x, noise=0.5, draws=6)
    assert error.sampling == pytest.approx(0.25, rel=0.05)
    assert error.variance == pytest.approx(0.1**2 * 0.25, rel=0.05)
    assert error.bias == pytest.approx(bias**2, abs=0.002)


@pytest.mark.usefixtures("half_precision")
def test_noisy_copies_run_in_half_precision_both_ways_where_their_own_noise_is_larger(monkeypatch):
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: True)
    passes = Passes(models.load("shapes"))
    plan = passes.noisy(0.15, 50)
    error = passes._noise[max(passes._noise)]
    assert error.share(50) <= engine.SHARE
    assert plan.description == "folded, bfloat16 both ways, batch 32"
    run = passes.run(0, 50, noise=0.15)
    assert run.plan("gradient") is plan
    assert passes.run(0, 50).plan("gradient") is passes.plan("gradient") is not plan
    assert passes.run(0, 2, noise=0.15).plan("gradient") == passes.exact
    many = next(n for n in (10**k for k in range(9)) if error.share(n) > engine.SHARE)
    assert passes.noisy(0.15, many) is passes.plan("gradient")


@pytest.mark.usefixtures("half_precision")
def test_noise_that_vanishes_in_the_rounding_hides_nothing(monkeypatch):
    """Without noise of its own a method keeps its exact gradients."""
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: True)
    passes = Passes(models.load("shapes"))
    assert passes.noisy(1e-7, 50) is passes.plan("gradient")
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: False)
    assert Passes(models.load("shapes")).noisy(0.15, 50).precision == "float32"


@pytest.mark.usefixtures("half_precision")
def test_smooth_grad_in_half_precision_is_as_near_to_many_copies_as_in_float32(monkeypatch):
    model = models.load("shapes")
    x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(0))

    def smooth(half: bool, copies: int, seed: int):
        monkeypatch.setattr(engine, "has_bfloat16", lambda device: half)
        fresh = models.load("shapes")
        return backend.explain(fresh, x, "smooth_grad", target=0, n_samples=copies, seed=seed)

    truth = smooth(False, 400, 1).values
    half, full = smooth(True, 16, 2), smooth(False, 16, 2)
    assert half.extras["precision"] == "bfloat16"
    assert "both ways" in half.plan
    errors = [float(((result.values - truth) ** 2).mean()) for result in (half, full)]
    assert errors[0] <= 1.15 * errors[1]


@pytest.mark.usefixtures("half_precision")
def test_depthwise_convolutions_keep_float32_both_ways():
    network = bfloat16.backward_in_bfloat16(Passes(build("mobile")).folded)
    kept = [part for part in network.modules() if type(part) is nn.Conv2d and part.groups > 1]
    assert len(kept) == 1
    grey = bfloat16.backward_in_bfloat16(
        nn.Sequential(nn.Conv2d(1, 4, 3))
    )  # one channel is no depthwise convolution
    assert isinstance(grey[0], bfloat16.BackwardInBfloat16)
