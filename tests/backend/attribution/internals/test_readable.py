"""Which layers are read, and where the final linear layer is: found by what is computed, refused in words."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import models
from app.core.errors import Incompatible
from backend.attribution.internals import linear_head
from backend.attribution.internals.lens import fit_lens
from backend.attribution.internals.linear_head import head_of
from backend.attribution.internals.readable import readable_layers
from tests import tiny
from tests.backend.attribution.internals.networks import calibration_inputs, published, read_names


@pytest.mark.parametrize(
    ("name", "unread"),
    [
        ("residual", {"bn0", "bn1", "bn2"}),
        ("mobile", {"block"}),
        ("fire", {"squeeze", "left"}),
        ("plain", set()),
    ],
)
def test_bare_numbers_before_an_activation_or_a_sum_are_listed_but_not_read(
    name: str, unread: set[str]
) -> None:
    listed = readable_layers(tiny.build(name))
    assert {part.name for part in listed if part.reason} == unread


def test_stages_are_taken_apart_into_their_blocks() -> None:
    names = read_names(published("torchvision:resnet18"))
    assert names == [
        "relu", "layer1.0", "layer1", "layer2.0", "layer2", "layer3.0", "layer3", "layer4.0", "layer4",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "products"), [("plain", ["linear"]), ("fire", ["conv2d"])])
def test_the_head_is_looked_for_among_products_with_as_many_results_as_there_are_classes(
    name: str, products: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inputs and results of every convolution of a ResNet-50 were copied: 350 MB, and a sixth of its first picture."""
    copied: list[str] = []
    product = linear_head._Product

    def noting(operation: str, *parts: Any) -> Any:
        copied.append(operation)
        return product(operation, *parts)

    monkeypatch.setattr(linear_head, "_Product", noting)
    head_of(tiny.build(name))
    assert copied == products


class _Functional(nn.Module):
    """A linear layer that is no module: its bias is added afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.weight, self.offset = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x)).mean((2, 3)) @ self.weight + self.offset


class _ConvolutionHead(nn.Module):
    """1 x 1 convolution, then global average pooling: linear in the pooled maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.maps = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.maps(self.act(self.conv(x))).mean((2, 3))


class _Cosine(nn.Module):
    """A cosine classifier: unit vectors, multiplied, scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.weight = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize
        return 16 * torch.nn.functional.linear(unit(self.act(self.conv(x)).mean((2, 3))), unit(self.weight))


class _RectifiedLater(_Functional):
    """The logits are cut off at zero, which inputs of ordinary strength never show."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(super().forward(x) + 100)


class _Distances(nn.Module):
    """Distances to prototypes: no linear layer gives the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 6, 3), nn.ReLU()
        self.prototypes = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -torch.cdist(self.act(self.conv(x)).mean((2, 3)), self.prototypes)


def _wrapped(module: nn.Module) -> models.Model:
    return models.wrap(module, labels=list("abcd"), input=models.ImageInput(size=(32, 32)))


@pytest.mark.parametrize(("build", "columns"), [(_Functional, 6), (_ConvolutionHead, 6), (_Cosine, 6)])
def test_the_final_linear_layer_is_found_by_what_it_computes(build: type[nn.Module], columns: int) -> None:
    torch.manual_seed(0)
    model = _wrapped(build())
    assert head_of(model).weight.shape == (4, columns)
    assert head_of(model).note is None
    out = fit_lens(model, calibration_inputs(20)).predict(tiny.picture())
    assert torch.allclose(out.logits[-1], model.logits(tiny.picture())[0], atol=1e-4)


def test_rectified_class_maps_are_their_own_head_and_it_is_said() -> None:
    lens = fit_lens(tiny.build("fire"), calibration_inputs(20))
    assert lens.note is not None
    assert "one map per class" in lens.note
    assert torch.equal(lens.head.weight, torch.eye(3, dtype=torch.float64))


def test_a_network_without_a_linear_head_is_refused_in_words() -> None:
    with pytest.raises(Incompatible, match="not a linear layer's") as error:
        fit_lens(_wrapped(_Distances()), calibration_inputs(20))
    assert error.value.instance_code == "no_linear_head"


def test_what_only_looks_like_a_linear_head_is_refused_by_the_calibration_inputs() -> None:
    torch.manual_seed(0)
    model = _wrapped(_RectifiedLater())
    assert head_of(model).weight.shape == (4, 6)
    with pytest.raises(Incompatible, match="not a linear layer's"):
        fit_lens(model, 1e4 * calibration_inputs(20))
