"""Estimates from random samples, ours and a peer's, and their errors: what the groups same_error and same_time
measure.

The error is the root mean square difference from a reference of many samples, averaged over seeds. The
reference is the mean of two independent halves; its own variance, a quarter of the mean square of their
difference, is taken off, so that an estimate nearly as exact as the reference is not called worse than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy import stats

import backend
import models
from backend.bench import captum_work as captum
from backend.bench import other_work as other
from backend.bench.subject import NOISE, SEGMENTS, Subject, resnet_subject, subject_of

Estimate = Callable[[int, int], np.ndarray]
"""Of a number of samples and a seed; our coefficients `[S]`, maps `[H, W]`."""
SEEDS = range(3)


@dataclass(frozen=True, eq=False)
class Reference:
    """first, second: independent estimates from half of the samples each."""

    first: np.ndarray
    second: np.ndarray

    @property
    def values(self) -> np.ndarray:
        return (self.first + self.second) / 2

    @property
    def variance(self) -> float:
        """Of `values`, mean over them."""
        return float(np.mean((self.first - self.second) ** 2)) / 4

    def error(self, estimate: np.ndarray) -> float:
        """Root mean square error of an independent estimate, as a share of the spread of the reference; at
        least a third of the reference's own, below which it cannot tell."""
        square = float(np.mean((estimate - self.values) ** 2)) - self.variance
        return float(np.sqrt(max(square, self.variance / 9)) / self.values.std())

    def mean_error(self, estimates: Iterable[np.ndarray]) -> float:
        return float(np.mean([self.error(estimate) for estimate in estimates]))

    def correlation(self, estimate: np.ndarray) -> float:
        """Spearman's, of all values."""
        return float(stats.spearmanr(estimate, self.values, axis=None).statistic)


@dataclass(frozen=True, eq=False)
class Race:
    """samples: how many the peer takes. goal: how many times less time ours should need for the same error.
    amx: that goal was set for a processor with AMX. ladder: numbers of our samples to try."""

    work: str
    unit: str
    peer: str
    samples: int
    ours: Estimate
    theirs: Estimate
    reference: Reference
    ladder: tuple[int, ...]
    goal: float | None = None
    amx: bool = False

    def fewest(self, allowed: float) -> int | None:
        """The first rung of the ladder whose error is at most `allowed`; None if none is."""
        return next(
            (
                n
                for n in self.ladder
                if self.reference.mean_error(self.ours(n, seed) for seed in SEEDS) <= allowed
            ),
            None,
        )


@cache
def races(quick: bool) -> list[Callable[[], Race]]:
    """Each is built at first use; its reference is computed once for all groups."""
    return [
        cache(lambda: _lime("shapes", _shapes(), 100 if quick else 1000, 200 if quick else 20_000)),
        cache(lambda: _lime("ResNet-18", resnet_subject(), 40 if quick else 200, 80 if quick else 3000)),
        cache(lambda: _smooth_grad("shapes", _shapes(), 100 if quick else 4000)),
        cache(lambda: _smooth_grad("ResNet-18", resnet_subject(), 16 if quick else 400)),
    ]


@cache
def _shapes() -> Subject:
    """A trained network: the gain of paired samples depends on how the network combines what it sees."""
    return subject_of(models.load("shapes"))


def _lime(name: str, subject: Subject, samples: int, exact: int) -> Race:
    def ours(n: int, seed: int) -> np.ndarray:
        return lime_coefficients(subject, n, seed)

    def theirs(n: int, seed: int) -> np.ndarray:
        by_segment = dict(other.lime(subject, n, seed)().local_exp[subject.target])
        return np.array([by_segment[i] for i in range(int(subject.cut.max()) + 1)])

    ladder = tuple(n for n in (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1000) if n <= samples)
    reference = Reference(ours(exact // 2, 1000), ours(exact // 2, 1001))
    return Race(f"LIME, {name}", "samples", "lime", samples, ours, theirs, reference, ladder, 10)


def lime_coefficients(subject: Subject, samples: int, seed: int) -> np.ndarray:
    """By our implementation, `[S]`."""
    explanation = backend.explain(
        subject.model, subject.x, "lime", target=subject.target, n_samples=samples, segments=SEGMENTS, seed=seed
    )  # fmt: skip
    assert np.array_equal(explanation.arrays["segments"], subject.cut)
    return explanation.arrays["coefficients"].astype(np.float64)


def _smooth_grad(name: str, subject: Subject, exact: int, copies: int = 50) -> Race:
    """The reference is Captum's own, on the module as given in float32: what our arithmetic adds counts as
    error."""

    def ours(n: int, seed: int) -> np.ndarray:
        return backend.explain(
            subject.model, subject.x, "smooth_grad", target=subject.target, n_samples=n, noise=NOISE, seed=seed
        ).values.astype(np.float64)  # fmt: skip

    def theirs(n: int, seed: int, at_once: int | None = None) -> np.ndarray:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            gradient = captum.as_used(subject, captum.smooth_grad(n), at_once)()
        values: np.ndarray = gradient.detach()[0].sum(0).double().numpy()
        return values

    ladder = tuple(n for n in (8, 16, 24, 32, 40, copies) if n <= copies)
    reference = Reference(*(theirs(exact // 2, seed, at_once=16) for seed in (1000, 1001)))
    peer = "Captum NoiseTunnel(Saliency)"
    return Race(f"SmoothGrad, {name}", "copies", peer, copies, ours, theirs, reference, ladder, 8, amx=True)
