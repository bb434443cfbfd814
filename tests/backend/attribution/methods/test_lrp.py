"""The method `lrp`: what its map adds up to, what it refuses, and what it leaves as it was."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import models
from app.core.errors import BadParameter, Incompatible
from backend.attribution.explain import explain
from backend.attribution.lrp import prepared
from backend.attribution.lrp.prepared import Settings, canonical_of, growth, relevance, verdict
from backend.attribution.lrp.table import load
from backend.attribution.methods import METHODS
from backend.attribution.methods.lrp import LrpParams
from tests import tiny
from tests.backend.attribution.lrp import networks

FAMILIES = (
    "timm:resnet18", "timm:resnet50", "timm:densenet121", "timm:mobilenetv2_100", "timm:efficientnet_b0", "timm:tf_efficientnet_b0",
    "timm:convnext_atto", "timm:resnetv2_50", "torchvision:vgg11_bn", "torchvision:mobilenet_v3_small", "torchvision:googlenet",
    "torchvision:shufflenet_v2_x0_5",
)  # fmt: skip


@pytest.mark.parametrize("preset", ["epsilon_plus", "gamma_epsilon", "epsilon"])
@pytest.mark.parametrize("name", networks.NAMES)
def test_the_map_adds_up_to_the_score_or_the_preset_is_refused(name: str, preset: str) -> None:
    model, x = networks.build(name), tiny.picture()
    if preset != "epsilon_plus" and not verdict(model, Settings(preset=preset)).ok:
        with pytest.raises(Incompatible, match="epsilon_plus"):
            explain(model, x, "lrp", preset=preset)
        return
    with torch.no_grad():
        logits = model.logits(x)[0] * (2 if model.single_logit else 1)
    for target in range(len(model.labels)):
        result = explain(model, x, "lrp", target=target, preset=preset)
        total = float(result.values.sum(dtype=np.float64))
        assert result.extras["score"] == pytest.approx(float(logits[target]), abs=1e-5)
        assert total == pytest.approx(result.extras["conservation"] * result.extras["score"], abs=1e-5)
        if preset == "epsilon_plus":
            assert total == pytest.approx(float(logits[target]), abs=2e-3 * float(logits.abs().max()))
            assert not result.notes or float(logits[target]) == 0.0


@pytest.mark.parametrize("name", networks.NAMES)
def test_every_layer_hands_on_what_it_received(name: str) -> None:
    model = networks.build(name)
    result = explain(model, tiny.picture(), "lrp")
    steps = result.extras["layers"]
    assert len(steps) >= 3
    assert steps[0]["received"] == pytest.approx(result.extras["score"], rel=1e-5)
    scale = max(abs(step["received"]) for step in steps)
    assert all(step["passed"] == pytest.approx(step["received"], abs=5e-3 * scale) for step in steps)


def test_the_two_classes_of_a_single_logit_mirror_each_other() -> None:
    model, x = tiny.build("single_logit"), tiny.picture()
    no, yes = (explain(model, x, "lrp", target=target) for target in (0, 1))
    np.testing.assert_allclose(no.values, -yes.values, atol=1e-7)
    assert yes.extras["score"] == pytest.approx(float(model.module(x)), rel=1e-5)


def test_relevance_of_a_negative_score_is_negative_on_balance() -> None:
    model, x = tiny.build("plain"), tiny.picture()
    worst = int(model.logits(x).argmin())
    assert float(model.logits(x)[0, worst]) < 0
    assert float(explain(model, x, "lrp", target=worst).values.sum()) < 0


def test_the_bias_absorbs_when_asked_and_the_map_says_so() -> None:
    model, x = tiny.build("plain"), tiny.picture()
    absorbed = explain(model, x, "lrp", preset="epsilon", bias="absorb", input_rule="same")
    assert absorbed.gap is not None
    assert absorbed.gap > 0.05
    assert "instead of 100%" in absorbed.notes[0]


def test_a_large_epsilon_absorbs_more() -> None:
    model, x = tiny.build("batch_normed"), tiny.picture()
    sums = [
        abs(float(explain(model, x, "lrp", preset="epsilon", epsilon=epsilon).values.sum()))
        for epsilon in (1e-6, 0.1, 1.0)
    ]
    assert sums[0] > sums[1] > sums[2]


def test_black_pixels_get_relevance_only_from_rules_that_know_the_bounds() -> None:
    model = tiny.build("plain")
    x = tiny.picture().clamp(0, 1)
    x[:, :, 8:24, 8:24] = 0.0
    same = explain(model, x, "lrp", input_rule="same", bias="drop").values[8:24, 8:24]
    box = explain(model, x, "lrp", input_rule="zB", bias="drop").values[8:24, 8:24]
    assert not same.any()
    assert box.any()


def test_a_batch_gives_what_single_inputs_give() -> None:
    model = networks.build("shuffled")
    xs = [tiny.picture(seed) for seed in range(3)]
    together = relevance(model, torch.cat(xs), 1, Settings()).relevance
    alone = torch.cat([relevance(model, x, 1, Settings()).relevance for x in xs])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-4)


def test_what_cannot_be_traced_is_refused_before_running() -> None:
    model = models.wrap(networks.Branching().eval(), ["a", "b"], models.ImageInput(size=(16, 16)))
    answer = METHODS["lrp"].is_compatible(model)
    assert not answer.ok
    assert "fixed sequence" in answer.reason
    with pytest.raises(Incompatible):
        explain(model, torch.rand(1, 3, 16, 16), "lrp")


@pytest.mark.parametrize("preset", ["epsilon_plus", "gamma_epsilon", "epsilon"])
def test_activations_that_fade_keep_the_map(preset: str) -> None:
    """The same function with its inner numbers a billionth: an epsilon of fixed size absorbed all the relevance,
    and networks whose activations fade (MobileNet, EfficientNet, GoogLeNet with new weights) were refused."""
    torch.manual_seed(0)
    first, middle, last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, bias=False), nn.Linear(8, 2)
    parts = (first, nn.ReLU(), middle, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    maps = []
    for scale in (1.0, 1e-9):
        with torch.no_grad():
            first.weight.mul_(scale), first.bias.mul_(scale), last.weight.div_(scale)  # type: ignore[union-attr]
        model = models.wrap(nn.Sequential(*parts).eval(), ["a", "b"], models.ImageInput(size=(16, 16)))
        assert verdict(model, Settings(preset=preset)).ok
        maps.append(explain(model, tiny.picture()[..., :16, :16], "lrp", target=0, preset=preset).values)
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-3 * float(np.abs(maps[0]).max()))


class Deaf(nn.Module):
    """Its last features are zero for every input in bounds: the score is the classifier's bias, and no
    input explains it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(x) - 100.0).mean((2, 3)))


def test_a_model_that_loses_relevance_is_refused_with_the_layer_named() -> None:
    torch.manual_seed(0)
    model = models.wrap(Deaf().eval(), ["a", "b"], models.ImageInput(size=(16, 16)))
    found = relevance(model, prepared.probe_input(model), 0, Settings())
    assert found.conservation == 0.0
    answer = verdict(model)
    assert not answer.ok
    assert "0% of the score arrives" in answer.reason
    assert "the layer 'fc'" in answer.reason
    assert "Use Grad-CAM" in answer.reason


@pytest.mark.parametrize("name", ["mobile", "pre_norm"])
def test_growth_is_seen_even_where_the_sum_is_right(name: str) -> None:
    """Two huge parts that cancel keep the sum and explain nothing: the gate measures them."""
    model = networks.build(name)
    found = relevance(model, tiny.picture(), 0, Settings())
    assert growth(found) < 10
    inflated = replace(found, relevance=found.relevance + 1e4 * torch.randn_like(found.relevance))
    assert growth(inflated) > prepared.GROWTH


def test_unknown_parameters_and_ranges_are_refused() -> None:
    model, x = tiny.build("plain"), tiny.picture()
    with pytest.raises(BadParameter):
        explain(model, x, "lrp", preset="z_minus")
    with pytest.raises(BadParameter):
        explain(model, x, "lrp", epsilon=0.0)


def test_every_parameter_is_a_drawable_field() -> None:
    properties = LrpParams.model_json_schema()["properties"]
    assert set(properties) == {"preset", "epsilon", "gamma", "input_rule", "bias"}
    assert all({"title", "description", "default"} <= set(field) for field in properties.values())


def test_only_one_canonical_network_is_kept_and_it_dies_with_its_model() -> None:
    first, second = tiny.build("plain"), tiny.build("residual")
    watched = weakref.ref(canonical_of(first))
    assert canonical_of(first) is watched()
    canonical_of(second)
    gc.collect()
    assert watched() is None
    watched = weakref.ref(canonical_of(second))
    del second
    gc.collect()
    assert watched() is None


def test_changed_weights_are_noticed() -> None:
    model, x = tiny.build("residual"), tiny.picture()
    explain(model, x, "lrp", target=0)
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.mul_(1.1)
    result = explain(model, x, "lrp", target=0)
    assert result.extras["score"] == pytest.approx(float(model.module(x)[0, 0]), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("key", FAMILIES)
def test_architectures_conserve_or_are_refused_with_the_layer_named(key: str) -> None:
    """Nobody here wrote these networks. Random weights, batch norm calibrated."""
    model = networks.real(key, 64)
    answer = verdict(model)
    if not answer.ok:
        assert "the layer '" in answer.reason
        with pytest.raises(Incompatible):
            explain(model, networks.photo(64), "lrp")
        return
    assert explain(model, networks.photo(64), "lrp").extras["conservation"] == pytest.approx(
        1.0, abs=prepared.TOLERANCE
    )


@pytest.mark.slow
@pytest.mark.parametrize("key", ["torchvision:mobilenet_v2", "torchvision:googlenet", "timm:efficientnet_b0"])
def test_architectures_with_new_weights_conserve(key: str) -> None:
    """Batch norm as it starts, so that activations fade by many orders of magnitude."""
    answer = verdict(load(key))
    assert answer.ok, answer.reason


@pytest.mark.slow
@pytest.mark.parametrize("key", ["timm:convnextv2_atto", "timm:vit_tiny_patch16_224"])
def test_architectures_without_rules_are_refused_by_layer(key: str) -> None:
    with torch.random.fork_rng():
        module, _ = models.architecture(key, 3)
    size = 224 if "vit" in key else 64
    model = models.wrap(module.eval(), list("abc"), models.ImageInput(size=(size, size)))
    assert "the layer '" in verdict(model).reason or "fixed sequence" in verdict(model).reason


@pytest.mark.data
@pytest.mark.parametrize("key", ["torchvision:squeezenet1_1", "resnet20_cifar"])
def test_photos_through_trained_networks_keep_their_score(real_data: Path, key: str) -> None:
    """Within 1 %, for the predicted class and for another one; the two maps differ."""
    weights = {"torchvision:squeezenet1_1": "squeezenet1_1", "resnet20_cifar": "resnet20_cifar10"}[key]
    model = models.load(key, weights=real_data / "weights" / f"{weights}.safetensors")
    assert METHODS["lrp"].is_compatible(model).ok
    for path in sorted((real_data / "images" / "photos").glob("*.jpg"))[:40:10]:
        x = model.prepare(Image.open(path))
        top, other = (int(index) for index in model.logits(x)[0].topk(2).indices)
        maps = [explain(model, x, "lrp", target=target) for target in (top, other)]
        assert all(found.extras["conservation"] == pytest.approx(1.0, abs=0.01) for found in maps)
        assert not np.allclose(maps[0].values, maps[1].values)
