"""Stopping early: the error that was asked for is the error reached, the passes saved are counted, a note says
so. Simulated where the truth is known: nine tiles, all 512 coalitions scored; else the mean over many seeds."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import backend
import models
from backend.attribution.methods import METHODS, kernel_shap
from backend.attribution.perturbation.segments import tiles
from backend.attribution.tolerance import reached, stopped
from tests.backend.attribution.perturbation.test_uncertainty import limit, scores_of_all
from tests.tiny import build, picture

NINE = {"segments": 9, "segmentation": "tiles"}
CASES: dict[str, tuple[float, dict[str, Any]]] = {
    "lime": (0.01, {"n_samples": 4000, **NINE}),
    "kernel_shap": (0.0015, {"n_samples": 4000, **NINE}),
    "shapley_sampling": (0.03, {"n_orders": 400, **NINE}),
    "rise": (0.3, {"n_samples": 4000, "cells": 4}),
    "smooth_grad": (0.08, {"n_samples": 1500}),
}
"""Method: the tolerance asked for, and samples that suffice for it by far."""


@cache
def network() -> models.Model:
    return build("residual")


@cache
def truth(method: str) -> np.ndarray:
    """What infinitely many samples would give."""
    model, x, labels = network(), picture(), tiles(32, 32, 3, 3)
    if method in ("rise", "smooth_grad"):
        most = CASES[method][1]
        maps = [backend.explain(model, x, method, target=1, seed=seed, **most) for seed in (1000, 1001)]
        return np.mean([result.values for result in maps], axis=0)
    on, scores = scores_of_all(model, x, labels, 1)
    return (limit(scores, 0.25, on) if method == "lime" else kernel_shap.shapley(on, scores))[labels]


@pytest.mark.parametrize("method", CASES)
def test_the_error_reached_is_the_error_asked_for(method):
    tolerance, most = CASES[method]
    bound = METHODS[method].cost(network(), METHODS[method].Params(**most)).forwards
    unit = {"shapley_sampling": "orders", "smooth_grad": "copies"}.get(method, "samples")
    errors, spent = [], []
    for seed in range(60, 68):
        steps: list[tuple[int, int]] = []
        result = backend.explain(
            network(),
            picture(),
            method,
            target=1,
            seed=seed,
            tolerance=tolerance,
            report=lambda done, total, partial=None, seen=steps: seen.append((done, total)),
            **most,
        )
        errors.append(result.values - truth(method))
        spent.append(result.forwards)
        assert result.extras["uncertainty"] <= tolerance
        assert result.extras["samples"] == result.forwards < bound
        assert steps[-1] == (steps[-1][1], steps[-1][1])
        (note,) = (note for note in result.notes if note.startswith("Stopped"))
        done, n = result.extras.get("orders", result.forwards), most.get("n_orders") or most["n_samples"]
        assert note.startswith(f"Stopped after {done:,} of {n:,} {unit}: ")
    assert min(spent) > 130  # not at the first occasion, where any error would do
    error = np.sqrt(np.mean(np.square(errors))) / truth(method).std()
    assert 0.7 * tolerance < error < 1.3 * tolerance  # eight draws tell it to about 15 %


def test_without_a_tolerance_nothing_stops():
    assert not reached(0.0, 0.0)
    assert reached(0.1, 0.1)
    assert not reached(None, 0.5)
    assert stopped(100, 100, 0.1, 0.2) == ()
    (note,) = stopped(412, 1000, 0.098, 0.1)
    assert note == (
        "Stopped after 412 of 1,000 samples: the standard error is 9.8% of the map's spread, 10.0% was asked for."
    )
