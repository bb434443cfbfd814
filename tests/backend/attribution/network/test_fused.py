"""Fused forward passes give the eager network's scores, or are not used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import backend
import models
from backend.attribution.network import passes as engine
from backend.attribution.network.fused import can_fuse, fills_quietly, fuse
from backend.attribution.network.passes import AGREEMENT, FUSED_FROM, Passes
from backend.attribution.network.run import FIRST
from tests.tiny import BUILDERS, build, picture

pytestmark = pytest.mark.skipif(
    not engine.has_bfloat16(torch.device("cpu")), reason="this processor has no bfloat16 arithmetic"
)


TRAINED = ("shapes", "cnnexplain_synthetic")
"""Networks that bear bfloat16, as few untrained ones do."""


def wrapped(module: nn.Module) -> models.Model:
    torch.manual_seed(0)
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return models.wrap(module, labels=["a", "b"], input=models.ImageInput(size=(32, 32)))


class Branching(nn.Module):
    """Control flow by numbers: a trace holds the branch of its example."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.head(self.conv(x).relu().mean((2, 3)))
        return y if x.mean() > 0 else -y


class Mixing(nn.Module):
    """An image's scores depend on the rest of its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.head((x - x.mean((0, 2, 3), keepdim=True)).relu().mean((2, 3)))


def inputs(model: models.Model, n: int) -> torch.Tensor:
    return torch.rand(n, *model.input.shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", TRAINED)
def test_fused_scores_are_the_eager_ones_also_for_part_of_a_batch(name):
    passes = Passes(models.load(name))
    eager, fused = passes.plan("forward"), passes.fused(FUSED_FROM)
    assert fused is not None
    assert fused.agreement >= AGREEMENT
    x = eager.laid_out(inputs(passes.model, eager.batch))
    with torch.inference_mode():
        expected = eager.network(x.clone()).float()
        whole = fused.network(x.clone()).float()
        part = fused.network(x[:5].clone()).float()
    assert (whole - expected).abs().max() <= 0.03 * (expected.max() - expected.min())
    assert torch.equal(part, whole[:5])
    assert not torch.equal(whole[:5], whole[5:10])


def test_the_process_wide_switch_is_as_it_was():
    for before in (False, True):
        torch.jit.enable_onednn_fusion(before)
        try:
            passes = Passes(models.load("shapes"))
            assert passes.fused(FUSED_FROM) is not None
            assert torch.jit.onednn_fusion_enabled() is before
        finally:
            torch.jit.enable_onednn_fusion(False)


def test_control_flow_is_never_traced():
    passes = Passes(wrapped(Branching()))
    assert passes.plan("forward").precision == "bfloat16"
    assert not can_fuse(passes.half)
    assert passes.fused(FUSED_FROM) is None


def test_a_network_that_mixes_the_images_of_a_batch_is_not_fused():
    passes = Passes(wrapped(Mixing()))
    assert can_fuse(passes.half)
    probes = torch.cat([picture(seed) for seed in range(4)]).bfloat16()
    assert not fills_quietly(fuse(passes.half, torch.rand(8, 3, 32, 32).bfloat16()), probes)
    assert passes.fused(FUSED_FROM) is None


def test_batch_norms_that_stay_and_float32_networks_are_not_fused(monkeypatch):
    assert can_fuse(Passes(build("batch_normed")).half)
    assert not can_fuse(Passes(build("dense")).half)
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: False)
    assert Passes(models.load("shapes")).fused(FUSED_FROM) is None


def test_a_fused_network_that_disagrees_or_fails_is_not_used(monkeypatch):
    original = engine.fuse

    def wrong(network, example):
        fused = original(network, example)
        return type("Wrong", (), {"batch": fused.batch, "__call__": lambda self, x: -fused(x)})()

    model = models.load("shapes")
    assert Passes(model).fused(FUSED_FROM) is not None
    monkeypatch.setattr(engine, "fuse", wrong)
    assert Passes(model).fused(FUSED_FROM) is None

    def failing(network, example):
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(engine, "fuse", failing)
    assert Passes(model).fused(FUSED_FROM) is None


@pytest.mark.parametrize("name", [*BUILDERS, *TRAINED])
def test_every_network_answers_a_long_run(name):
    model = models.load(name) if name in TRAINED else build(name)
    run = Passes.of(model).run(1, passes=FUSED_FROM)
    x = inputs(model, 32)
    with torch.no_grad():
        expected = model.select(model.module(x), 1)
    spread = float(expected.abs().max())
    for size in (32, 32, 32, 32, 32, 20, 3):
        assert (run.scores(x[:size].clone()) - expected[:size]).abs().max() <= 0.05 * max(spread, 1e-6)


def test_the_first_images_of_a_run_are_eager_also_when_the_fused_network_is_ready():
    model = models.load("shapes")
    x = inputs(model, 1)
    first, again = (backend.explain(model, x, "lime", target=1, n_samples=FUSED_FROM) for _ in range(2))
    np.testing.assert_array_equal(first.arrays["scores"], again.arrays["scores"])
    assert first.plan == again.plan
    assert [words.split(",")[0] for words in first.plan.split("; ")] == ["folded", "fused"]
    short = backend.explain(model, x, "lime", target=1, n_samples=FIRST)
    assert "fused" not in short.plan
    fresh = backend.explain(models.load("shapes"), x, "lime", target=1, n_samples=FUSED_FROM)
    np.testing.assert_array_equal(first.arrays["scores"], fresh.arrays["scores"])
