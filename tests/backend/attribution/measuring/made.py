"""Maps and regions made by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import backend
import models
from backend.attribution.types import Attribution


def region(size: int = 32) -> np.ndarray:
    """A rectangle off the middle, bool `[H, W]`."""
    mask = np.zeros((size, size), bool)
    mask[size // 8 : size // 2, size // 2 : size - 3] = True
    return mask


def map_of(values: np.ndarray, **more) -> Attribution:
    values = np.asarray(values, np.float32)
    return Attribution(values=values, signed=bool(values.min() < 0), native=values.shape, **more)


def noise(seed: int = 0, size: int = 32) -> np.ndarray:
    """Signed, float32 `[H, W]`."""
    return np.random.default_rng(seed).standard_normal((size, size)).astype(np.float32)


def one_channel() -> tuple[models.Model, torch.Tensor]:
    """A small network for pictures of one channel on the scale 0 to 1, black is 0; and an input."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        net = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(6 * 64, 3)
        )
        x = torch.rand(1, 1, 32, 32)
    spec = models.ImageInput(size=(32, 32), mean=0.0, std=1.0, channels=1)
    return models.wrap(net, labels=["a", "b", "c"], input=spec), x


def value(model, x, result, key, mask=None, **params) -> float:
    """The score, which there must be."""
    score = backend.evaluate(model, x, result, key, mask, **params)
    assert score.value is not None, score.note
    return score.value


def grey_linear():
    """One channel, black is 0, two classes: y_1 = <w, x>. The network, an input, w."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.from_numpy(np.random.default_rng(3).standard_normal((2, 256))))
    spec = models.ImageInput(size=(16, 16), mean=0.0, std=1.0, channels=1)
    x = torch.from_numpy(np.random.default_rng(4).random((1, 1, 16, 16)).astype(np.float32))
    return models.wrap(net, labels=["a", "b"], input=spec), x, net[1].weight[1].detach().view(16, 16).numpy()
