"""ReLU masks behind poolings and concatenations give the gradients of masks in their place, bit by bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from backend.attribution.network import bfloat16, joined
from backend.attribution.network.bfloat16 import BackwardInBfloat16, backward_in_bfloat16
from backend.attribution.network.late_masks import Masked
from models.hub import ensure_operations

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, joined.OPERATION), reason="this torch joins no convolution with its ReLU"
)


class Branches(nn.Module):
    """One of each: a ReLU before a pooling, two before a concatenation and then a pooling, one that is read twice, and a
    concatenation with something that has no ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2)
        self.left, self.right = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 3, padding=1)
        self.twice, self.plain, self.relued = (nn.Conv2d(8, 8, 1) for _ in range(3))
        self.pool, self.head = nn.MaxPool2d(3, 2, ceil_mode=True), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.first(x)))
        x = functional.max_pool2d(torch.cat([torch.relu(self.left(x)), functional.relu(self.right(x))], 1), 2)
        x = torch.relu(self.twice(x))
        x = self.pool(x) + x.mean((2, 3), keepdim=True)
        x = torch.cat([self.plain(x), torch.relu(self.relued(x))], dim=1)
        return self.head(x.mean((2, 3)))


def gradient(network: nn.Module, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(network(leaf)[:, 1].sum(), leaf)[0]


def both(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> tuple[nn.Module, nn.Module]:
    """With the masks in their places, and late."""
    with monkeypatch.context() as patch:
        patch.setattr(bfloat16, "mask_late", lambda *_: None)
        early = backward_in_bfloat16(network)
    return early, backward_in_bfloat16(network)


def masks(network: nn.Module) -> tuple[int, int]:
    """Late ones, and those that are taken in their places."""
    own = [part for part in network.modules() if isinstance(part, BackwardInBfloat16) and part.has_relu]
    return sum(isinstance(part, Masked) for part in network.modules()), sum(part.masks for part in own)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_masks_move_where_nothing_else_reads_and_gradients_keep_their_bits(dtype, monkeypatch):
    torch.manual_seed(0)
    network = fx.symbolic_trace(Branches().eval()).requires_grad_(False).to(dtype)
    early, late = both(network, monkeypatch)
    assert masks(early) == (0, 5)
    assert masks(late) == (2, 2)
    x = torch.randn(3, 3, 41, 37).to(dtype, memory_format=torch.channels_last)
    expected = gradient(early, x)
    assert float(expected.float().abs().max()) > 0
    assert torch.equal(gradient(late, x), expected)
    assert torch.equal(late(x), early(x))


@pytest.mark.parametrize(("name", "late"), [("squeezenet1_1", 9), ("resnet18", 1), ("vgg11", 5)])
def test_masks_of_published_networks(name, late, monkeypatch):
    ensure_operations()
    from torch.fx.experimental.optimization import fuse
    from torchvision import models as published

    torch.manual_seed(0)
    network = fuse(getattr(published, name)(weights=None).eval()).requires_grad_(False)
    early, moved = both(network, monkeypatch)
    assert masks(moved)[0] == late
    x = torch.randn(2, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    assert torch.equal(gradient(moved, x), gradient(early, x))
