"""The linear surrogate of LIME: samples of segments on and off, their proximity, weighted ridge regression,
and standard errors of its coefficients.

Symbols: z `[n, S]` in {0, 1} samples; y `[n]` scores; w `[n]` proximities; S segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

ALPHA = 1.0
"""Ridge penalty of the lime package, used while the samples are few."""
ENOUGH = 4
"""Samples of equal weight per segment from which the regression needs no penalty and its standard errors
hold."""
BAND = 0.90
"""Probability that a coefficient's band holds the coefficient that infinitely many samples would give."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """coefficients, errors: float64 `[S]`. errors: standard error of each coefficient over draws of the
    samples.

    freedom: degrees of freedom, independent draws (a pair counts once) less fitted numbers. effective: number
    of samples of equal weight that carry as much information.
    """

    coefficients: np.ndarray
    intercept: float
    r2: float
    errors: np.ndarray
    freedom: int
    effective: float

    @property
    def enough(self) -> bool:
        """Whether the samples suffice for standard errors: `effective` >= ENOUGH per segment."""
        return self.effective >= ENOUGH * len(self.coefficients)

    @property
    def uncertainty(self) -> float:
        """Root mean square standard error over the standard deviation of the coefficients."""
        return relative_error(self.errors, self.coefficients)

    @property
    def band(self) -> np.ndarray:
        """`[2, S]`: lower and upper end of the 90 % band, coefficients -+ Student's t * errors.

        A band of the coefficients that infinitely many samples would give, interactions and all; how well
        they describe the network is another question, which R2 answers.
        """
        half = stdtrit(max(1, self.freedom), (1 + BAND) / 2) * self.errors
        return np.stack([self.coefficients - half, self.coefficients + half])


def relative_error(errors: np.ndarray, values: np.ndarray) -> float:
    """Root mean square of the standard errors over the standard deviation of the values; infinite where
    the values are all alike."""
    deviation = float(values.std())
    return float(np.sqrt((errors**2).mean())) / deviation if deviation > 0 else float("inf")


def too_few(samples: int, segments: int, effective: float) -> str:
    """The note for samples too few for standard errors. effective: their number in samples of equal weight."""
    needed = ENOUGH * segments * samples / max(effective, 1)
    return f"{samples} samples are too few to say how sure each of {segments} pieces is: take {needed:.0f} or more, or fewer pieces."


def draw(n: int, segments: int, seed: int, antithetic: bool) -> np.ndarray:
    """bool `[n, S]`: the whole input, the empty one, then samples with each segment on with probability 1/2.

    antithetic: samples come in pairs (z, 1 - z). The difference within a pair holds no even interaction of
    segments, which then cannot leak into the coefficients. The first n rows of a longer draw are the shorter
    draw.
    """
    generator = np.random.default_rng(seed)
    ends = np.stack([np.ones(segments, bool), np.zeros(segments, bool)])
    if not antithetic:
        return np.concatenate([ends, generator.random((max(0, n - 2), segments)) < 0.5])[:n]
    half = generator.random((max(0, n - 1) // 2, segments)) < 0.5
    return np.concatenate([ends, np.stack([half, ~half], axis=1).reshape(-1, segments)])[:n]


def proximity(on: np.ndarray, width: float) -> np.ndarray:
    """w = sqrt(exp(-d^2 / width^2)), d = 1 - cos(z, 1) = 1 - sqrt(|z| / S), as the lime package has it."""
    distance = 1 - np.sqrt(on.mean(1))
    weights: np.ndarray = np.sqrt(np.exp(-(distance**2) / width**2))
    return weights


def fit_surrogate(on: np.ndarray, scores: np.ndarray, width: float, pairs: bool) -> Surrogate:
    """The surrogate fitted to samples that `draw` made.

    The fit omits the whole and the empty input, which are no random draws: with the largest weight and the
    largest residual, the whole input would bias every coefficient the same way. The penalty is dropped once
    the samples are enough, because it biases too and the band would not show it.
    """
    on, scores = on[2:], scores[2:]
    weights = proximity(on, width)
    penalty = 0.0 if effective_size(weights) >= ENOUGH * on.shape[1] else ALPHA
    return ridge(on, scores, weights, penalty, pairs)


def effective_size(weights: np.ndarray) -> float:
    """(sum w)^2 / sum w^2: samples of equal weight that carry as much information (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


def ridge(
    on: np.ndarray, scores: np.ndarray, weights: np.ndarray, alpha: float = ALPHA, pairs: bool = False
) -> Surrogate:
    """min sum_i w_i (y_i - b - z_i beta)^2 + alpha |beta|^2; the intercept b is not penalised.

    pairs: rows 0 and 1, 2 and 3, ... are antithetic pairs, drawn together.
    """
    z, total = on.astype(np.float64), weights.sum()
    z_mean, y_mean = weights @ z / total, float(weights @ scores / total)
    centred, y = z - z_mean, scores - y_mean
    root = np.sqrt(weights)
    rows = centred * root[:, None]
    gram = rows.T @ rows
    inverse = (
        np.linalg.inv(gram + alpha * np.eye(z.shape[1])) if alpha else np.linalg.pinv(gram, hermitian=True)
    )
    beta = inverse @ (rows.T @ (root * y))
    residual = y - centred @ beta
    deviance = float(weights @ y**2)
    return Surrogate(
        coefficients=beta,
        intercept=float(y_mean - z_mean @ beta),
        r2=1 - float(weights @ residual**2) / deviance if deviance > 0 else 0.0,
        errors=robust_errors(rows, root * residual, inverse, pairs, constant=root / np.sqrt(total)),
        freedom=(-(-len(z) // 2) if pairs else len(z)) - z.shape[1] - 1,
        effective=effective_size(weights),
    )


def robust_errors(
    rows: np.ndarray,
    residual: np.ndarray,
    inverse: np.ndarray,
    pairs: bool,
    constant: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Standard errors `[S]` of beta = inverse @ rows' y, whatever the residuals' sizes (CR2: Bell and
    McCaffrey 2002; HC2 without pairs).

    sqrt(diag(inverse (sum_g rows_g' A_g e_g e_g' A_g rows_g) inverse)), A_g = (1 - H_gg)^(-1/2): each cluster
    g (a pair, or one sample) has its residuals e_g enlarged by what its own leverage H_gg took from them.
    constant: the column of the intercept, already normalised.
    """
    size = 2 if pairs else 1
    spare = -len(rows) % size  # a last sample without its opposite is a cluster of its own
    x = np.pad(rows, ((0, spare), (0, 0))).reshape(-1, size, rows.shape[1])
    e = np.pad(residual, (0, spare)).reshape(-1, size, 1)
    k = np.pad(np.broadcast_to(constant, residual.shape), (0, spare)).reshape(-1, size, 1)
    leverage = (x @ inverse) @ x.transpose(0, 2, 1) + k @ k.transpose(0, 2, 1)
    values, vectors = np.linalg.eigh(np.eye(size) - leverage)
    enlarged = vectors @ ((vectors.transpose(0, 2, 1) @ e) / np.sqrt(values.clip(1e-6))[..., None])
    influence = (x * enlarged).sum(1) @ inverse.T
    errors: np.ndarray = np.sqrt((influence**2).sum(0))
    return errors
