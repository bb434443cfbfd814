"""Networks with planted filters: twins, dead ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import models

SIZE = 16
TWINS, DEAD = (2, 5), 6


def wrapped(module: nn.Module, outputs: int = 3, channels: int = 3) -> models.Model:
    return models.wrap(
        module,
        labels=[f"class {number}" for number in range(outputs)],
        input=models.ImageInput(size=(SIZE, SIZE), channels=channels),
    )


def network(split: bool = True) -> models.Model:
    """Layer `1` has 8 filters. Number 6 is dead; number 5 is a copy of number 2, and each carries half of what number 2
    says to the rest; without `split`, number 5 is dead too, and number 2 says it alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 10, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(10, 3),
        )
    first, second, last = module[0], module[2], module[6]
    with torch.no_grad():
        first.weight *= 2
        second.weight *= 3
        last.weight *= 4
        kept, copy = TWINS
        first.weight[DEAD], first.bias[DEAD] = 0, -1
        first.weight[copy], first.bias[copy] = first.weight[kept], first.bias[kept]
        second.weight[:, copy] = second.weight[:, kept]
        if split:
            second.weight[:, [kept, copy]] /= 2
        else:
            first.weight[copy], first.bias[copy] = 0, -1
    return wrapped(module)


def inputs(count: int = 24, seed: int = 1, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, channels, 4, 4, generator=generator)
    return nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear") + 0.3 * torch.randn(
        count, channels, SIZE, SIZE, generator=generator
    )
