"""Networks that nobody here wrote: three families of timm, a user's module with functional ReLUs, an audio network
with its own spectrogram. Each is explained by the maps of the first page, with finite numbers and LRP that conserves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from models import hub

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 255, (70, 90, 3), dtype=np.uint8)
SOUND = (0.1 * RNG.standard_normal(9000).astype(np.float32), 8000)


def timm(name: str, classes: int, **more: object) -> nn.Module:
    hub.ensure_operations()
    from timm import create_model

    return create_model(name, num_classes=classes, **more)


class Lesions(nn.Module):
    """Grey, functional ReLUs and pools, one logit, a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 8, 5), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 12, 3)
        self.norm, self.out = nn.BatchNorm2d(8), nn.Linear(12, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.a(image)), 2)
        x = F.relu(x + self.norm(self.b(x)))
        x = F.adaptive_avg_pool2d(F.relu(self.c(x)), (1, 1))
        return self.out(torch.flatten(x, 1))


class Birds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, (5, 3)), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU()
        )  # fmt: skip
        self.head = nn.Linear(8, 3)

    def forward(self, spectrogram: Tensor) -> Tensor:
        return self.head(self.body(spectrogram).amax((2, 3)))


def log_power(waveform: Tensor) -> Tensor:
    spectrum = torch.stft(waveform, 256, 128, window=torch.hann_window(256), return_complex=True)
    return (spectrum.abs() ** 2 + 1e-6).log()


IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], models.InputSpec], int]] = {
    "resnet": (lambda: timm("resnet10t", 2), lambda: models.ImageInput(size=(64, 96), **IMAGENET), 2),
    "mobilenet": (lambda: timm("mobilenetv3_small_050", 1000), lambda: models.ImageInput(size=(64, 64), resize="crop", **IMAGENET), 1000),
    "convnext": (lambda: timm("convnext_atto", 1, in_chans=1), lambda: models.ImageInput(size=(64, 64), channels=1, mean=0.5, std=0.25), 2),
    "functional": (Lesions, lambda: models.ImageInput(size=(48, 40), channels=1), 2),
    "audio": (Birds, lambda: models.SpectrogramInput(log_power, rate=8000, seconds=1.0), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_nobody_here_wrote_is_explained(name: str) -> None:
    build, spec, classes = NETWORKS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build().eval()
    model = models.wrap(module, labels=[f"class {i}" for i in range(classes)], input=spec())
    x = model.prepare(SOUND if name == "audio" else PHOTO)
    with torch.no_grad():
        torch.testing.assert_close(model.module(x), module(x), atol=1e-5, rtol=1e-4)
    scores = model.predict(x)
    assert scores.shape == (1, classes)
    assert float(scores.sum()) == pytest.approx(1, abs=1e-4)
    for method, params in (("grad_cam", {}), ("lrp", {}), ("fused", {}), ("smooth_grad", {"n_samples": 4})):
        result = backend.explain(model, x, method=method, **params)
        assert result.values.shape == model.input.shape[1:]
        assert np.isfinite(result.values).all()
        assert result.values.any()
        if method == "lrp":
            assert result.extras["conservation"] == pytest.approx(1, abs=0.01)
