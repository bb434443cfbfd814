"""The rules against a second, slow implementation: every layer as an explicit matrix, every rule as its
sum over contributions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from backend.attribution.lrp.composites import rules_for
from backend.attribution.lrp.layers import WEIGHTED, Add, Affine, Average
from backend.attribution.lrp.propagate import propagate
from backend.attribution.lrp.rewrite import canonical
from backend.attribution.lrp.rules import (
    STABILISER,
    Epsilon,
    Flat,
    Gamma,
    Rule,
    Share,
    ZBox,
    ZPlus,
    redistribute,
)
from tests import tiny
from tests.backend.attribution.lrp import networks

LAYERS: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    "conv": lambda: (nn.Conv2d(3, 4, 3, padding=1), (2, 3, 5, 6)),
    "strided": lambda: (nn.Conv2d(2, 4, 3, stride=2, dilation=2, padding=2), (1, 2, 8, 7)),
    "grouped": lambda: (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5)),
    "depthwise": lambda: (nn.Conv2d(4, 4, 3, groups=4, padding=1), (1, 4, 4, 4)),
    "transposed": lambda: (
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        (1, 4, 3, 3),
    ),
    "linear": lambda: (nn.Linear(7, 5), (3, 7)),
    "no_bias": lambda: (nn.Conv2d(3, 4, 3, bias=False), (1, 3, 5, 5)),
}


def matrix(layer: nn.Module, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(W `[outputs, inputs]`, b `[outputs]`) of one sample, found by pushing unit vectors through the
    layer, in double precision."""
    size = int(np.prod(shape[1:]))
    with torch.no_grad():
        zero = layer.double()(torch.zeros(1, *shape[1:], dtype=torch.float64))
        columns = layer(torch.eye(size, dtype=torch.float64).view(size, *shape[1:])) - zero
    layer.float()
    return columns.reshape(size, -1).T.numpy(), zero.reshape(-1).numpy()


def sign(z: np.ndarray) -> np.ndarray:
    return np.where(z < 0, -1.0, 1.0)


def by_hand(rule: Rule, w: np.ndarray, b: np.ndarray, x: np.ndarray, r: np.ndarray) -> np.ndarray:
    """R_in by explicit contributions z_ij `[outputs, inputs]`; what the docstring of rules.py says,
    written out."""
    z = w * x
    field = (w != 0).astype(float)
    true = z.sum(1) + b
    if isinstance(rule, Flat):
        return (field / field.sum(1, keepdims=True) * r[:, None]).sum(0)
    if isinstance(rule, ZBox):
        low, high = (np.minimum(rule.low.numpy().ravel(), x), np.maximum(rule.high.numpy().ravel(), x))
        part = z - np.maximum(w, 0) * low - np.minimum(w, 0) * high
        total = part.sum(1) + (np.maximum(b, 0) if rule.bias == "absorb" else 0)
        return (part / (total + sign(total) * STABILISER)[:, None] * r[:, None]).sum(0)
    if isinstance(rule, ZPlus):
        part = np.maximum(z, 0)
        total = part.sum(1) + (np.maximum(b, 0) if rule.bias == "absorb" else 0)
        s = r / (total + STABILISER)
        shared = (part * s[:, None]).sum(0)
        if rule.bias == "share":
            rest = r - s * part.sum(1)
            shared = shared + (field / field.sum(1, keepdims=True) * rest[:, None]).sum(0)
        return shared
    if isinstance(rule, Gamma):
        up = (true > 0)[:, None]
        part = z + rule.gamma * np.where(up, np.maximum(z, 0), np.minimum(z, 0))
        shift = b + rule.gamma * np.where(up[:, 0], np.maximum(b, 0), np.minimum(b, 0))
        r, epsilon = np.where(true == 0, 0, r), STABILISER
    else:
        assert isinstance(rule, Epsilon)
        part, shift, epsilon = z, b, rule.epsilon
    total = part.sum(1) + (0 if rule.bias == "drop" else shift)
    s = r / (total + sign(total) * epsilon)
    shared = (part * s[:, None]).sum(0)
    if rule.bias == "share":
        reach = field * np.abs(x)
        totals = reach.sum(1, keepdims=True)
        shared = shared + (
            np.divide(reach, totals, out=np.zeros_like(reach), where=totals > 0) * (s * shift)[:, None]
        ).sum(0)
    return shared


def cases() -> list[tuple[str, Rule]]:
    biases = ("share", "drop", "absorb")
    low, high = torch.tensor(-1.0), torch.tensor(2.0)
    found: list[tuple[str, Rule]] = [("flat", Flat())]
    for bias in biases:
        found += [
            (f"epsilon {bias}", Epsilon(1e-2, bias)),
            (f"z+ {bias}", ZPlus(bias)),
            (f"gamma {bias}", Gamma(0.7, bias)),
            (f"zB {bias}", ZBox(low, high, bias)),
        ]
    return found


@pytest.mark.parametrize("positive", [True, False], ids=["rectified", "signed"])
@pytest.mark.parametrize(("label", "rule"), cases(), ids=[label for label, _ in cases()])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_rule_on_every_layer(kind: str, label: str, rule: Rule, positive: bool) -> None:
    torch.manual_seed(1)
    layer, shape = LAYERS[kind]()
    x = torch.randn(shape)
    x = x.clamp(min=0) if positive else x
    if isinstance(rule, ZBox):
        rule = ZBox(rule.low.expand(1, *shape[1:]), rule.high.expand(1, *shape[1:]), rule.bias)
    with torch.no_grad():
        output = layer(x)
        relevance = torch.randn_like(output)
        (found,) = rule(layer, (x,), output, relevance)
    w, b = matrix(layer, shape)
    for sample in range(shape[0]):
        expected = by_hand(
            rule, w, b, x[sample].double().numpy().ravel(), relevance[sample].double().numpy().ravel()
        )
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found[sample].numpy().ravel() / scale, expected / scale, atol=2e-4)


def test_z_plus_gives_what_no_input_explains_to_the_whole_field() -> None:
    """Every weight negative on a positive input: active by bias alone. Zennit loses this relevance; here
    it is spread evenly."""
    layer = nn.Conv2d(1, 1, 3)
    nn.init.constant_(layer.weight, -1.0)
    nn.init.constant_(layer.bias, 20.0)
    x = torch.rand(1, 1, 3, 3)
    with torch.no_grad():
        (found,) = ZPlus()(layer, (x,), layer(x), torch.full((1, 1, 1, 1), 9.0))
        (lost,) = ZPlus("drop")(layer, (x,), layer(x), torch.full((1, 1, 1, 1), 9.0))
    torch.testing.assert_close(found, torch.ones(1, 1, 3, 3))
    assert float(lost.abs().sum()) == 0.0


def test_redistribute_leaves_behind_what_meets_an_empty_field() -> None:
    layer = nn.Linear(3, 2)
    found = redistribute(
        layer, torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.tensor([[0.0, 0.0, 0.0], [1.0, 3.0, 0.0]])
    )
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.0, 0.0], [0.75, 2.25, 0.0]]))


def test_gamma_zero_is_epsilon_and_large_gamma_is_z_plus() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(3, 5, 3, bias=False), torch.rand(1, 3, 6, 6)
    with torch.no_grad():
        output = layer(x)
        relevance = torch.rand_like(output) * (output > 0)
        none, huge = (Gamma(gamma, "drop")(layer, (x,), output, relevance)[0] for gamma in (0.0, 1e6))
        torch.testing.assert_close(none, Epsilon(STABILISER)(layer, (x,), output, relevance)[0])
        torch.testing.assert_close(
            huge, ZPlus("drop")(layer, (x,), output, relevance)[0], atol=1e-4, rtol=1e-4
        )


def walked(network: fx.GraphModule, x: Tensor, target: int, rules: dict[str, Rule]) -> np.ndarray:
    """The whole network by hand: each layer's own output and derivative as matrices, relevance handed back
    node by node."""
    values: dict[fx.Node, Tensor] = {}
    nodes = list(network.graph.nodes)
    for node in nodes[:-1]:
        values[node] = (
            x
            if node.op == "placeholder"
            else network.get_submodule(node.target)(*(values[a] for a in node.args))
        )
    final = nodes[-1].args[0]
    arrived = {node: np.zeros(values[node].numel()) for node in values}
    arrived[final][target] = float(values[final][0, target])
    for node in reversed(nodes[1:-1]):
        layer, r = network.get_submodule(node.target), arrived[node]
        inputs = [values[a] for a in node.args]
        for position, (source, value) in enumerate(zip(node.args, inputs, strict=True)):
            if isinstance(layer, WEIGHTED):
                w, b = matrix(layer, tuple(value.shape))
                share = by_hand(rules[node.target], w, b, value.double().numpy().ravel(), r)
            else:

                def alone(
                    v: Tensor,
                    position: int = position,
                    inputs: list[Tensor] = inputs,
                    layer: nn.Module = layer,
                ) -> Tensor:
                    return layer(*(v if index == position else other for index, other in enumerate(inputs)))

                jacobian = (
                    torch.autograd.functional.jacobian(alone, value).reshape(r.size, -1).double().numpy()
                )
                if isinstance(layer, (Add, Average)):
                    absolute = rules[node.target].absolute  # type: ignore[attr-defined]
                    z = (
                        (layer(*(v.abs() for v in inputs)) if absolute else values[node])
                        .double()
                        .numpy()
                        .ravel()
                    )
                    v = (value.abs() if absolute else value).double().numpy().ravel()
                    share = v * (jacobian.T @ (r / (z + sign(z) * STABILISER)))
                elif rules[node.target].name == "pass":
                    assert isinstance(layer, (Affine, nn.ReLU, nn.ReLU6))
                    share = r
                else:
                    share = jacobian.T @ r
            arrived[source] = arrived[source] + share
    return arrived[nodes[0]].reshape(x.shape[1:])


@pytest.mark.parametrize("preset", ["epsilon_plus", "gamma_epsilon"])
@pytest.mark.parametrize("name", ["plain", "residual", "dense", "fire"])
def test_whole_networks_by_hand(name: str, preset: str) -> None:
    module = networks.build(name).module
    x = tiny.picture()[:, :, :12, :12].contiguous()
    network = canonical(module, x)
    bounds = (torch.full_like(x, -2.0), torch.full_like(x, 2.0))
    rules = dict(rules_for(network, bounds, preset))  # type: ignore[arg-type]
    target = 1
    found = propagate(
        network, x, lambda out: torch.nn.functional.one_hot(torch.tensor([target]), out.shape[1]) * out, rules
    )
    expected = walked(network, x, target, rules)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.relevance[0].numpy() / scale, expected / scale, atol=5e-4)


def test_rules_by_preset() -> None:
    """plain: convolution, convolution, linear."""
    model = networks.build("plain")
    network = canonical(model.module, tiny.picture())
    bounds = (torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32))

    def names(**settings: str) -> list[str]:
        rules = rules_for(network, bounds, **settings)  # type: ignore[arg-type]
        return [rules[path].name for path in rules if isinstance(network.get_submodule(path), WEIGHTED)]

    assert names() == ["zB", "z+", "epsilon"]
    assert names(input_rule="flat") == ["flat", "z+", "epsilon"]
    assert names(input_rule="same") == ["z+", "z+", "epsilon"]
    assert names(preset="gamma_epsilon", input_rule="same") == ["epsilon", "epsilon", "epsilon"]
    assert names(preset="epsilon") == ["zB", "epsilon", "epsilon"]


def test_the_gamma_layers_of_vgg16_are_those_of_the_paper() -> None:
    """Layers 1 to 16 of `features` gamma (the first one aside), 17 to 30 and the classifier epsilon.
    VGG-16's plan with thin layers."""
    features: list[nn.Module] = []
    channels = 3
    for step in [4, 4, "M", 4, 4, "M", 4, 4, 4, "M", 4, 4, 4, "M", 4, 4, 4, "M"]:
        if isinstance(step, int):
            features += [nn.Conv2d(channels, step, 3, padding=1), nn.ReLU(inplace=True)]
            channels = step
        else:
            features += [nn.MaxPool2d(2)]
    assert len(features) == 31
    module = nn.Sequential(
        OrderedDict(features=nn.Sequential(*features), flat=nn.Flatten(), classifier=nn.Linear(4, 3))
    )
    network = canonical(module.eval(), torch.zeros(1, 3, 32, 32))
    bounds = (torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32))
    rules = rules_for(network, bounds, "gamma_epsilon", input_rule="same")
    gamma = {path for path, rule in rules.items() if rule.name == "gamma"}
    assert gamma == {f"features.{index}" for index in (2, 5, 7, 10, 12, 14)}
    assert rules["features.0"].name == rules["features.17"].name == rules["classifier"].name == "epsilon"


def test_linear_over_the_channels_of_a_map_counts_as_a_convolution() -> None:
    network = canonical(networks.build("channels_last").module, tiny.picture())
    rules = rules_for(network, (torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)))
    assert (rules["first"].name, rules["second"].name, rules["fc"].name) == ("z+", "z+", "epsilon")


def test_bounds_follow_rescaling_and_padding_before_the_first_layer() -> None:
    """x * -2 + 1 and a border of zeros stand before the convolution: its bounds are -1..1 inside and 0 in
    the border."""

    class Rescaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(nn.functional.pad(x * -2.0 + 1.0, (1, 1, 1, 1))).mean((2, 3))

    network = canonical(Rescaled().eval(), torch.rand(1, 3, 8, 8))
    rule = rules_for(network, (torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)))["conv"]
    assert isinstance(rule, ZBox)
    inside = nn.functional.pad(torch.ones(1, 3, 8, 8), (1, 1, 1, 1))
    torch.testing.assert_close(rule.low, -inside)
    torch.testing.assert_close(rule.high, inside)


def test_sums_below_a_shift_are_shared_by_size_and_others_by_contribution() -> None:
    """Pre-activation: the residual sum feeds a batch norm that nothing can take up. ResNet: it feeds a
    ReLU and a convolution."""
    x = tiny.picture()
    box = (torch.zeros_like(x), torch.ones_like(x))

    def sums(name: str, **settings: str) -> list[bool]:
        network = canonical(networks.build(name).module, x)
        rules = rules_for(network, box, **settings)  # type: ignore[arg-type]
        return [rules[path].absolute for path in rules if isinstance(network.get_submodule(path), Add)]  # type: ignore[attr-defined]

    assert sums("residual") == [False]
    assert sums("pre_norm") == [True]
    assert sums("pre_norm", bias="drop") == [False]  # as Zennit


def test_cancelling_parts_do_not_blow_up_under_a_shift() -> None:
    left, right, relevance = torch.tensor([[1.0, 2.0]]), torch.tensor([[-0.999999, 2.0]]), torch.ones(1, 2)
    a, b = Share(absolute=True)(Add(), (left, right), left + right, relevance)
    torch.testing.assert_close(a + b, relevance, atol=1e-5, rtol=0)
    torch.testing.assert_close(a, torch.tensor([[0.5, 0.5]]), atol=1e-5, rtol=0)
    assert float(Share()(Add(), (left, right), left + right, relevance)[0].max()) > 1e5
