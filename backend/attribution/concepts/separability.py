"""Separability of a concept from its counter-examples at a layer: held-out balanced accuracy with its interval.

Five-fold cross-validation of two linear rules on the pooled activations:
  own      projection on the mean difference (Visual-TCAV's own direction), threshold half way between the means
  trained  logistic regression with an L2 penalty on standardised activations, both sides of equal weight: a CAV as in TCAV
           (Kim et al. 2018, arXiv 1711.11279). It asks what the layer knows, where `own` asks what the concept's map can use.

Interval: each side's share of right answers is a binomial, but the folds share training examples, so their
answers are not independent. A Wilson interval that assumes independence covers 81 to 90 % instead of 95. The
variance of a mean over K folds with a share q of the examples held out is (1/K + q/(1 - q)) times that of one
fold instead of 1/K times (Nadeau and Bengio 2003): with five folds 2.25 times as large. Wilson's formula
therefore receives n / 2.25 examples. The two sides' intervals [l, u] are combined for the mean of the two
shares p by the square-and-add rule (Newcombe 1998; Zou and Donner 2008): low = p - sqrt((p1 - l1)^2 +
(p2 - l2)^2) / 2, high alike. The tests show by simulation that it covers at least 95 %.

With a dozen examples and nothing to learn the accuracy varies widely around 0.5. A concept is told apart only
if the whole interval lies above 0.5; an accuracy below 0.5 means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from torch import Tensor

from backend.attribution.concepts.vectors import Activations

FOLDS = 5
SHARED_FOLDS = FOLDS * (1 / FOLDS + 1 / (FOLDS - 1))
"""2.25: variance over that of independent answers."""
Rule = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]]
"""Training examples of both sides `[n, C]`, `[m, C]` -> (direction `[C]`, threshold); a projection above the
threshold is the concept."""


@dataclass(frozen=True)
class HeldOut:
    """Balanced accuracy and its 95 % interval."""

    accuracy: float
    low: float
    high: float

    @property
    def told_apart(self) -> bool:
        """The whole interval lies above chance."""
        return self.low > 0.5

    @property
    def words(self) -> str:
        """The result as a sentence, with accuracy and interval."""
        figures = f"held-out accuracy {self.accuracy:.2f}, 95 % {self.low:.2f} to {self.high:.2f}"
        return (
            f"Told apart from its counter-examples ({figures})."
            if self.told_apart
            else f"Cannot be told apart from its counter-examples ({figures})."
        )


def mean_difference(plus: np.ndarray, minus: np.ndarray) -> tuple[np.ndarray, float]:
    """Visual-TCAV's direction."""
    centres = plus.mean(0), minus.mean(0)
    direction = centres[0] - centres[1]
    return direction, float(direction @ (centres[0] + centres[1]) / 2)


def logistic(plus: np.ndarray, minus: np.ndarray) -> tuple[np.ndarray, float]:
    """A trained CAV in the units of the activations."""
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([plus, minus])
    centre, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    sides = np.repeat([1, 0], [len(plus), len(minus)])
    fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit((x - centre) / scale, sides)
    direction = fitted.coef_[0] / scale
    return direction, float(direction @ centre - fitted.intercept_[0])


def held_out(plus: Activations, minus: Activations, rule: Rule = mean_difference, seed: int = 0) -> HeldOut:
    """Five-fold cross-validation: every example is classified once, by a rule trained without it."""
    generator = np.random.default_rng(seed)
    sides = [_numbers(side.pooled) for side in (plus, minus)]
    folds = [np.array_split(generator.permutation(len(side)), FOLDS) for side in sides]
    right = [0, 0]
    for fold in range(FOLDS):
        trained = [np.delete(side, groups[fold], axis=0) for side, groups in zip(sides, folds, strict=True)]
        direction, threshold = rule(trained[0], trained[1])
        for number, (side, groups) in enumerate(zip(sides, folds, strict=True)):
            above = side[groups[fold]] @ direction > threshold
            right[number] += int(np.count_nonzero(above == (number == 0)))
    return balanced(right[0], len(sides[0]), right[1], len(sides[1]))


def balanced(right: int, n: int, other_right: int, other_n: int) -> HeldOut:
    """Balanced accuracy from the right answers of five folds: `right` of `n`, `other_right` of `other_n`."""
    shares = np.array([right / n, other_right / other_n])
    low, high = wilson(shares, np.array([n, other_n]) / SHARED_FOLDS)
    mean = float(shares.mean())
    return HeldOut(
        mean, mean - float(np.hypot(*(shares - low))) / 2, mean + float(np.hypot(*(high - shares))) / 2
    )


def wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % interval of a binomial share; n need not be whole."""
    z = stats.norm.ppf(0.975)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half


def _numbers(pooled: Tensor) -> np.ndarray:
    return pooled.detach().cpu().double().numpy()


__all__ = ["HeldOut", "balanced", "held_out", "logistic", "mean_difference"]
