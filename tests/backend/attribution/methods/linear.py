"""A model whose maps are known in closed form: linear in the input, hence in any segments."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import models

INPUT = models.ImageInput(size=(32, 32))


def linear() -> models.Model:
    """Linear in the input, hence in any segments."""
    torch.manual_seed(3)
    return models.wrap(nn.Sequential(nn.Flatten(), nn.Linear(3072, 3)), labels=["a", "b", "c"], input=INPUT)


def segment_sums(model: models.Model, x: Tensor, labels: np.ndarray, target: int) -> np.ndarray:
    weights = model.module[1].weight[target].view(3, 32, 32).detach()
    difference = ((x - model.input.baseline(x))[0] * weights).sum(0).double().numpy()
    return np.bincount(labels.ravel(), weights=difference.ravel())
