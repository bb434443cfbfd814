"""An input as a network has it in front of its answer: how strongly each filter of its last layer with places answers, and
what each adds to a class.

    z_d = mean over places of A_d            the embedding, A the layer's maps
    r_d = sum over places of A_d dy_c/dA_d   what filter d adds to the logit y_c, to first order

Where pooled maps go into one linear layer with weights w, r_d = w_cd z_d exactly.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backend.attribution.network.activations import activations_and_gradients, up_to
from backend.attribution.network.cache import steady
from models.model import Model

BATCH = 32


def embedded(model: Model, x: Tensor) -> np.ndarray:
    """z, float64 `[N, D]`, of x `[N, C, H, W]`."""
    with steady(model), torch.no_grad():
        parts = [
            up_to(model, model.default_layer, part.to(model.device)).mean((2, 3)) for part in x.split(BATCH)
        ]
    return torch.cat(parts).double().cpu().numpy()


def embedded_for(model: Model, x: Tensor, target: int) -> tuple[np.ndarray, np.ndarray]:
    """z and r of the class `target`, float64 `[D]`, of x `[1, C, H, W]`."""
    with steady(model):
        maps, gradient = activations_and_gradients(model, x.to(model.device), model.default_layer, target)
    added = (maps.double() * gradient.double()).sum((2, 3))
    return maps.double().mean((2, 3))[0].cpu().numpy(), added[0].cpu().numpy()
