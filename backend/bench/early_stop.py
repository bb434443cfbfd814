"""Stopping at the error asked for: passes spent against those of a full run, and the error that was really
reached."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

import backend
import models
from backend.attribution.methods import METHODS
from backend.attribution.types import Attribution
from backend.bench.harness import Row, Setting, versus
from backend.bench.subject import Subject, subject_of

TITLE = "Stopping at the error asked for (the bundled network `shapes`): passes of a full run / passes spent"
ORDER = 28
ASKED = 0.2
MOST = {"n_samples": 2000, "n_steps": 256}
"""What a full run takes, by the name of the parameter; the reference takes it with another seed."""
QUICK = 16
"""A quick run takes so many times less."""


def rows(setting: Setting) -> Iterator[Row]:
    """One row per method that can stop early."""
    subject = _shapes()
    for key, method in METHODS.items():
        fields = method.Params.model_fields
        amount = next((name for name in MOST if name in fields), None)
        if "tolerance" not in fields or amount is None or not method.is_compatible(subject.model).ok:
            continue
        setting.tell(method.title)
        most = MOST[amount] // (QUICK if setting.quick else 1)
        reference = _run(subject, key, {amount: most}, seed=1000)
        stopped = [
            _run(subject, key, {amount: most, "tolerance": ASKED}, seed) for seed in range(setting.rounds)
        ]
        error = statistics.median(distance(result.values, reference.values) for result in stopped)
        yield versus(
            f"{method.title}, {ASKED:.0%} asked for",
            f"{most:,} {amount.removeprefix('n_')}",
            [(result.forwards, reference.forwards) for result in stopped],
            goal=None,
            note=f"{error:.0%} of the spread from a full run with another seed.",
            unit="passes",
        )


@cache
def _shapes() -> Subject:
    return subject_of(models.load("shapes"))


def _run(subject: Subject, key: str, params: dict[str, Any], seed: int) -> Attribution:
    return backend.explain(subject.model, subject.x, key, target=subject.target, seed=seed, **params)


def distance(values: np.ndarray, reference: np.ndarray) -> float:
    """Root mean square difference as a share of the spread of the reference."""
    return float(np.sqrt(np.mean((values - reference) ** 2)) / reference.std())
