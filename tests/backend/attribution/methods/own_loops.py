"""The loops that Captum replaced, as second implementations to hold against: one masked input after the other,
nothing shared with the methods but the passes, the segments and the draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

import models
from backend.attribution.network.passes import Passes
from backend.attribution.network.run import SMALL


def scorer(model: models.Model, x: Tensor, target: int) -> Callable[[np.ndarray], float]:
    """Which cells stay, `[H, W]` -> the score with the others black."""
    run, black = Passes.of(model).run(target, passes=SMALL), model.input.baseline(x)
    return lambda keep: float(run.scores(torch.where(torch.from_numpy(keep), x, black)))


def segment_scores(
    model: models.Model, x: Tensor, on: np.ndarray, labels: np.ndarray, target: int
) -> np.ndarray:
    """on: bool `[n, S]`; labels: `[H, W]`. Returns float64 `[n]`."""
    score = scorer(model, x, target)
    return np.array([score(row[labels]) for row in on])


def occlusion(model: models.Model, x: Tensor, window: int, step: int, target: int) -> np.ndarray:
    """Mean over the windows that cover a cell of the fall of the score, `[H, W]`. window, step: in cells."""
    (height, width), score = x.shape[-2:], scorer(model, x, target)
    whole = score(np.ones((height, width), bool))
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for top in starts(height, window, step):
        for left in starts(width, window, step):
            place = slice(top, top + window), slice(left, left + window)
            keep = np.ones((height, width), bool)
            keep[place] = False
            total[place] += whole - score(keep)
            count[place] += 1
    return total / count.clip(min=1)


def starts(side: int, window: int, step: int) -> list[int]:
    """From 0 on until a window reaches the end."""
    found = [0]
    while found[-1] + window < side:
        found.append(found[-1] + step)
    return found


def kernel_shap(on: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Least squares through both ends by eliminating the last segment, `[S]`. on: the full and the empty
    coalition first; scores: `[n]`."""
    rows, difference = on[2:].astype(float), scores[0] - scores[1]
    left = rows[:, :-1] - rows[:, -1:]
    right = scores[2:] - scores[1] - rows[:, -1] * difference
    shares = np.linalg.lstsq(left, right, rcond=None)[0]
    return np.append(shares, difference - shares.sum())


def feature_ablation(model: models.Model, x: Tensor, labels: np.ndarray, target: int) -> np.ndarray:
    """y(x) - y(x without the segment), `[S]`."""
    score = scorer(model, x, target)
    whole = score(np.ones(labels.shape, bool))
    return np.array([whole - score(labels != i) for i in range(labels.max() + 1)])


def shapley_sampling(
    model: models.Model, x: Tensor, labels: np.ndarray, target: int, orders: list[list[int]]
) -> np.ndarray:
    """What each segment adds in each order, `[orders, S]`."""
    added, score = np.zeros((len(orders), labels.max() + 1)), scorer(model, x, target)
    for row, order in zip(added, orders, strict=True):
        shown = np.zeros(labels.max() + 1, bool)
        before = score(shown[labels])
        for i in order:
            shown[i] = True
            after = score(shown[labels])
            row[i], before = after - before, after
    return added


def near(actual: np.ndarray, expected: np.ndarray, share: float = 1e-5, of: float | None = None) -> None:
    """Within a share of the largest value (or `of`) and the rounding of scores, which are below 1 here."""
    largest = np.abs(expected).max() if of is None else of
    np.testing.assert_allclose(actual, expected, rtol=0, atol=share * largest + np.finfo(np.float32).eps)


NETWORKS = ("plain", "residual", "mobile", "single_logit")
