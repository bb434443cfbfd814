"""Any torch CNN as a Model: labels, single logits, layers, and your module left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import models
from app.core.errors import Incompatible, ModelRejected
from tests import tiny

SPEC = models.ImageInput(size=(20, 28))


@pytest.mark.parametrize("name", tiny.BUILDERS)
def test_a_wrapped_network_computes_what_it_computed(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = tiny.BUILDERS[name]().eval()
    x = tiny.picture()
    with torch.no_grad():
        wanted = module(x)
    labels = [str(i) for i in range(max(2, wanted.shape[1]))]
    model = models.wrap(module, labels=labels, input=models.ImageInput(size=(tiny.SIZE, tiny.SIZE)))
    with torch.no_grad():
        torch.testing.assert_close(model.module(x), wanted)
        for target in range(len(labels)):
            selected = model.select(model.module(x), target)
            expected = wanted[:, target] if wanted.shape[1] > 1 else wanted[:, 0] * (1 if target else -1)
            torch.testing.assert_close(selected, expected)
        torch.testing.assert_close(model.predict(x).sum(dim=1), torch.ones(1))
    if wanted.shape[1] == 1:
        assert model.single_logit
        torch.testing.assert_close(model.predict(x)[:, 1], torch.sigmoid(wanted[:, 0]))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("plain", "4"),
        ("batch_normed", "6"),
        ("residual", "relu"),
        ("dense", "relu_2"),
        ("mobile", "head"),
        ("fire", "classifier.0"),
    ],
)
def test_the_default_layer_is_the_last_block_after_its_activation(name: str, layer: str) -> None:
    model = tiny.build(name)
    assert model.default_layer == layer
    assert layer in {found.name for found in model.offered_layers}
    assert {found.name for found in model.offered_layers} <= {found.name for found in model.layers}


def test_the_activations_of_a_plain_sequence_are_layers_of_their_own() -> None:
    """A backbone without a pool was one single layer: nothing before its end could be looked at."""
    conv = lambda channels: nn.Conv2d(channels, 8, 3, padding=1)  # noqa: E731
    features = nn.Sequential(conv(3), nn.ReLU(), conv(8), nn.BatchNorm2d(8), nn.ReLU(), conv(8), nn.ReLU())
    nested = nn.Sequential(conv(3), nn.ReLU(inplace=True), nn.Sequential(conv(8), nn.ReLU()), nn.MaxPool2d(2))
    head = lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)]  # noqa: E731
    for backbone, wanted in ((features, ["0.1", "0.4", "0.6"]), (nested, ["0.1", "0.2"])):
        model = models.wrap(nn.Sequential(backbone, *head()), labels=["a", "b"], input=SPEC)
        assert [layer.name for layer in model.offered_layers] == wanted
        assert model.default_layer == wanted[-1]


def test_one_block_of_a_convolution_its_norm_and_its_activation_stays_one_layer() -> None:
    block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    model = models.wrap(nn.Sequential(block, *head), labels=["a", "b"], input=SPEC)
    assert [layer.name for layer in model.offered_layers] == ["0"]


def test_an_input_that_is_no_input_is_refused_in_words() -> None:
    with pytest.raises(ModelRejected, match=r"ImageInput\(size=\(224, 224\)\)"):
        models.wrap(tiny.BUILDERS["plain"](), labels=["a", "b"], input=(20, 28))  # type: ignore[arg-type]
    for size in (32, (32, 32, 3), ("a", 3)):
        with pytest.raises(ValueError, match="two whole numbers"):
            models.ImageInput(size=size)  # type: ignore[arg-type]


class Functional(nn.Module):
    """Activations and flattening as function calls, pools as modules: the idiom of the PyTorch tutorials."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.pool = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 8, 3), nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 3 * 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        return self.fc(self.pool(F.relu(self.conv2(x))).flatten(1))


def test_activations_that_are_function_calls() -> None:
    """The rectified values are no module's output: the call is given one, and everything else keeps its
    name."""
    model = models.wrap(Functional(), labels=["a", "b"], input=SPEC)
    assert model.default_layer == "relu_1"
    assert isinstance(model.module, Functional)
    assert [layer.kind for layer in model.layers if layer.name == "relu_1"] == ["relu"]
    assert [layer.shape for layer in model.layers if layer.name == "pool"] == [(8, 3, 5)]
    assert [layer.name for layer in model.offered_layers] == ["relu", "relu_1"]


def test_layers_are_listed_in_the_order_they_run_with_their_shapes() -> None:
    model = tiny.build("residual")
    names = [layer.name for layer in model.layers]
    assert names == ["stem", "bn0", "conv1", "bn1", "conv2", "bn2", "down", "relu"]
    assert model.layers[-1].shape == (16, 16, 16)
    for layer in model.layers:
        seen = []
        handle = model.module.get_submodule(layer.name).register_forward_hook(
            lambda m, i, o, seen=seen: seen.append(tuple(o.shape[1:]))
        )
        model.logits(tiny.picture())
        handle.remove()
        assert seen[-1] == layer.shape


def test_finding_layers_leaves_no_trace() -> None:
    module = tiny.BUILDERS["batch_normed"]()
    model = models.wrap(module, labels=list("abcd"), input=models.ImageInput(size=(32, 32)))
    state = torch.random.get_rng_state()
    assert model.layers
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(part._forward_hooks for part in model.module.modules())


def test_your_module_may_go_on_training() -> None:
    module = tiny.Plain().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    model = models.wrap(module, labels=["a", "b", "c"], input=models.ImageInput(size=(32, 32)))
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    with torch.no_grad():
        module[0].weight.zero_()
    assert torch.equal(model.module[0].weight, before["0.weight"])


def test_the_digest_tells_weights_apart() -> None:
    first, second, third = tiny.build("plain", 0), tiny.build("plain", 0), tiny.build("plain", 1)
    assert first.digest == second.digest != third.digest


def test_double_precision_networks_are_taken_as_single() -> None:
    model = models.wrap(tiny.Plain().double(), labels=["a", "b", "c"], input=models.ImageInput(size=(32, 32)))
    assert model.logits(tiny.picture()).dtype == torch.float32


def broken(weight: float) -> nn.Module:
    module = tiny.Plain()
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] = weight
    return module


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class WithAge(nn.Module):
    def forward(self, picture: Tensor, age: Tensor) -> Tensor:
        return picture.mean((2, 3)) * age


class Greedy(nn.Module):
    """Asks for a petabyte, as torch does when an activation does not fit."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.empty(1 << 48).sum() + x.mean((2, 3))


class NotANumber(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(-1 - x.mean((2, 3)).abs())


class Asserting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[-1] == 224, "wrong size"
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("module", "labels", "words"),
    [
        (tiny.Plain(), ["a", "b"], "3 outputs but 2 labels"),
        (tiny.Plain(), [], "3 outputs but 0 labels"),
        (tiny.Plain(outputs=1), ["a", "b", "c"], "1 outputs"),
        (broken(float("nan")), ["a", "b", "c"], "not finite"),
        (broken(float("inf")), ["a", "b", "c"], "not finite"),
        (nn.Sequential(nn.Conv2d(1, 3, 3)), ["a"], "cannot work on an input"),
        (nn.Conv2d(3, 3, 3), ["a", "b", "c"], "one row of logits"),
        (Pair(), ["a", "b"], "returns a tuple of 2"),
        (WithAge(), ["a", "b", "c"], "takes 2 inputs (picture, age)"),
        (Greedy(), ["a", "b", "c"], "more memory than there is"),
        (nn.Linear(1 << 22, 1 << 22, device="meta"), ["a"], "more memory than there is"),
        (NotANumber(), ["a", "b", "c"], "outputs are not finite"),
        (Asserting(), ["a", "b", "c"], "cannot work on an input of [3, 32, 32]"),
        ("a network", ["a"], "torch.nn.Module"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(module, labels, words) -> None:
    with pytest.raises(ModelRejected) as caught:
        models.wrap(module, labels=labels, input=models.ImageInput(size=(32, 32)))
    assert words in caught.value.detail


def test_a_network_without_feature_maps_is_wrapped_but_has_no_layer() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(SPEC.shape)), 2))
    model = models.wrap(linear, labels=["a", "b"], input=SPEC)
    assert model.layers == model.offered_layers == ()
    with pytest.raises(Incompatible):
        _ = model.default_layer
