"""A small training that the tests of the recorder record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from app.core.training_results import History
from backend.attribution.internals.recorder import HISTORY, Recorder


def data(n: int = 40) -> tuple[Tensor, Tensor]:
    """Squares that are bright in the first channel or not."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(n, 3, 12, 12, generator=generator), torch.arange(n) % 2
    x[:, 0] += y[:, None, None]
    return x, y


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(8, 2),
        )


def step(net: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    net.train()
    loss = F.cross_entropy(net(x), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


def read(folder: Path) -> History:
    return History.model_validate_json((folder / HISTORY).read_text())


def record(net: nn.Module, folder: Path, epochs: int = 2, **options: Any) -> History:
    x, y = data()
    optimiser = torch.optim.SGD(net.parameters(), 0.2)
    with Recorder(net, options.pop("calibration", (x, y)), folder, **options) as recorder:
        for _ in range(epochs):
            recorder.epoch(loss=step(net, optimiser, x, y))
    return read(folder)
