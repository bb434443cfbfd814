"""Accuracy of a two-class model with intervals, and the calibration of its probabilities. Plain numpy; a
higher score means class 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import rankdata

Measure = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Rounded, JSON-able."""
        return {name: round(number, 4) for name, number in asdict(self).items()}


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: P(score of a random positive > that of a random negative), ties count half
    (Mann-Whitney).

    truth: `[n]` of 0 and 1. NaN when one class is missing.
    """
    positive = truth == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if n1 == 0 or n0 == 0:
        return float("nan")
    return float((rankdata(score)[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def sensitivity(truth: np.ndarray, score: np.ndarray, threshold: float = 0.5) -> float:
    """Share of class 1 scored above the threshold."""
    return float(np.mean(score[truth == 1] > threshold))


def specificity(truth: np.ndarray, score: np.ndarray, threshold: float = 0.5) -> float:
    """Share of class 0 scored at or below the threshold."""
    return float(np.mean(score[truth == 0] <= threshold))


def balanced_accuracy(truth: np.ndarray, score: np.ndarray, threshold: float = 0.5) -> float:
    """Mean of sensitivity and specificity: 0.5 for any constant answer, whatever the class sizes."""
    return (sensitivity(truth, score, threshold) + specificity(truth, score, threshold)) / 2


def bootstrap(
    measure: Measure,
    truth: np.ndarray,
    score: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Estimate:
    """95 % percentile interval over resampled *groups* (people, not clips: clips of one person are not
    independent).

    groups: `[n]` ids, None takes every row for itself. Draws without both classes are left out.
    """
    groups = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if 0 < truth[rows].sum() < len(rows):
            values.append(measure(truth[rows], score[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(measure(truth, score), float(low), float(high))


def report(
    truth: np.ndarray, probability: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> dict[str, dict[str, float]]:
    """AUC, sensitivity, specificity and balanced accuracy at threshold 0.5, each with its interval."""
    measures = {
        "auc": auc,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "balanced_accuracy": balanced_accuracy,
    }
    return {
        name: bootstrap(measure, truth, probability, groups, seed=seed).as_dict()
        for name, measure in measures.items()
    }


def fit_temperature(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """T > 0 that minimises the mean negative log-likelihood of softmax(logits / T) (Guo et al. 2017, arXiv
    1706.04599).

    logits: `[n, K]`, of inputs the network was *not* trained on; truth: `[n]`; weights: `[n]`, e.g.
    `even_odds`. Bounded to 0.05..20.
    """
    rows = np.arange(len(truth))

    def loss(log_t: float) -> float:
        return float(np.average(-log_softmax(logits / np.exp(log_t), axis=1)[rows, truth], weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(logits / temperature) over the last axis, `[..., K]`."""
    return softmax(logits / temperature, axis=-1)


def even_odds(truth: np.ndarray) -> np.ndarray:
    """`[n]` weights under which every class counts the same, as in training with class weights."""
    return (len(truth) / np.bincount(truth))[truth]


def calibration_error(
    probability: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None, bins: int = 10
) -> float:
    """Expected calibration error: mean |confidence - accuracy| over equally wide bins of the top probability,
    weighted by their size.

    probability: `[n, K]`, truth: `[n]`.
    """
    confidence, right = probability.max(1), probability.argmax(1) == truth
    weights = np.ones(len(truth)) if weights is None else weights
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs((weights * (confidence - right))[index == b].sum()) for b in range(bins)]
    return float(sum(gaps) / weights.sum())


def stratified_auc(truth: np.ndarray, score: np.ndarray, strata: np.ndarray) -> float:
    """AUC over pairs of the same stratum only (van Elteren's weights n1 n0): what is left when the strata
    are held alike."""
    pairs = area = 0.0
    for stratum in np.unique(strata):
        inside = strata == stratum
        count = float((truth[inside] == 1).sum() * (truth[inside] == 0).sum())
        if count:
            pairs, area = pairs + count, area + count * auc(truth[inside], score[inside])
    return area / pairs if pairs else float("nan")
