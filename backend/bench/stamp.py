"""The stamp of a network, which every explanation computes to notice edited weights, beside one forward pass."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from backend.attribution.network.cache import stamp
from backend.bench.harness import Row, Setting, seconds, versus
from backend.bench.subject import network

TITLE = "The stamp of a network: one forward pass / the stamp"
ORDER = 12
NETWORKS = ("torchvision:squeezenet1_1", "torchvision:resnet18", "torchvision:resnet50")
REPEATS = 5


def rows(setting: Setting) -> Iterator[Row]:
    """One row per network."""
    for key in NETWORKS:
        model = network(key)
        x = torch.zeros(1, *model.input.shape)
        size = sum(tensor.nbytes for tensor in model.module.state_dict().values()) / 2**20

        def forward(module: torch.nn.Module = model.module, x: torch.Tensor = x) -> None:
            with torch.inference_mode():
                module(x)

        setting.tell(key)
        stamp(model)
        forward()
        pairs = [(seconds(lambda: stamp(model)), seconds(forward)) for _ in range(REPEATS)]  # noqa: B023
        yield versus(key.partition(":")[2], "one forward pass", pairs, goal=None, note=f"{size:.0f} MiB.")
