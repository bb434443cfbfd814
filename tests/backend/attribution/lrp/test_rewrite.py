"""The canonical network computes what the original computes, holds only known kinds, and leaves the
original alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from app.core.errors import Incompatible
from backend.attribution.lrp.layers import (
    ACTIVATIONS,
    WEIGHTED,
    Activation,
    Add,
    Affine,
    Average,
    Gate,
    Move,
    Normalise,
)
from backend.attribution.lrp.prepared import Settings, relevance
from backend.attribution.lrp.rewrite import canonical
from tests import tiny
from tests.backend.attribution.lrp import networks

KINDS = (*WEIGHTED, *ACTIVATIONS, Activation, Add, Affine, Average, Gate, Move, Normalise)


def leaves(network: nn.Module) -> list[nn.Module]:
    return [part for part in network.modules() if not list(part.children())]


@pytest.mark.parametrize("name", networks.NAMES)
def test_same_logits_on_inputs_it_has_not_seen(name: str) -> None:
    model = networks.build(name)
    network = canonical(model.module, torch.zeros(1, 3, tiny.SIZE, tiny.SIZE))
    batch = torch.cat([tiny.picture(seed) for seed in range(3)])
    with torch.no_grad():
        torch.testing.assert_close(network(batch), model.module(batch), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", networks.NAMES)
def test_only_known_kinds_none_shared_none_in_place(name: str) -> None:
    network = canonical(networks.build(name).module, tiny.picture())
    assert all(isinstance(part, KINDS) for part in leaves(network))
    targets = [node.target for node in network.graph.nodes if node.op not in ("placeholder", "output")]
    assert all(
        node.op == "call_module" for node in network.graph.nodes if node.op not in ("placeholder", "output")
    )
    assert len(targets) == len(set(targets))
    assert not any(getattr(part, "inplace", False) for part in network.modules())


@pytest.mark.parametrize("name", networks.NAMES)
def test_the_original_is_untouched(name: str) -> None:
    model = networks.build(name)
    before = copy.deepcopy(model.module.state_dict())
    parts = {path: (id(part), getattr(part, "inplace", None)) for path, part in model.module.named_modules()}
    network = canonical(model.module, tiny.picture())
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    assert {
        path: (id(part), getattr(part, "inplace", None)) for path, part in model.module.named_modules()
    } == parts
    assert all(torch.equal(value, before[key]) for key, value in model.module.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_unmerged_weights_are_shared_not_copied() -> None:
    model = networks.build("plain")
    network = canonical(model.module, tiny.picture())
    assert {p.data_ptr() for p in network.parameters()} == {p.data_ptr() for p in model.module.parameters()}


def test_batch_norm_is_merged_where_it_follows_and_kept_where_it_leads() -> None:
    merged = canonical(networks.build("batch_normed").module, tiny.picture())
    assert not any(isinstance(part, Affine) for part in leaves(merged))
    dense = canonical(networks.build("dense").module, tiny.picture())
    assert (
        sum(isinstance(part, Affine) for part in leaves(dense)) == 3
    )  # each follows a concatenation or a pooling


def test_a_convolution_with_a_second_reader_keeps_its_batch_norm_apart() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.fc((torch.relu(self.norm(x)) + x).mean((2, 3)))

    module = Twice()
    networks.shake(module)
    network = canonical(module.eval(), tiny.picture())
    assert sum(isinstance(part, Affine) for part in leaves(network)) == 1


def test_transposed_and_grouped_convolutions_take_up_batch_norm() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ConvTranspose2d(8, 6, 3, groups=2),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, 3, groups=3),
        nn.BatchNorm2d(6),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    networks.shake(module)
    x = tiny.picture()
    network = canonical(module.eval(), x)
    assert not any(isinstance(part, Affine) for part in leaves(network))
    torch.testing.assert_close(network(x), module(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (lambda x: torch.softmax(x, 1).mean((2, 3)), "softmax"),
        (lambda x: (x * x).mean((2, 3)), "product of two feature maps"),
        (lambda x: (x - x.mean((2, 3), keepdim=True)).mean((2, 3)), "difference"),
        (lambda x: torch.sort(x.mean((2, 3)))[0], "sort"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(forward: object, why: str) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return forward(x)  # type: ignore[operator]

    with pytest.raises(Incompatible, match=why):
        canonical(Odd(), tiny.picture())


def test_writing_into_a_part_is_refused() -> None:
    class Writes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x + 0.0
            x[:, 0] = 1.0
            return x.mean((2, 3))

    with pytest.raises(Incompatible, match="fixed sequence"):
        canonical(Writes(), tiny.picture())


def test_branching_on_values_is_refused_in_plain_words() -> None:
    with pytest.raises(Incompatible, match="fixed sequence") as caught:
        canonical(networks.Branching().eval(), tiny.picture())
    assert "Use Grad-CAM" in caught.value.detail
    assert "Error" not in caught.value.detail


def test_an_unknown_layer_is_named_with_its_path() -> None:
    class Strange(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x)

    with pytest.raises(Incompatible, match=r"body\.1.*LocalResponseNorm"):
        canonical(Strange(), tiny.picture())


def test_a_norm_by_function_is_the_norm_by_module() -> None:
    """Step by step the same relevance, group norm and rectifiers included."""
    x = tiny.picture(2)
    found, wanted = (
        relevance(networks.build(name), x, 1, Settings()).relevance for name in ("functional_norms", "norms")
    )
    assert float(wanted.abs().max()) > 0
    torch.testing.assert_close(found, wanted)
