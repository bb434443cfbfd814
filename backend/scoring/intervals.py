"""Intervals over inputs: what another draw of as many inputs could have given.

The percentile bootstrap with wider ends (Hesterberg, "What teachers should know about the bootstrap", The American
Statistician 69, 2015): the plain one takes the spread of resamples for that of the population, which for n inputs is
too small by sqrt((n - 1) / n), and ignores that the spread is itself estimated. Ends are therefore the quantiles
`Phi(-+ sqrt(n / (n - 1)) t)`, t Student's with n - 1 degrees of freedom: as wide as Student's interval where scores are
normal, leaning as the scores do, never beyond the range of the scores. Its coverage is simulated in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

LEVEL = 0.95
RESAMPLES = 4000
MANY = 200
"""Inputs above which the interval is Student's: the mean of so many leans no more, and resamples of thousands of inputs would
fill the memory of the process that serves the pages."""
FEWEST = 5
"""Inputs that an interval rests on: of fewer, resamples cannot reach far enough."""


@dataclass(frozen=True)
class Paired:
    """Mean paired difference, more is better, over `n` inputs that have both scores."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def beats(self) -> bool:
        """Wrong in at most 2.5 % of studies in which nothing is to be found."""
        return self.low is not None and self.low > 0

    @property
    def beaten(self) -> bool:
        return self.high is not None and self.high < 0


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """Of the mean of `values [n]`, NaN where there is no score. None of fewer than five scores."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < FEWEST:
        return None
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    if n > MANY:
        return student(values, level)
    from scipy.special import ndtr, stdtrit  # not at the top: the web process starts without scipy

    means = _counts(n) @ values / n
    reach = np.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + level) / 2)
    low, high = np.quantile(means, [ndtr(-reach), ndtr(reach)])
    return float(low), float(high)


def student(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Student's interval of the mean of two or more values; its point where all are equal."""
    from scipy.special import stdtrit

    mean, error = float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
    reach = float(stdtrit(len(values) - 1, (1 + level) / 2)) * error
    return mean - reach, mean + reach


def paired(scores: np.ndarray, others: np.ndarray, higher: bool) -> Paired | None:
    """How much better `scores [n]` are than `others [n]` on the same inputs. None where no input has both."""
    gains = (np.asarray(scores, np.float64) - np.asarray(others, np.float64)) * (1 if higher else -1)
    gains = gains[np.isfinite(gains)]
    if len(gains) == 0:
        return None
    low, high = interval(gains) or (None, None)
    return Paired(float(gains.mean()), low, high, len(gains))


@lru_cache(8)
def _counts(n: int) -> np.ndarray:
    """float64 `[RESAMPLES, n]`: how often each input is drawn; the same for all columns of a table."""
    rng = np.random.default_rng((2015, n))
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
