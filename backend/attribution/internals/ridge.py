"""Ridge regression in closed form, its penalty chosen by folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-16, 9))
"""lambda per fitted input, for standardised columns: 1e-8 to 1e4."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """weight `[D, F]`, bias `[D]`; penalty: lambda."""

    weight: Tensor
    bias: Tensor
    penalty: float


def fit_ridge(g: Tensor, z: Tensor, folds: np.ndarray) -> Ridge:
    """argmin sum_i ||z_i - A g_i - b||^2 + lambda ||A||_F^2, b not penalised. g: `[n, F]`, z: `[n, D]`, float64. folds:
    `[n]`; lambda has the smallest squared error over the inputs of each fold, fitted on the others."""
    numbers = sorted(set(folds.tolist()))
    coordinates = _coordinates(z)
    errors = torch.zeros(len(PENALTIES), dtype=torch.float64)
    for number in numbers if len(numbers) > 1 else []:
        out = torch.from_numpy(folds == number)
        spectrum = _Spectrum(g[~out], coordinates[~out])
        penalties = [penalty * int((~out).sum()) for penalty in PENALTIES]
        errors += spectrum.errors(g[out], coordinates[out], penalties)
    penalty = PENALTIES[int(errors.argmin())] * len(g)
    weight = _Spectrum(g, z).weight(penalty)
    return Ridge(weight, z.mean(0) - weight @ g.mean(0), penalty)


def _coordinates(z: Tensor) -> Tensor:
    """The rows in as few numbers as possible, all distances as they are: an error is the same in either."""
    if z.shape[1] <= z.shape[0]:
        return z
    centred = z - z.mean(0)
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    return vectors * values.clamp_min(0).sqrt()


class _Spectrum:
    """The fit for every penalty from one decomposition, of the smaller of the two Gram matrices."""

    def __init__(self, g: Tensor, z: Tensor) -> None:
        self.g_mean, self.z_mean = g.mean(0), z.mean(0)
        self.g, z = g - self.g_mean, z - self.z_mean
        self.wide = g.shape[1] > g.shape[0]
        gram = self.g @ self.g.T if self.wide else self.g.T @ self.g
        self.values, self.vectors = torch.linalg.eigh(gram)
        self.turned = self.vectors.T @ (z if self.wide else self.g.T @ z)

    def weight(self, penalty: float) -> Tensor:
        """A `[D, F]`."""
        solved = self.vectors @ (self.turned / (self.values.clamp_min(0) + penalty)[:, None])
        return (self.g.T @ solved if self.wide else solved).T

    def errors(self, g: Tensor, z: Tensor, penalties: list[float]) -> Tensor:
        """Squared error of the predictions for other rows, for each penalty. With P = g V the rows along the
        eigenvectors and Q what `turned` holds, the prediction is P D Q with D = 1 / (values + penalty), and its error
        a quadratic form in D."""
        g, z = g - self.g_mean, z - self.z_mean
        along = (g @ self.g.T if self.wide else g) @ self.vectors
        linear = ((along.T @ z) * self.turned).sum(1)
        quadratic = (along.T @ along) * (self.turned @ self.turned.T)
        d = torch.stack([1 / (self.values.clamp_min(0) + penalty) for penalty in penalties])
        return z.square().sum() - 2 * d @ linear + ((d @ quadratic) * d).sum(1)
