"""The last convolution for one class alone answers as the whole network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn

import backend
from backend.attribution.network.joined import OPERATION, join
from backend.attribution.network.narrowed import KEPT, explaining, is_narrowed, narrow
from backend.attribution.network.passes import Passes
from models import ImageInput, load, wrap
from models.model import Model

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, OPERATION), reason="this torch joins no convolution with its ReLU"
)
CLASSES = 12


class Convolutional(nn.Module):
    """tail: from the channels of the classes to the logits."""

    def __init__(self, tail: nn.Module, channels: int = CLASSES) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(inplace=True))
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(8, channels, 1))
        self.tail = tail

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.classifier(self.body(x)))


class Spatial(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Across(nn.Module):
    """Mixes the classes, by an operation that is known for keeping them apart."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) - x.mean((1, 2, 3))[:, None]


class Mixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, 1).mean((2, 3))


class Turned(nn.Module):
    """Reads rows for channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 3))


def traced(network: nn.Module) -> fx.GraphModule:
    torch.manual_seed(0)
    return fx.symbolic_trace(network.eval()).requires_grad_(False).to(memory_format=torch.channels_last)


def batch(n: int = 4, side: int = 25) -> Tensor:
    x = torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))
    return x.contiguous(memory_format=torch.channels_last)


TAILS = {
    "pooled": lambda: nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "mean": Spatial,
}


@pytest.mark.parametrize("tail", TAILS)
def test_one_channel_gives_the_logit_of_its_class(tail):
    network = join(traced(Convolutional(TAILS[tail]())))
    with torch.inference_mode():
        whole = network(batch()).clone()
        narrow(network)
        assert is_narrowed(network, batch())
        assert torch.equal(network(batch()), whole)
        for target in (*range(CLASSES), 0):  # more classes than are kept, and one of them again
            with explaining(target):
                alone = network(batch())
            assert alone.shape == (4, 1)
            torch.testing.assert_close(alone[:, 0], whole[:, target], rtol=1e-5, atol=1e-5)
        assert torch.equal(network(batch()), whole)
    assert CLASSES > KEPT


@pytest.mark.parametrize("tail", [Across, Mixed, Turned])
def test_classes_that_are_mixed_afterwards_are_left_whole(tail):
    network = join(traced(Convolutional(tail())))
    narrow(network)
    assert not is_narrowed(network, batch())


def test_a_single_logit_and_a_linear_end_are_left_whole():
    linear = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    )
    for network in (Convolutional(Spatial(), channels=1), linear):
        ready = join(traced(network))
        narrow(ready)
        assert not is_narrowed(ready, batch())


def test_a_module_that_was_not_traced_is_not_touched():
    network = Convolutional(Spatial()).eval()
    narrow(network)
    assert isinstance(network.classifier[1], nn.Conv2d)


def small() -> Model:
    torch.manual_seed(0)
    network = Convolutional(Spatial()).eval()
    return wrap(network, labels=[str(n) for n in range(CLASSES)], input=ImageInput(size=(25, 25)))


@pytest.mark.parametrize("make", [small, lambda: load("squeezenet1_1")], ids=["small", "squeezenet1_1"])
def test_runs_of_the_engine_are_narrowed_and_agree_with_the_module(make):
    model = make()
    passes = Passes.of(model)
    x = torch.rand(3, *model.input.shape, generator=torch.Generator().manual_seed(2))
    expected_scores = model.module(x)
    for target in (1, len(model.labels) - 1):
        run = passes.run(target, passes=64)
        assert run.plan("forward").narrowed
        scores, close = run.scores(x.clone()), 0.03 * float(expected_scores.detach().abs().max())
        torch.testing.assert_close(scores, expected_scores[:, target], rtol=0, atol=close)
        ends = run.exact_scores(x)
        torch.testing.assert_close(ends, expected_scores[:, target], rtol=1e-4, atol=1e-4)
        found, _ = run.gradients(x)
        leaf = x.clone().requires_grad_()
        expected = torch.autograd.grad(model.module(leaf)[:, target].sum(), leaf)[0]
        assert float(torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1]) > 0.98


def test_metrics_still_read_all_classes():
    """The same plan answers them, after maps of one class were made on it."""
    model = small()
    x = torch.rand(1, *model.input.shape)
    backend.explain(model, x, "occlusion", target=3)
    plan = Passes.of(model).precise
    assert plan.narrowed
    with torch.inference_mode():
        torch.testing.assert_close(plan.network(plan.laid_out(x)), model.module(x), rtol=1e-4, atol=1e-5)
