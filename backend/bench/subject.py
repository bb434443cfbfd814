"""Subjects of the measurements: a ResNet-18 of torchvision at 224 x 224 with seeded random weights, or another
network; one input, one class, one segmentation.

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
from backend.attribution.perturbation.removal import is_sound
from backend.attribution.perturbation.segments import segments
from models import Model

ARCHITECTURE = "torchvision:resnet18"
SAMPLES = Path(models.__file__).parent / "samples"
PICTURE, SOUND = SAMPLES / "image_striped.png", SAMPLES / "sound_wheeze.flac"
SEGMENTS = 50
NOISE = 0.15


@dataclass(frozen=True, eq=False)
class Subject:
    """x: `[1, C, H, W]`. black: the same with its evidence removed. cut: `[H, W]`, about 50 superpixels or
    tiles."""

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
    """The picture or the recording, explained for the class that this model predicts."""
    x = model.prepare(SOUND if is_sound(model) else PICTURE)
    with torch.no_grad():
        target = int(model.logits(x).argmax())
    cut = segments(model, x, "tiles" if is_sound(model) else "slic", SEGMENTS)
    return Subject(model, x, model.input.baseline(x, model.input.baselines[0]), target, cut)


def network(key: str) -> Model:
    """An architecture with seeded random weights; importing torchvision anywhere else is safe after this."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, spec_input = models.architecture(key, 1000)
    return models.wrap(module, [f"class {i}" for i in range(1000)], spec_input)
