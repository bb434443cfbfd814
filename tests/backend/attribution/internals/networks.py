"""Networks and inputs that several tests of the layer lens share."""

from __future__ import annotations

import torch
from torch import nn

import models
from backend.attribution.internals.readable import readable_layers
from tests import tiny


def calibration_inputs(count: int, size: int = tiny.SIZE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    coarse = torch.randn(count, 3, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def vgg() -> nn.Module:
    parts: list[nn.Module] = []
    inputs = 3
    for width, pooled in ((8, True), (16, True), (32, False), (32, True), (64, False), (64, True)):
        parts += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        parts += [nn.MaxPool2d(2)] if pooled else []
        inputs = width
    head = [nn.Linear(64 * 16, 40), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(40, 7)]
    return nn.Sequential(*parts, nn.Flatten(), *head)


def published(key: str, size: int = 64) -> models.Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if key == "vgg":  # torchvision's own holds 120 million numbers in its head
            module: nn.Module = vgg()
        else:
            module, _ = models.architecture(key, 7)
    return models.wrap(module, [f"class {i}" for i in range(7)], models.ImageInput(size=(size, size)))


def read_names(model: models.Model) -> list[str]:
    return [part.name for part in readable_layers(model) if part.reason is None]
