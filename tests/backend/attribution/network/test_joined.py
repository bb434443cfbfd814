"""A convolution that does the ReLU after it gives the numbers of the two, and only where nothing else reads them."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from backend.attribution.network import bfloat16, joined
from backend.attribution.network.bfloat16 import BackwardInBfloat16, backward_in_bfloat16
from backend.attribution.network.joined import Joined, join
from backend.attribution.network.passes import Passes
from models import ImageInput, load, wrap
from models.hub import ensure_operations

SHAPE = (3, 33, 33)


class Written(nn.Module):
    """ReLUs as modules (one of them used twice), functions and methods; with and without bias, stride, groups."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.two = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False)
        self.three = nn.Conv2d(8, 16, 1)
        self.four = nn.Conv2d(16, 16, (3, 1), padding=(1, 0))
        self.relu, self.six = nn.ReLU(inplace=True), nn.ReLU6()
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.relu(self.one(x))
        x = self.relu(self.two(x))
        x = functional.relu(self.three(40 * x), inplace=True)
        x = self.six(self.four(x)) + self.four(x).relu()
        return self.head(x.mean((2, 3)))


class Read(nn.Module):
    """What a ReLU is not alone in reading, and what is no plain convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 3, 3, padding=1)
        self.same = nn.Conv2d(3, 3, 3, padding="same")
        self.round = nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")
        self.up = nn.ConvTranspose2d(3, 3, 3)

    def forward(self, x):
        y = self.one(x)
        y = y + torch.relu(y)
        return torch.relu(self.up(torch.relu(self.round(torch.relu(self.same(y)))))).mean((2, 3))


def traced(network: nn.Module) -> fx.GraphModule:
    return fx.symbolic_trace(network.eval()).requires_grad_(False).to(memory_format=torch.channels_last)


def batch(n: int = 5) -> torch.Tensor:
    x = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(0))
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_ways_to_write_a_relu_are_joined_and_the_numbers_stay(dtype):
    torch.manual_seed(0)
    network = traced(Written()).to(dtype)
    together = join(network)
    assert isinstance(together, Joined)
    graph = together.graph_module.graph
    assert not [node for node in graph.nodes if "relu" in str(node.target) or node.target == "six"]
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    for x in (batch(), batch(1), batch(3).contiguous()):
        with torch.inference_mode():
            expected, found = network(x.to(dtype)).float(), together(x.to(dtype)).float()
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(
            found,
            expected,
            rtol=0,
            atol=1e-5 if dtype == torch.float32 else 0.02 * float(expected.abs().max()),
        )
    assert all(torch.equal(before[name], weight) for name, weight in network.state_dict().items())


def test_the_upper_bound_of_a_relu6_is_kept():
    torch.manual_seed(0)
    network = traced(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6()))
    with torch.inference_mode():
        found = join(network)(30 * batch())
    assert (float(found.min()), float(found.max())) == (0.0, 6.0)


def test_what_is_read_twice_or_is_no_plain_convolution_stays():
    network = traced(Read())
    assert join(network) is network
    assert join(nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU())).__class__ is nn.Sequential  # not traced


@pytest.mark.parametrize("name", ["squeezenet1_1", "cnnexplain_synthetic", "shapes"])
def test_forward_passes_of_real_networks_are_joined_and_answer_as_the_module(name):
    model = load(name)
    plan = Passes.of(model).precise
    assert isinstance(plan.network, Joined)
    x = torch.rand(3, *model.input.shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = model.module(x), plan.network(plan.laid_out(x))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_shared_and_limited_relus_of_published_networks(name):
    ensure_operations()
    from torchvision import models as published

    torch.manual_seed(0)
    network = getattr(published, name)(weights=None).eval()
    for part in network.modules():  # statistics that are not those of an untrained network
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.5, 2)
    model = wrap(network, labels=[str(n) for n in range(1000)], input=ImageInput(size=(64, 64)))
    plan = Passes.of(model).precise
    assert isinstance(plan.network, Joined)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(
            plan.network(plan.laid_out(x)), network(x), rtol=1e-3, atol=1e-3 * float(network(x).abs().max())
        )


def test_where_the_operation_fails_passes_go_on_as_before(monkeypatch):
    """It is none of torch's public ones."""

    def refuses(*_):
        raise RuntimeError("no such operation")

    for place in (joined, bfloat16):
        monkeypatch.setattr(place, "limited", refuses)
    model = load("shapes")
    passes = Passes(type(model)(model.spec, model.module, model.digest, model.device))
    assert not isinstance(passes.precise.network, Joined)
    assert "folded" in passes.precise.description
    gradient = passes.plan("gradient")
    assert "folded" in gradient.description
    assert not any(getattr(part, "has_relu", False) for part in gradient.network.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_through_joined_relus_are_those_of_the_two(dtype):
    torch.manual_seed(0)
    network = traced(Written()).to(dtype)
    apart, together = backward_in_bfloat16(network, join=False), backward_in_bfloat16(network)
    assert sum(part.has_relu for part in together.modules() if isinstance(part, BackwardInBfloat16)) == 4

    def gradient(net: nn.Module) -> torch.Tensor:
        x = batch().to(dtype).requires_grad_()
        return torch.autograd.grad(net(x)[:, 0].sum(), x)[0].float()

    expected = gradient(apart)
    assert expected.abs().max() > 0
    # On another processor the joined sums may be rounded otherwise, and a number beside nought change its sign.
    torch.testing.assert_close(gradient(together), expected, rtol=0, atol=0.02 * float(expected.abs().max()))
