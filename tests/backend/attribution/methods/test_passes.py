"""The engine of passes gives the module's numbers, whatever it runs them on."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import backend
import models
from backend.attribution.estimate import estimate, profile
from backend.attribution.methods import METHODS
from backend.attribution.network import passes as engine
from backend.attribution.network.passes import Passes
from backend.attribution.network.plan import AS_GIVEN
from backend.attribution.network.run import FIRST, plans_used
from tests.tiny import BUILDERS, build, picture


def batch(n: int = 5) -> torch.Tensor:
    return torch.cat([picture(seed) for seed in range(n)])


@pytest.mark.parametrize("name", list(BUILDERS))
def test_folded_copy_is_the_same_function(name):
    model = build(name)
    run = Passes.of(model).run(1, passes=100)
    assert run.plan("forward").channels_last
    assert run.plan("gradient").network is not model.module
    x = batch()
    with torch.no_grad():
        expected = model.select(model.module(x), 1)
    torch.testing.assert_close(run.scores(x), expected, rtol=1e-3, atol=1e-5)
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model.select(model.module(leaf.clone()), 1).sum(), leaf)
    found, scores = run.gradients(x)
    torch.testing.assert_close(
        found.contiguous(), gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max().clamp(min=1e-9))
    )
    torch.testing.assert_close(scores, expected, rtol=1e-3, atol=1e-5)
    assert run.precision == "float32"
    assert (run.forwards, run.backwards) == (10, 5)


@pytest.mark.parametrize("name", ["batch_normed", "residual", "dense"])
def test_batch_norm_is_folded_where_it_can_be(name):
    folded = Passes.of(build(name)).folded
    before = sum(isinstance(part, nn.BatchNorm2d) for part in build(name).module.modules())
    after = sum(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    assert after < before if name != "dense" else after == before


def test_small_work_runs_on_the_module_as_given():
    model = build("residual")
    run = Passes.of(model).run(0, passes=1)
    assert run.plan("gradient").network is model.module
    assert not Passes.of(model)._plans


def test_plans_are_kept_and_made_anew_when_weights_change():
    model = build("plain")
    kept = Passes.of(model)
    assert Passes.of(model) is kept
    with torch.no_grad():
        model.module[3].weight.data.neg_()
    assert Passes.of(model) is not kept
    again = Passes.of(model)
    model.module.load_state_dict(build("plain", seed=1).module.state_dict())
    assert Passes.of(model) is not again


def test_maps_follow_changed_weights():
    """The randomisation checks change weights in place: nothing may answer from a stale copy."""
    model, x = build("residual"), picture()
    first = backend.explain(model, x, "smooth_grad", target=1).values
    with torch.no_grad():
        model.module.fc.weight.mul_(-1)
    np.testing.assert_allclose(
        backend.explain(model, x, "smooth_grad", target=1).values, -first, atol=1e-3 * np.abs(first).max()
    )


def test_a_copy_that_disagrees_is_not_used(monkeypatch):
    model = build("residual")
    wrong = copy.deepcopy(model.module)
    with torch.no_grad():
        wrong.conv1.weight.mul_(1.1)
    monkeypatch.setattr(Passes, "folded", property(lambda self: wrong))
    passes = Passes(model)
    assert passes.plan("forward").network is model.module
    assert passes.plan("gradient").network is model.module


def test_networks_that_cannot_be_traced_still_run():
    class Branching(nn.Module):
        """Control flow that depends on numbers."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.norm(self.conv(x)).relu()
            return self.head(x.mean((2, 3))) * (2 if x.sum() > -1 else 1)

    torch.manual_seed(0)
    model = models.wrap(Branching(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    run = Passes.of(model).run(0, passes=100)
    torch.testing.assert_close(run.scores(batch()), model.module(batch())[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", list(METHODS))
def test_the_map_names_its_plan_and_its_engine(method):
    settings = {
        name: n
        for name, n in {"n_samples": 40, "n_steps": 12, "n_random": 20}.items()
        if name in METHODS[method].Params.model_fields
    }
    model = build("residual")
    result = backend.explain(model, picture(), method, target=1, **settings)
    words = {kind: Passes.of(model).plan(kind).description for kind in ("forward", "gradient")}
    expected = {
        "lime": words["forward"],
        "rise": words["forward"],
        "kernel_shap": words["forward"],
        "occlusion": words["forward"],
        "feature_ablation": words["forward"],
        "shapley_sampling": words["forward"],
        **dict.fromkeys(("smooth_grad", "smooth_grad_sq", "var_grad", "gradient_shap"), words["gradient"]),
        "integrated_gradients": words["gradient"],
        "deep_lift": "rewritten step by step, float32",
        "lrp": "rewritten step by step, float32",
        "fused": "rewritten step by step, float32",
    }
    assert result.plan == expected.get(method, "as given, float32")
    assert result.engine


def test_batches_respect_memory(monkeypatch):
    model = build("residual")
    whole = Passes(model)._batch("gradient", model.module, torch.float32)
    assert whole == engine.MOST["cpu"]
    kept = Passes(model)._saved_bytes(model.module)
    assert kept > 4 * 32 * 32 * 8
    monkeypatch.setattr(engine, "COPIES", 0)
    monkeypatch.setattr(engine, "LEAST_BYTES", 0)
    monkeypatch.setattr(engine, "WORKER_BYTES", 5 * kept)
    assert Passes(model)._batch("gradient", model.module, torch.float32) == 4
    monkeypatch.setattr(engine, "MAP_BYTES", 4 * 32 * 32 * 8 * 2)
    assert Passes(model)._batch("forward", model.module, torch.float32) == 2
    assert Passes(model)._batch("forward", model.module, torch.bfloat16) == 4
    monkeypatch.setattr(engine, "MAP_BYTES", 1)
    assert Passes(model)._batch("forward", model.module, torch.float32) == 1


def test_input_is_not_overwritten_by_networks_that_work_in_place():
    class Overwrites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x -= 0.5
            return self.head(self.conv(x).relu().mean((2, 3)))

    torch.manual_seed(0)
    model = models.wrap(Overwrites(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    x = picture()
    before = x.clone()
    for method in [key for key in METHODS if METHODS[key].family in ("gradient", "cam", "perturbation")]:
        try:
            backend.explain(model, x, method)
        finally:
            assert torch.equal(x, before), method


def test_estimate_is_passes_times_measured_seconds():
    model = build("plain")
    seconds = profile(model)
    assert set(seconds) == {"forward", "backward"}
    lime, smooth = METHODS["lime"], METHODS["smooth_grad"]
    few, many = (estimate(lime, model, lime.Params(n_samples=n), seconds) for n in (100, 1000))
    assert many == pytest.approx(10 * few)
    assert many == pytest.approx(1000 * seconds["forward"], rel=0.3)
    assert estimate(smooth, model, smooth.Params(n_samples=10), seconds) == pytest.approx(
        10 * sum(seconds.values()), rel=0.3
    )


def test_each_run_is_estimated_by_the_network_it_goes_on_with(monkeypatch):
    """On a clock that knows the networks: eager 2, as given 8, fused 1 a pass; noisy gradients 3, others 6."""
    from backend.attribution import estimate as module

    model = build("plain")
    passes = Passes.of(model)
    kinds = ("forward", "gradient")
    passes._plans = {kind: replace(passes.plan(kind), description=kind) for kind in kinds}
    fused = replace(passes.plan("forward"), description="fused")
    noisy = replace(passes.plan("gradient"), description="noisy")
    monkeypatch.setattr(passes, "fused", lambda planned: fused)
    monkeypatch.setattr(passes, "noisy", lambda noise, copies: noisy)
    known = {"forward": 2.0, "gradient": 6.0, "fused": 1.0, "noisy": 3.0, AS_GIVEN: 8.0}

    def seconds(model, work, batch):
        with plans_used() as used:
            work(torch.zeros(batch, *model.input.shape))
        (plan,) = used
        return known[plan]

    monkeypatch.setattr(module, "_seconds", seconds)
    lime, smooth, gradients = METHODS["lime"], METHODS["smooth_grad"], METHODS["integrated_gradients"]

    def expected(method, **params):
        return estimate(method, model, method.Params(**params)) / module.OVERHEAD

    assert expected(lime, n_samples=100) == pytest.approx(200)
    assert expected(lime, n_samples=1000) == pytest.approx(2 * FIRST + 1000 - FIRST)
    assert expected(smooth, n_samples=50) == pytest.approx(3 * 50)
    points = gradients.cost(model, gradients.Params(n_steps=50))
    assert expected(gradients, n_steps=50) == pytest.approx(2 * points.forwards + 4 * points.backwards)
    assert expected(METHODS["gradient"]) == pytest.approx(8)


def test_code_that_reads_the_weights_of_a_convolution_itself() -> None:
    """EdgeNeXt takes the type of a projection's weight: the copy with narrow gradients had none."""
    from backend.attribution.network.bfloat16 import BackwardInBfloat16

    layer = torch.nn.Conv2d(3, 4, 3)
    assert BackwardInBfloat16(layer).weight is layer.weight
    assert BackwardInBfloat16(layer).bias is layer.bias
