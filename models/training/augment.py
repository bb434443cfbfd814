"""Augmentation of spectrograms `x [n, 1, F, T]` in 0..1 over 80 dB. Random numbers come from the generator
only."""

from __future__ import annotations

import torch
from torch import Tensor

RANGE = 80.0
"""dB between 0 and 1."""


def spec_augment(
    x: Tensor, generator: torch.Generator, bands: int = 8, frames: int = 16, masks: int = 2
) -> Tensor:
    """SpecAugment (Park et al. 2019, arXiv 1904.08779): `masks` bands of frequency and of time are
    silenced, each of random width."""
    x = x.clone()
    n, _, height, width = x.shape
    for _ in range(masks):
        for side, size, most in ((2, height, bands), (3, width, frames)):
            length = torch.randint(most + 1, (n, 1), generator=generator)
            first = (torch.rand(n, 1, generator=generator) * (size - length + 1)).floor()
            place = torch.arange(size)
            hit = (place >= first) & (place < first + length)
            x[hit[:, None, :, None].expand_as(x) if side == 2 else hit[:, None, None, :].expand_as(x)] = 0
    return x


def other_room(
    x: Tensor, generator: torch.Generator, quiet: float = -70.0, loud: float = -35.0, tilt: float = 8.0
) -> Tensor:
    """The same sound as another line might have carried it: a random slope of the spectrum (up to `tilt` dB
    either way from end to end) and a random background of `quiet` to `loud` dB below the loudest cell, itself
    sloped, with the fluctuation of noise. Renormalised to the loudest cell. Meant to make background level
    and channel colour worthless as clues."""
    n, _, height, _ = x.shape
    slope = torch.linspace(-1, 1, height).view(1, 1, -1, 1)

    def draw() -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=generator)

    level = RANGE * (x - 1) + tilt * (2 * draw() - 1) * slope
    level = level - level.amax(dim=(1, 2, 3), keepdim=True)
    background = (
        quiet
        + (loud - quiet) * draw()
        + 15 * (2 * draw() - 1) * slope
        + 3 * torch.randn(x.shape, generator=generator)
    )
    both = 10 * torch.log10(10 ** (level / 10) + 10 ** (background / 10))
    return (1 + (both - both.amax(dim=(1, 2, 3), keepdim=True)) / RANGE).clamp(0, 1)
