"""Public implementations on the same canonical networks: Zennit's composites, and Captum's LRP where
Captum's rules hold."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule, PropagationRule
from torch import Tensor, fx, nn

import models
from backend.attribution.lrp.composites import rules_for
from backend.attribution.lrp.layers import (
    ACTIVATIONS,
    CONVOLUTIONS,
    WEIGHTED,
    Activation,
    Add,
    Affine,
    Average,
)
from backend.attribution.lrp.prepared import bounds, canonical_of
from backend.attribution.lrp.propagate import Relevance, propagate
from backend.attribution.lrp.rules import Epsilon, Gamma, Rule
from models import hub
from tests import tiny
from tests.backend.attribution.lrp import networks

hub.ensure_operations()  # Zennit imports torchvision

from zennit.composites import SpecialFirstLayerMapComposite  # noqa: E402
from zennit.core import Hook  # noqa: E402
from zennit.layer import Sum  # noqa: E402
from zennit.rules import Epsilon as ZennitEpsilon  # noqa: E402
from zennit.rules import Flat as ZennitFlat  # noqa: E402
from zennit.rules import Gamma as ZennitGamma  # noqa: E402
from zennit.rules import Norm, Pass, ZBox, ZPlus  # noqa: E402
from zennit.types import Convolution  # noqa: E402

DROP = ["bias"]
REAL = (
    "torchvision:resnet18",
    "torchvision:vgg11",
    "torchvision:densenet121",
    "torchvision:mobilenet_v2",
    "torchvision:squeezenet1_1",
)


class Stacked(nn.Module):
    """Our Add, spelt as Zennit wants it: stack and sum."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = Sum()

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.sum(torch.stack(tensors, dim=-1))


def zennit(network: fx.GraphModule, x: Tensor, target: int, first: Hook, convolution: Hook) -> Tensor:
    """Relevance by Zennit's hooks on a copy of the canonical network; concatenation, reshapes and max
    pooling by their gradient."""
    oracle = copy.deepcopy(network)
    for path, part in list(oracle.named_modules()):
        if isinstance(part, Add):
            oracle.set_submodule(path, Stacked())
    mapping = [
        ((*ACTIVATIONS, Activation, Affine), Pass()),
        ((Sum, Average), Norm()),
        (Convolution, convolution),
        (nn.Linear, ZennitEpsilon(zero_params=DROP)),
    ]
    composite = SpecialFirstLayerMapComposite(layer_map=mapping, first_map=[(CONVOLUTIONS, first)])
    x = x.clone().requires_grad_()
    with composite.context(oracle) as modified:
        outputs = modified(x)
        start = nn.functional.one_hot(torch.tensor([target]), outputs.shape[1]) * outputs.detach()
        (relevance,) = torch.autograd.grad(outputs, x, start)
    return relevance


def ours(network: fx.GraphModule, x: Tensor, target: int, rules: Mapping[str, Rule]) -> Relevance:
    return propagate(
        network, x, lambda out: nn.functional.one_hot(torch.tensor([target]), out.shape[1]) * out, rules
    )


def gamma_box(network: fx.GraphModule, box: tuple[Tensor, Tensor]) -> dict[str, Rule]:
    """Zennit's EpsilonGammaBox: gamma in every convolution but the first."""
    rules = dict(rules_for(network, box, bias="drop"))
    return {path: Gamma(0.25, "drop") if rule.name == "z+" else rule for path, rule in rules.items()}


def agree(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Largest difference of the maps relative to the largest value, their correlation, and their sums."""
    scale = float(expected.abs().max())
    if scale == 0:  # a score of exactly zero (a classifier behind a ReLU) has no relevance
        assert not found.any()
        return
    assert float((found - expected).abs().max()) <= tolerance * scale
    assert np.corrcoef(found.numpy().ravel(), expected.numpy().ravel())[0, 1] > 0.999
    torch.testing.assert_close(
        found.sum(), expected.sum(), atol=tolerance * float(expected.abs().sum()), rtol=tolerance
    )


NO_ORACLE = ("single_logit", "gated", "channels_last", "norms", "functional_norms")
"""Zennit has no rule for one output of two signs, for gates, and for group and layer norm."""


@pytest.mark.parametrize("rank", [0, 1], ids=["top class", "second"])
@pytest.mark.parametrize("name", [name for name in networks.NAMES if name not in NO_ORACLE])
def test_tiny_networks_against_zennit(name: str, rank: int) -> None:
    """EpsilonPlusFlat, and EpsilonGammaBox's rules; the bias left out. In double precision: sums that nearly cancel
    amplify float32's rounding to 4e-4 in either implementation."""
    model, x = networks.build(name), tiny.picture()
    target = int(model.logits(x)[0].argsort(descending=True)[rank])
    network, x = copy.deepcopy(canonical_of(model)).double(), x.double()
    box = bounds(model.input, x)
    flat = ours(network, x, target, rules_for(network, box, input_rule="flat", bias="drop"))
    agree(flat.relevance, zennit(network, x, target, ZennitFlat(), ZPlus(zero_params=DROP)), 1e-6)
    low, high = torch.minimum(box[0], x), torch.maximum(box[1], x)
    gamma = ours(network, x, target, gamma_box(network, box))
    agree(
        gamma.relevance,
        zennit(network, x, target, ZBox(low, high, zero_params=DROP), ZennitGamma(zero_params=DROP)),
        1e-5,
    )


@pytest.mark.parametrize("name", ["plain", "batch_normed", "residual"])
def test_epsilon_against_zennit(name: str) -> None:
    model, x = networks.build(name), tiny.picture()
    network = canonical_of(model)
    rule = ZennitEpsilon(zero_params=DROP)
    found = ours(
        network, x, 1, rules_for(network, bounds(model.input, x), "epsilon", input_rule="same", bias="drop")
    )
    agree(found.relevance, zennit(network, x, 1, rule, rule), 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("key", REAL)
def test_real_architectures_against_zennit(key: str) -> None:
    """EpsilonPlusFlat on random weights: the same map, in double precision (in float32 two implementations of a
    DenseNet-121 differ by 7e-3 of the peak), and with the bias shared out the same sum as the score."""
    model = networks.real(key)
    x = networks.photo(model.input.shape[-1])
    network = canonical_of(model)
    target = int(model.logits(x).argmax())
    box = bounds(model.input, x)
    exact, precise = copy.deepcopy(network).double(), x.double()
    rules = rules_for(exact, bounds(model.input, precise), input_rule="flat", bias="drop")
    relevance = ours(exact, precise, target, rules).relevance
    agree(relevance, zennit(exact, precise, target, ZennitFlat(), ZPlus(zero_params=DROP)), 1e-6)
    kept = ours(network, x, target, rules_for(network, box, input_rule="flat"))
    assert kept.conservation == pytest.approx(1.0, abs=2e-3)


@pytest.mark.data
def test_squeezenet_with_its_imagenet_weights_against_zennit(real_data: Path) -> None:
    model = models.load(
        "torchvision:squeezenet1_1", weights=real_data / "weights" / "squeezenet1_1.safetensors"
    )
    x = model.prepare(next(iter(sorted((real_data / "images" / "photos").glob("*.jpg")))))
    network = canonical_of(model)
    target = int(model.logits(x).argmax())
    found = ours(
        network, x, target, rules_for(network, bounds(model.input, x), input_rule="flat", bias="drop")
    )
    agree(found.relevance, zennit(network, x, target, ZennitFlat(), ZPlus(zero_params=DROP)), 1e-3)


def captum(network: fx.GraphModule, x: Tensor, target: int, rules: Mapping[str, PropagationRule]) -> Tensor:
    """Captum's LRP on a copy, its rules attached anew (it drops them after every call)."""
    oracle = copy.deepcopy(network)
    for path, part in oracle.named_modules():
        if not isinstance(part, nn.ReLU) and not list(part.children()):
            part.rule = rules.get(path, EpsilonRule(1e-6))  # type: ignore[assignment]
    return LRP(oracle).attribute(x, target=target).detach()


@pytest.mark.parametrize("name", ["plain", "batch_normed", "residual", "fire"])
def test_epsilon_is_captums_where_the_bias_absorbs(name: str) -> None:
    model, x = networks.build(name), tiny.picture()
    network = canonical_of(model)
    found = ours(
        network, x, 1, rules_for(network, bounds(model.input, x), "epsilon", input_rule="same", bias="absorb")
    )
    agree(found.relevance, captum(network, x, 1, {}), 1e-3)


def test_gamma_is_captums_on_rectified_inputs_without_biases() -> None:
    """Captum weights up the positive weights whatever the sign of input and output: only for x >= 0 and
    outputs above zero is that gamma."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3, bias=False),
    )
    model = models.wrap(module, ["a", "b", "c"], models.ImageInput(size=(tiny.SIZE, tiny.SIZE)))
    x, network = tiny.picture().clamp(0, 1), canonical_of(model)
    gamma = ("0", "2")
    rules: dict[str, Rule] = dict(rules_for(network, bounds(model.input, x), "epsilon", input_rule="same"))
    rules.update({path: Gamma(0.5) for path in gamma})
    assert isinstance(rules["6"], Epsilon)
    agree(
        ours(network, x, 1, rules).relevance,
        captum(network, x, 1, {path: GammaRule(0.5) for path in gamma}),
        1e-3,
    )


@pytest.mark.parametrize("name", ["plain", "residual", "batch_normed"])
def test_without_biases_epsilon_is_input_times_gradient(name: str) -> None:
    """A ReLU network without biases is linear around each input: as epsilon goes to 0 the shares become x
    * df/dx, and add up to f."""
    model, x = networks.build(name), tiny.picture()
    network = copy.deepcopy(canonical_of(model))
    for part in network.modules():
        if isinstance(part, WEIGHTED):
            part.bias = None
    rules = rules_for(network, bounds(model.input, x), "epsilon", epsilon=1e-9, input_rule="same")
    leaf = x.clone().requires_grad_()
    score = network(leaf)[0, 1]
    (gradient,) = torch.autograd.grad(score, leaf)
    found = ours(network, x, 1, rules)
    agree(found.relevance, x * gradient, 2e-3)
    assert found.conservation == pytest.approx(1.0, abs=2e-3)


def test_a_linear_network_is_explained_exactly() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 4, bias=False))
    model = models.wrap(
        nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), module), list("abcd"), models.ImageInput(size=(8, 8))
    )
    conv, linear = model.module[0], model.module[1][1]  # type: ignore[index]
    x = torch.rand(1, 3, 8, 8)
    network = canonical_of(model)
    found = ours(
        network, x, 2, rules_for(network, bounds(model.input, x), "epsilon", epsilon=1e-9, input_rule="same")
    )
    weight = torch.einsum("ohw,oi->ihw", linear.weight[2].view(3, 8, 8), conv.weight[:, :, 0, 0])
    torch.testing.assert_close(found.relevance[0], x[0] * weight, atol=1e-5, rtol=1e-4)
