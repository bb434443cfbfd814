"""The walk back in bfloat16: as good as in float32, only where it is, and named in the record."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import models
from backend.attribution.explain import explain
from backend.attribution.lrp import prepared
from backend.attribution.lrp.linear import LEAST_FAN_IN, SignedWeights, apply, transposed
from backend.attribution.lrp.prepared import Settings, relevance, walks_in_half
from backend.attribution.lrp.rules import ZPlus
from backend.attribution.network.passes import AGREEMENT
from backend.attribution.network.trials import rank_correlation
from tests import tiny
from tests.backend.attribution.lrp import networks


@pytest.fixture(autouse=True)
def _half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor that computes in bfloat16; others emulate it with the same numbers."""
    monkeypatch.setattr(prepared, "has_bfloat16", lambda device: True)


@pytest.mark.parametrize("key", ["shapes", "cnnexplain_synthetic"])
def test_trained_networks_keep_their_map_and_their_sum(key: str) -> None:
    model = models.load(key)
    for seed in range(3):
        x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(seed))
        exact, rounded = (relevance(model, x, 0, Settings(), half=half) for half in (False, True))
        maps = [result.relevance.sum(1) for result in (exact, rounded)]
        assert rank_correlation(*maps) >= AGREEMENT
        assert rounded.conservation == pytest.approx(exact.conservation, abs=prepared.DRIFT)
        assert not torch.equal(*maps)  # it did compute otherwise


def test_the_record_names_it_and_the_other_presets_stay_in_float32() -> None:
    model = models.load("shapes")
    x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(0))
    for method in ("lrp", "fused"):
        result = explain(model, x, method, target=0)
        assert result.extras["precision"] == "float32, bfloat16 backward"
        assert result.plan == "rewritten step by step, float32 forward, bfloat16 walk back"
    for preset in ("gamma_epsilon", "epsilon"):
        result = explain(model, x, "lrp", target=0, preset=preset)
        assert (result.extras["precision"], result.plan) == ("float32", "rewritten step by step, float32")


@pytest.mark.parametrize("broken", ["rank", "sum", "processor"])
def test_a_network_that_disagrees_walks_back_in_float32(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = tiny.build("residual"), tiny.picture()
    assert walks_in_half(model, Settings())
    wanted = relevance(model, x, 0, Settings()).relevance
    if broken == "rank":
        monkeypatch.setattr(prepared, "rank_correlation", lambda *_: AGREEMENT - 0.001)
    elif broken == "sum":
        monkeypatch.setattr(prepared, "DRIFT", -1.0)
    else:
        monkeypatch.setattr(prepared, "has_bfloat16", lambda device: False)
    fresh = tiny.build("residual")
    assert not walks_in_half(fresh, Settings())
    result = explain(fresh, x, "lrp", target=0)
    assert result.extras["precision"] == "float32"
    np.testing.assert_allclose(result.values, wanted[0].sum(0).numpy(), atol=1e-7)


@pytest.mark.parametrize("name", networks.NAMES)
def test_every_kind_of_network_adds_up_in_bfloat16_or_is_left_alone(name: str) -> None:
    model, x = networks.build(name), tiny.picture()
    with torch.no_grad():
        scores = model.logits(x)[0] * (2 if model.single_logit else 1)
    result = explain(model, x, "lrp", target=1)
    assert float(result.values.sum(dtype=np.float64)) == pytest.approx(
        float(scores[1]), abs=0.02 * float(scores.abs().max())
    )


def test_only_plain_convolutions_with_enough_weights_are_rounded() -> None:
    weights = SignedWeights(half=True)
    wide, thin, flat = nn.Conv2d(16, 4, 3), nn.Conv2d(2, 4, 3), nn.Linear(1000, 4)
    depthwise = nn.Conv2d(8, 8, 9, groups=8)
    kinds = {layer: weights.positive(layer).dtype for layer in (wide, thin, flat, depthwise)}
    assert thin.weight[0].numel() < LEAST_FAN_IN <= depthwise.weight[0].numel()
    assert kinds == {
        wide: torch.bfloat16, thin: torch.float32, flat: torch.float32, depthwise: torch.float32
    }  # fmt: skip


def test_forwards_and_transposed_are_each_others_adjoint() -> None:
    """<Wx, s> = <x, W's>: what makes sums survive; with rounded weights up to the rounding of x and s."""
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 8, 3, stride=2, padding=1)
    x, s = torch.rand(2, 16, 9, 9), torch.rand(2, 8, 5, 5)
    for half, tolerance in ((False, 1e-5), (True, 5e-3)):
        weight = SignedWeights(half).positive(layer)
        left, right = (apply(layer, x, weight) * s).sum(), (transposed(layer, s, x, weight) * x).sum()
        torch.testing.assert_close(left, right, rtol=tolerance, atol=0)
        assert left.dtype == right.dtype == torch.float32


def test_split_weights_are_made_once_and_the_layer_keeps_its_own() -> None:
    layer = nn.Conv2d(3, 4, 3)
    before, weights = layer.weight.clone(), SignedWeights()
    assert weights.positive(layer) is weights.positive(layer)
    torch.testing.assert_close(weights.positive(layer) + weights.negative(layer), before)
    rule = ZPlus(weights=weights)
    with torch.no_grad():
        x = torch.randn(1, 3, 5, 5)
        output = layer(x)
        rule(layer, (x,), output, output)
    torch.testing.assert_close(layer.weight, before, rtol=0, atol=0)
