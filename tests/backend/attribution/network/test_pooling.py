"""Max pooling of bfloat16 by its bits."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from backend.attribution.network.joined import OPERATION, Joined, join
from backend.attribution.network.pooling import PositivePooling


def test_every_window_step_and_border_gives_the_numbers_of_torch():
    rng, seen = torch.Generator().manual_seed(0), 0
    for height, width, kernel, stride, padding, ceil_mode in itertools.product(
        (5, 8, 13), (6, 9), (2, 3, (3, 2), 5), (1, 2, 3, (2, 1)), (0, 1, (1, 0)), (False, True)
    ):
        pool = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
        x = torch.randn(2, 3, height, width, generator=rng).relu().bfloat16()
        for given in (x, x.contiguous(memory_format=torch.channels_last)):
            assert torch.equal(PositivePooling(pool)(given), pool(given))
        seen += 1
    assert seen == 576


class Pools(nn.Module):
    """A pooling that is used three times: of a ReLU, of a concatenation of such, and of what may be negative."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        nn.init.constant_(self.three.bias, -5.0)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.kept = nn.MaxPool2d(2, 1, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.one(x)))
        x = self.pool(torch.cat([x, functional.relu(self.two(x))], 1))[:, :3]
        x = self.kept(self.pool(self.three(x)))
        return x.mean((2, 3))


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, OPERATION), reason="this torch joins no convolution")
@pytest.mark.parametrize(("dtype", "places"), [(torch.bfloat16, 2), (torch.float32, 0)])
def test_only_what_cannot_be_negative_is_pooled_by_its_bits(dtype, places):
    torch.manual_seed(0)
    network = fx.symbolic_trace(Pools().eval()).requires_grad_(False)
    network = network.to(dtype, memory_format=torch.channels_last)
    x = torch.randn(2, 3, 32, 32).to(dtype, memory_format=torch.channels_last)
    together = join(network)
    assert isinstance(together, Joined)
    assert sum(isinstance(part, PositivePooling) for part in together.graph_module.modules()) == places
    with torch.inference_mode():
        expected = network(x)
        assert expected.max() < 0
        torch.testing.assert_close(
            together(x), expected, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-2
        )
