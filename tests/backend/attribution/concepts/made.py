"""Feature maps without a network: sets of examples whose truth is known, hundreds of draws in a second."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.attribution.concepts.attribution import Field
from backend.attribution.concepts.vectors import Activations

CHANNELS, SIDE = 12, 4


class Made(Activations):
    """Activations of examples whose feature maps `[N, C, h, w]` are given."""

    def __init__(self, features: Tensor) -> None:
        self.pooled = features.mean((2, 3))
        self._kept = [features]


def examples(count: int, generator: torch.Generator, planted: float = 0.0) -> Made:
    """Feature maps after a ReLU; examples differ from one another, more in some channels than in others.
    planted: how much of a concept, a pattern of its own in a part of the picture, is in each."""
    spread = torch.linspace(0.3, 1.5, CHANNELS)[None, :, None, None]
    of_example = torch.randn(count, CHANNELS, 1, 1, generator=generator) * spread
    features = of_example + torch.randn(count, CHANNELS, SIDE, SIDE, generator=generator)
    features[:, 3:6, 1:3, 1:3] += planted
    return Made(torch.relu(features))


def field(generator: torch.Generator, planted: float = 0.0, counts: float = 0.0) -> Field:
    """An input and what speaks for one class in it. counts: how much of that lies on the concept's
    channels and places."""
    features = examples(1, generator, planted)._kept[0][0]
    values = features * torch.rand(CHANNELS, SIDE, SIDE, generator=generator)
    values[3:6, 1:3, 1:3] *= 1 + counts
    values /= values.sum()
    slopes = torch.randn(1, CHANNELS, generator=generator)
    slopes[:, 3:6] += counts
    nothing = torch.zeros(1)
    return Field(
        features, values[None], torch.zeros_like(values)[None], slopes, torch.ones(1), nothing, nothing, (0,)
    )
