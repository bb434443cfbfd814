"""Subject of the measurements: one ResNet-18 of torchvision at 224 x 224 with seeded random weights, one
picture, one class, one segmentation.

Random weights cost what trained ones cost, and need no download. Ours and theirs get the same module, input,
class and segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import models
from backend.attribution.perturbation.segments import segments
from models import Model

ARCHITECTURE = "torchvision:resnet18"
PICTURE = Path(models.__file__).parent / "samples" / "image_striped.png"
SEGMENTS = 50
NOISE = 0.15


@dataclass(frozen=True, eq=False)
class Subject:
    """x: `[1, 3, 224, 224]`. black: the same with its evidence removed. cut: `[224, 224]`, about 50
    superpixels."""

    model: Model
    x: Tensor
    black: Tensor
    target: int
    cut: np.ndarray

    @property
    def module(self) -> nn.Module:
        return self.model.module

    @property
    def layer(self) -> nn.Module:
        """Where Grad-CAM looks."""
        return self.module.get_submodule(self.model.default_layer)

    @property
    def sigma(self) -> float:
        """SmoothGrad's noise on the network's scale."""
        return NOISE * float(self.x.max() - self.x.min())


@cache
def resnet_subject() -> Subject:
    """Built once per run."""
    return subject_of(network(ARCHITECTURE))


def subject_of(model: Model) -> Subject:
    """The picture, explained for the class that this model predicts."""
    x = model.prepare(PICTURE)
    with torch.no_grad():
        target = int(model.logits(x).argmax())
    return Subject(model, x, model.input.baseline(x, "black"), target, segments(model, x, "slic", SEGMENTS))


def network(key: str) -> Model:
    """An architecture with seeded random weights; importing torchvision anywhere else is safe after this."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, spec_input = models.architecture(key, 1000)
    return models.wrap(module, [f"class {i}" for i in range(1000)], spec_input)
