"""Layer and neuron attributions: slow second implementations at every layer, limit cases, completeness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from app.core.errors import BadParameter
from backend.attribution.methods import METHODS
from backend.attribution.network.activations import activations_and_gradients
from backend.attribution.network.captum_adapter import LayerForward
from backend.attribution.types import Attribution
from tests.backend.attribution.methods.test_gradients import target_of
from tests.tiny import build, picture

EVERY = [
    (name, layer.name) for name in ("batch_normed", "residual", "mobile") for layer in build(name).layers
]
"""Batch norm before an in-place ReLU; a ReLU that runs three times; ReLU6 and a sum that is not rectified."""
LAYER = ("layer_grad_x_activation", "layer_conductance", "internal_influence")
BOTTLENECKS = {"plain": "4", "batch_normed": "7", "residual": "relu", "dense": "relu_2", "mobile": "head"}
"""All paths go through them, and the network is linear behind them: the sum over steps is exact."""


def close(actual: np.ndarray, expected: Tensor, rtol: float = 1e-4) -> None:
    assert expected.abs().max() > 0
    np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=rtol * float(expected.abs().max()))


def agree(result: Attribution, shares: Tensor) -> None:
    """shares: `[C, h, w]`, by the second implementation."""
    close(result.stages["native"].values, shares.sum(0))
    close(result.arrays["channels"], shares.sum((1, 2)))
    enlarged = F.interpolate(shares.sum(0)[None, None], size=(32, 32), mode="bilinear")[0, 0]
    close(result.values, enlarged)
    assert result.native == tuple(shares.shape[1:])


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_layer_grad_x_activation_by_hand(name, layer):
    model, x = build(name), picture()
    activations, gradients = activations_and_gradients(model, x, layer, 1)
    agree(
        backend.explain(model, x, "layer_grad_x_activation", target=1, layer=layer),
        (activations * gradients)[0],
    )


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_layer_path_methods_by_hand(name, layer):
    """One point of the path at a time, each with a graph of its own."""
    model, x = build(name), picture()
    start, n = model.input.baseline(x), 5
    points = [activations_and_gradients(model, start + i / n * (x - start), layer, 1) for i in range(n + 1)]
    conductance = sum((points[i + 1][0] - points[i][0]) * points[i][1] for i in range(n))
    agree(backend.explain(model, x, "layer_conductance", target=1, layer=layer, n_steps=n), conductance[0])
    alphas, weights = np.polynomial.legendre.leggauss(n)
    influence = sum(
        weight / 2 * activations_and_gradients(model, start + (alpha + 1) / 2 * (x - start), layer, 1)[1]
        for alpha, weight in zip(alphas, weights, strict=True)
    )
    agree(
        backend.explain(model, x, "internal_influence", target=1, layer=layer, n_steps=n),
        influence[0].float(),
    )


@pytest.mark.parametrize("method", [*LAYER[1:], "neuron_integrated_gradients"])
def test_images_held_at_once_do_not_change_the_result(method, monkeypatch):
    """One batch, the fewest that Captum can do with, and an odd number; the passes spent are those declared."""
    model, x, results = build("residual"), picture(), []
    for batch in (2, 3, 8, 20):
        monkeypatch.setattr(LayerForward, "batch", staticmethod(lambda model, batch=batch: batch))
        result = backend.explain(model, x, method, target=1, n_steps=12)
        declared = METHODS[method].cost(model, METHODS[method].Params(n_steps=12))
        assert (result.forwards, result.backwards) == (declared.forwards, declared.backwards)
        results.append(result)
    for other in results[1:]:
        close(other.values, torch.from_numpy(np.array(results[0].values)), 1e-5)
        if "channels" in other.arrays:
            close(other.arrays["channels"], torch.from_numpy(np.array(results[0].arrays["channels"])), 1e-5)


def test_large_layers_are_sent_in_smaller_batches(monkeypatch):
    model = build("plain")
    assert LayerForward.batch(model) == 8
    image = 4 * sum(np.prod(layer.shape) for layer in model.layers)
    monkeypatch.setattr("backend.attribution.network.captum_adapter.INNER_BYTES", 5 * int(image))
    assert LayerForward.batch(model) == 5
    monkeypatch.setattr("backend.attribution.network.captum_adapter.INNER_BYTES", int(image))
    assert LayerForward.batch(model) == 3


@pytest.mark.parametrize("name", list(BOTTLENECKS))
def test_conductance_is_complete_where_all_paths_go_through(name):
    model, x, target = build(name), picture(), target_of(name)
    result = backend.explain(model, x, "layer_conductance", target=target, n_steps=6, layer=BOTTLENECKS[name])
    with torch.no_grad():
        ends = [float(model.module(end.clone())[0, target]) for end in (x, model.input.baseline(x))]
    assert result.arrays["channels"].sum() == pytest.approx(ends[0] - ends[1], rel=1e-3)
    assert result.gap < 1e-3
    assert result.notes == ()


def test_conductance_behind_curves_becomes_complete_with_more_steps():
    model, x = build("batch_normed"), picture()
    few, many = (
        backend.explain(model, x, "layer_conductance", target=0, layer="2", n_steps=n).gap for n in (10, 160)
    )
    assert few / many > 8
    assert many < 0.05


def test_shortcut_past_the_layer_is_told():
    """y = sum(x) + sum(conv(x)): the layer carries one of the two."""

    class Bypassed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).mean((1, 2, 3)) + x.mean((1, 2, 3))
            return torch.stack([y, -y], 1)

    torch.manual_seed(0)
    model = models.wrap(Bypassed(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    result = backend.explain(model, picture(), "layer_conductance", target=0, layer="conv", n_steps=4)
    assert result.gap > 0.05
    assert any("no shortcut passes by" in note for note in result.notes)


@pytest.mark.parametrize("method", LAYER)
def test_behind_the_layer_linear(method):
    """On a network that ends in global pooling and a linear layer, the gradient is weight / cells everywhere."""
    model, x = build("plain"), picture()
    weights = model.module[7].weight[1].detach() / 256
    with torch.no_grad():
        here, there = (nn.Sequential(*list(model.module)[:5])(end)[0] for end in (x, model.input.baseline(x)))
    expected = {
        "layer_grad_x_activation": here,
        "layer_conductance": here - there,
        "internal_influence": torch.ones_like(here),
    }
    agree(backend.explain(model, x, method, target=1, layer="4"), weights[:, None, None] * expected[method])


# -- feature maps ---------------------------------------------------------------------------------------------------------------------


def by_hook(model: models.Model, layer: str, x: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Means of the layer's maps at its last call `[C]`, the gradient of one of them at the input summed over
    channels `[H, W]`, and as it is `[C, H, W]`."""
    outputs: list[Tensor] = []

    def keep(module, inputs, output):
        outputs[:] = [output.clone()]

    handle = model.module.get_submodule(layer).register_forward_hook(keep)
    leaf = x.clone().requires_grad_(True)
    model.module(leaf.clone())
    handle.remove()
    means = outputs[0][0].mean((1, 2))
    (gradient,) = torch.autograd.grad(means[number], leaf)
    return means.detach(), gradient[0].sum(0), gradient[0]


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_neuron_gradient_by_hand(name, layer):
    model, x = build(name), picture()
    strongest = backend.explain(model, x, "neuron_gradient", layer=layer)
    means, gradient, _ = by_hook(model, layer, x, int(strongest.extras["feature_map"]))
    close(strongest.values, gradient)
    assert strongest.extras["feature_map"] == int(means.argmax())
    assert strongest.extras["activation"] == pytest.approx(float(means.max()), rel=1e-4, abs=1e-7)
    close(
        backend.explain(
            model, x, "neuron_gradient", layer=layer, feature_map=int(means.argsort()[-2])
        ).values,
        by_hook(model, layer, x, int(means.argsort()[-2]))[1],
    )


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_neuron_integrated_gradients_by_hand(name, layer):
    """One point of the path at a time, by a hook of the test's own."""
    model, x, n = build(name), picture(), 5
    result = backend.explain(model, x, "neuron_integrated_gradients", layer=layer, n_steps=n)
    start, number = model.input.baseline(x), result.extras["feature_map"]
    alphas, weights = np.polynomial.legendre.leggauss(n)
    expected = sum(
        weight
        / 2
        * by_hook(model, layer, start + float(alpha + 1) / 2 * (x - start), number)[2]
        * (x - start)[0]
        for alpha, weight in zip(alphas, weights, strict=True)
    )
    close(result.values, expected.sum(0).float())
    here, there = (float(by_hook(model, layer, end, number)[0][number]) for end in (x, start))
    assert result.extras["activation"] == pytest.approx(here, rel=1e-4, abs=1e-7)
    assert result.extras["baseline_activation"] == pytest.approx(there, rel=1e-4, abs=1e-7)
    assert result.gap == pytest.approx(
        abs(float(expected.sum()) - (here - there)) / abs(here - there), abs=1e-3
    )


def test_neuron_integrated_gradients_become_complete_with_more_steps():
    model, x = build("residual"), picture()
    rough, fine = (backend.explain(model, x, "neuron_integrated_gradients", n_steps=n) for n in (2, 100))
    assert fine.gap < 0.01 < rough.gap
    assert fine.notes == ()


def test_neuron_gradient_does_not_ask_for_the_class():
    model, x = build("residual"), picture()
    first = backend.explain(model, x, "neuron_gradient", feature_map=3)
    assert first.extras["explains"] == f"feature map 3 of {model.default_layer}"
    maps = [
        backend.explain(model, x, "neuron_gradient", target=target, feature_map=3).values for target in (0, 2)
    ]
    np.testing.assert_array_equal(*maps)
    other = backend.explain(model, x, "neuron_gradient", target=0, feature_map=4).values
    assert not np.array_equal(maps[0], other)


@pytest.mark.parametrize("method", ["neuron_gradient", "neuron_integrated_gradients"])
def test_feature_map_that_the_layer_does_not_have_is_refused(method):
    with pytest.raises(BadParameter, match="12 feature maps, numbered from 0 to 11") as caught:
        backend.explain(build("plain"), picture(), method, layer="4", feature_map=12)
    assert caught.value.field == "params.feature_map"


def test_even_influence_says_why_and_what_to_do():
    model, x = build("plain"), picture()
    told = {
        layer: backend.explain(model, x, "internal_influence", target=1, layer=layer, n_steps=4).notes
        for layer in ("1", "4")
    }
    assert not any("same everywhere" in note for note in told["1"])
    assert any("Choose an earlier layer" in note for note in told["4"])
