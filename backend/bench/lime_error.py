"""LIME to the same error: how many of our paired samples give coefficients as exact as 1,000 samples of the
lime package, and the time.

The error is the root mean square difference from the coefficients of 20,000 samples, averaged over seeds. On
a trained network, because the gain of paired samples depends on how the network combines what it sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

import backend
import models
from backend.bench import peers
from backend.bench.harness import LeftOut, Peer, Row, Setting, contest
from backend.bench.subject import SEGMENTS, Subject, subject_of

TITLE = "LIME to the same error (the bundled network `shapes`): theirs / ours"
ORDER = 25
GOAL = 10
SAMPLES, EXACT = 1000, 20_000
LADDER = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1000)
SEEDS = range(5)


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row."""
    subject = subject_of(models.load("shapes"))
    setting.tell("exact coefficients")
    exact = coefficients(subject, EXACT // 10 if setting.quick else EXACT, seed=1000)
    setting.tell("the error of the lime package")
    try:
        theirs = error(exact, [_theirs(subject, seed) for seed in SEEDS])
    except ModuleNotFoundError as missing:
        yield LeftOut("LIME to the same error", f"{missing.name} is not installed.")
        return
    setting.tell("our samples to the same error")
    fewest_samples = fewest(subject, exact, theirs, SEEDS) or SAMPLES
    ours = partial(
        backend.explain,
        subject.model,
        subject.x,
        "lime",
        target=subject.target,
        n_samples=fewest_samples,
        segments=SEGMENTS,
    )
    note = f"Both with an error of {theirs / float(exact.std()):.0%} of the coefficients' spread; theirs needs {SAMPLES:,} samples."
    peer = Peer("lime", lambda: peers.lime(subject, SAMPLES), GOAL, note)
    yield from contest(f"LIME, {fewest_samples:,} paired samples", ours, [peer], setting)


def coefficients(subject: Subject, samples: int, seed: int) -> np.ndarray:
    """LIME coefficients by our implementation, `[S]`."""
    explanation = backend.explain(
        subject.model,
        subject.x,
        "lime",
        target=subject.target,
        n_samples=samples,
        segments=SEGMENTS,
        seed=seed,
    )
    assert np.array_equal(explanation.arrays["segments"], subject.cut)
    return explanation.arrays["coefficients"].astype(np.float64)


def _theirs(subject: Subject, seed: int) -> np.ndarray:
    by_segment = dict(peers.lime(subject, SAMPLES, seed)().local_exp[subject.target])
    return np.array([by_segment[i] for i in range(int(subject.cut.max()) + 1)])


def error(exact: np.ndarray, estimates: Iterable[np.ndarray]) -> float:
    """Root mean square over segments, averaged over seeds."""
    return float(np.mean([np.sqrt(np.mean((estimate - exact) ** 2)) for estimate in estimates]))


def fewest(subject: Subject, exact: np.ndarray, allowed: float, seeds: Iterable[int]) -> int | None:
    """The first rung of the ladder whose error is at most `allowed`; None if none is."""
    seed_list = list(seeds)
    return next(
        (
            n
            for n in LADDER
            if error(exact, [coefficients(subject, n, seed) for seed in seed_list]) <= allowed
        ),
        None,
    )
