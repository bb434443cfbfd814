"""The linear surrogate of LIME: samples of segments on and off, their proximity, weighted ridge regression, and how sure it is.

Symbols: z `[n, S]` in {0, 1} samples; y `[n]` scores; w `[n]` proximities; S segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALPHA = 1.0
REPEATS = 100


@dataclass(frozen=True, eq=False)
class Fit:
    """coefficients, errors: float64 `[S]`. errors: standard error of each coefficient over draws of the samples."""

    coefficients: np.ndarray
    intercept: float
    r2: float
    errors: np.ndarray

    @property
    def uncertainty(self) -> float:
        """Root mean square standard error as a share of the spread of the coefficients."""
        spread = float(self.coefficients.std())
        return float(np.sqrt((self.errors**2).mean())) / spread if spread > 0 else float("inf")


def draw(n: int, segments: int, seed: int, antithetic: bool) -> np.ndarray:
    """bool `[n, S]`: each segment on with probability 1/2; the first row is the whole input.

    antithetic: rows come in pairs (z, 1 - z). The difference within a pair holds no even interaction of segments, which then cannot leak
    into the coefficients. The first n rows of a longer draw are the shorter draw.
    """
    generator = np.random.default_rng(seed)
    if not antithetic:
        on = generator.random((n, segments)) < 0.5
        on[0] = True
        return on
    half = generator.random(((n + 1) // 2, segments)) < 0.5
    half[0] = True
    return np.stack([half, ~half], axis=1).reshape(-1, segments)[:n]


def proximity(on: np.ndarray, width: float) -> np.ndarray:
    """w = sqrt(exp(-d^2 / width^2)), d = 1 - cos(z, 1) = 1 - sqrt(|z| / S), as the lime package has it."""
    distance = 1 - np.sqrt(on.mean(1))
    weights: np.ndarray = np.sqrt(np.exp(-(distance**2) / width**2))
    return weights


def ridge(on: np.ndarray, scores: np.ndarray, weights: np.ndarray, alpha: float = ALPHA, pairs: bool = False) -> Fit:
    """min sum_i w_i (y_i - b - z_i beta)^2 + alpha |beta|^2; the intercept b is not penalised.

    errors: the cluster-robust (sandwich) standard error, a pair of antithetic samples being one cluster.
    """
    z, total = on.astype(np.float64), weights.sum()
    z_mean, y_mean = weights @ z / total, float(weights @ scores / total)
    centred, y = z - z_mean, scores - y_mean
    weighted = centred * weights[:, None]
    inverse = np.linalg.inv(centred.T @ weighted + alpha * np.eye(z.shape[1]))
    beta = inverse @ (weighted.T @ y)
    residual = y - centred @ beta
    spread = float(weights @ y**2)
    influence = _clustered(weighted * residual[:, None], pairs) @ inverse
    return Fit(
        coefficients=beta,
        intercept=float(y_mean - z_mean @ beta),
        r2=1 - float(weights @ residual**2) / spread if spread > 0 else 0.0,
        errors=np.sqrt((influence**2).sum(0)),
    )


def band(
    on: np.ndarray, scores: np.ndarray, weights: np.ndarray, seed: int, *, pairs: bool, alpha: float = ALPHA, repeats: int = REPEATS
) -> np.ndarray:
    """`[2, S]`: the 5th and 95th percentile of each coefficient over bootstrap resamples of the stored samples; no new passes."""
    generator = np.random.default_rng(seed)
    n, segments = on.shape
    z, penalty = on.astype(np.float64), alpha * np.eye(segments)
    groups = (n + 1) // 2 if pairs else n
    found = np.empty((repeats, segments))
    for i in range(repeats):
        counts = np.bincount(generator.integers(groups, size=groups), minlength=groups)
        w = weights * (np.repeat(counts, 2)[:n] if pairs else counts)
        total = w.sum()
        zw = z * w[:, None]
        z_sum = zw.sum(0)
        gram = z.T @ zw - np.outer(z_sum, z_sum) / total
        found[i] = np.linalg.solve(gram + penalty, zw.T @ scores - z_sum * (w @ scores / total))
    edges: np.ndarray = np.percentile(found, [5, 95], axis=0)
    return edges


def _clustered(rows: np.ndarray, pairs: bool) -> np.ndarray:
    if not pairs:
        return rows
    return np.add.reduceat(rows, np.arange(0, len(rows), 2), axis=0)
